//! What one cold start builds and every warm invocation uses again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use iceberg::TableIdent;
use lambda_runtime::Error;
use tokio::time::Instant;
use tributary_runtime::{Metrics, NoProgress};
use tributary_table::{Connection, Table, connect};

use crate::error::JobError;
use crate::event::{EventError, TABLE_OPTION};
use crate::job::{Invocation, ScheduledJob};
use crate::process::Process;
use crate::settings::{TABLE, WAREHOUSE};

/// Table handles a warm function keeps, each with the last metadata it read. A schedule names a few tables at most.
const TABLES_KEPT_MAX: usize = 16;

/// The job, its connection, and the tables it has seen.
#[derive(Debug)]
pub struct Context<J> {
    job: J,
    connection: Connection,
    default_table: Option<TableIdent>,
    tables: Mutex<HashMap<TableIdent, Arc<Table>>>,
    metrics: Metrics,
}

impl<J: ScheduledJob> Context<J> {
    /// A context that writes no metrics. `default_table` is worked on when an event names none.
    pub fn new(job: J, connection: Connection, default_table: Option<TableIdent>) -> Self {
        Self { job, connection, default_table, tables: Mutex::default(), metrics: Metrics::off(J::NAME) }
    }

    /// The same with metrics.
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// Builds job, catalog and storage clients; nothing is read yet.
    ///
    /// # Errors
    /// A setting of the job's that is missing or wrong; a catalog that can't be opened.
    pub fn connect(process: Process) -> Result<Self, Error> {
        let Process { environment, mut settings, aws } = process;
        if J::SETTINGS.contains(&WAREHOUSE) {
            settings.catalog.warehouse = environment.optional(&WAREHOUSE)?;
        }
        let job = J::from_environment(&environment, aws.as_ref())?;
        let connection = connect(&settings.catalog, aws.as_ref())?;
        Ok(Self::new(job, connection, settings.table).with_metrics(Metrics::in_lambda(J::NAME, &environment)))
    }

    /// The job.
    pub fn job(&self) -> &J {
        &self.job
    }

    pub(crate) fn metrics(&self) -> Metrics {
        self.metrics
    }

    /// An invocation on the table an event names, or on the default one.
    pub(crate) fn invocation(
        &self,
        named: Option<TableIdent>,
        now_ms: i64,
        deadline: Instant,
    ) -> Result<Invocation, JobError> {
        let ident = named.or_else(|| self.default_table.clone());
        let ident = ident.ok_or(EventError::NoTable { option: TABLE_OPTION.name, setting: TABLE.name })?;
        let (table, connection) = (self.table(ident), self.connection.clone());
        Ok(Invocation { table, connection, now_ms, deadline, progress: Arc::new(NoProgress) })
    }

    fn table(&self, ident: TableIdent) -> Arc<Table> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if tables.len() >= TABLES_KEPT_MAX && !tables.contains_key(&ident) {
            tables.clear();
        }
        let Connection { catalog, store } = &self.connection;
        let open = |ident: &TableIdent| Arc::new(Table::new(ident.clone(), Arc::clone(catalog), store.clone()));
        Arc::clone(tables.entry(ident).or_insert_with_key(open))
    }
}
