//! The results table: what every run found, and so what is known of earlier runs.
//!
//! An Iceberg table like any other, one row a check and run, so that every engine reads it, and the maintenance functions keep
//! it. Rows are decoded by its own current schema: a column that somebody adds stays NULL.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use iceberg::TableIdent;
use iceberg::spec::{NestedField, PrimitiveType, Schema, Transform, Type, UnboundPartitionSpec};
use serde_json::json;
use tokio::time::Instant;
use tributary_decode::Decoder;
use tributary_table::{
    AppendRequest, Appended, CatalogError, Connection, Table, TableDefinition, TableError, TableState,
    format_table_name,
};

use crate::last_results::read_last;
use crate::notice::time;
use crate::result::{CheckResult, Status};
use crate::rules::Check;

pub(crate) const RUN_TIME: &str = "run_time";
pub(crate) const TABLE_NAME: &str = "table_name";
pub(crate) const CHECK_NAME: &str = "check_name";
pub(crate) const COLUMN_NAME: &str = "column_name";
pub(crate) const STATUS: &str = "status";
pub(crate) const SNAPSHOT_ID: &str = "snapshot_id";
pub(crate) const ALERTED_AT: &str = "alerted_at";

/// How often rows are decoded anew because the table's schema changed under an append.
const REPLANS_MAX: u32 = 3;

/// What is known of earlier runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Memory {
    /// Nothing is kept.
    None,
    /// Something is kept, and could not be read.
    Unknown {
        /// Why not.
        reason: String,
    },
    /// The last result of each check, by the check's name; a check that is not there has not run.
    Known(HashMap<String, LastResult>),
}

impl Memory {
    /// The last result of a check.
    pub fn last(&self, check: &Check) -> Option<&LastResult> {
        self.last_by_name(&check.to_string())
    }

    /// The last result of the check that a result is of.
    pub fn last_of(&self, result: &CheckResult) -> Option<&LastResult> {
        self.last_by_name(&result.name())
    }

    fn last_by_name(&self, name: &str) -> Option<&LastResult> {
        match self {
            Self::Known(last) => last.get(name),
            Self::None | Self::Unknown { .. } => None,
        }
    }
}

/// What is known of a check's last run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastResult {
    /// How it ended.
    pub status: Status,
    /// When somebody was last told of that, in milliseconds since the epoch.
    pub alerted_at_ms: Option<i64>,
    /// The snapshot up to which it had judged.
    pub snapshot_id: Option<i64>,
    /// When it ran, in milliseconds since the epoch.
    pub run_ms: i64,
}

/// A results table that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// Its catalog, storage or metadata.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Its columns are not those that results have.
    #[error(
        "name another results table, or give it the columns of one that is created: results table `{table}`: expected columns for results, found: {reason}"
    )]
    Columns {
        /// The results table.
        table: String,
        /// What does not fit.
        reason: String,
    },
    /// One of its files.
    #[error("try again, then check permissions: results table `{table}`: expected to read `{path}`, found: {reason}")]
    Read {
        /// The results table.
        table: String,
        /// The file.
        path: String,
        /// The reader's words.
        reason: String,
    },
    /// Its schema changed at every attempt.
    #[error("try again: results table `{table}`: expected a schema that stands, found another one {replans} times")]
    Unsettled {
        /// The results table.
        table: String,
        /// How often.
        replans: u32,
    },
}

impl From<CatalogError> for ResultsError {
    fn from(error: CatalogError) -> Self {
        Self::Table(error.into())
    }
}

/// A handle of the results table.
#[derive(Debug)]
pub struct ResultsTable {
    table: Table,
}

impl ResultsTable {
    /// A handle; nothing is read, and nothing created yet.
    pub fn new(ident: TableIdent, connection: &Connection) -> Self {
        Self { table: Table::new(ident, Arc::clone(&connection.catalog), connection.store.clone()) }
    }

    /// The last result of each of the checks `names` on table `checked`; nothing if the results table is not there yet.
    ///
    /// # Errors
    /// [`ResultsError`] if it is there and can't be read.
    pub async fn last_results(
        &self,
        checked: &str,
        names: &HashSet<String>,
    ) -> Result<HashMap<String, LastResult>, ResultsError> {
        match self.table.refresh().await {
            Ok(state) => read_last(&self.table, &state, checked, names).await,
            Err(TableError::Catalog(CatalogError::NotFound { .. })) => Ok(HashMap::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Appends a run's results. `alerted_at_ms` has, for each result, when somebody was last told of its state. Creates the
    /// table when it is not there.
    ///
    /// # Errors
    /// [`ResultsError`]; nothing was appended then, unless the error says that this is not known.
    pub async fn append(
        &self,
        checked: &str,
        results: &[CheckResult],
        alerted_at_ms: &[Option<i64>],
        now_ms: i64,
        deadline: Instant,
    ) -> Result<(), ResultsError> {
        if results.is_empty() {
            return Ok(());
        }
        let rows: Vec<Vec<u8>> =
            results.iter().zip(alerted_at_ms).map(|(result, alerted)| row(checked, result, *alerted, now_ms)).collect();
        let mut state = self.ensure().await?;
        for _ in 0..REPLANS_MAX {
            let files = self.table.encode(&state, &self.decoded(&state, &rows)?)?;
            let request = AppendRequest { base: &state, files, advances: Vec::new(), now_ms, deadline };
            match self.table.append(request).await? {
                Appended::Committed { .. } => return Ok(()),
                Appended::Superseded { state: moved, .. } => state = moved,
            }
        }
        Err(ResultsError::Unsettled { table: self.name(), replans: REPLANS_MAX })
    }

    fn decoded(&self, state: &TableState, rows: &[Vec<u8>]) -> Result<arrow_array::RecordBatch, ResultsError> {
        let unfit = |reason: String| ResultsError::Columns { table: self.name(), reason };
        let mut batch = Decoder::try_new(state.schema()).map_err(|error| unfit(error.to_string()))?.batch(rows.len());
        for row in rows {
            batch.push(row).map_err(|rejection| unfit(rejection.to_string()))?;
        }
        batch.finish().map_err(|error| unfit(error.to_string()))
    }

    /// The results table as it stands; creates it when it is not there.
    ///
    /// # Errors
    /// [`ResultsError`] if it can't be read or created.
    pub async fn ensure(&self) -> Result<TableState, ResultsError> {
        match self.table.refresh().await {
            Err(TableError::Catalog(CatalogError::NotFound { .. })) => {}
            other => return Ok(other?),
        }
        match self.table.create(self.definition()?).await {
            // Another run was quicker.
            Err(TableError::Catalog(CatalogError::AlreadyExists { .. })) => Ok(self.table.refresh().await?),
            other => Ok(other?),
        }
    }

    fn definition(&self) -> Result<TableDefinition, ResultsError> {
        let unfit = |error: iceberg::Error| ResultsError::Columns { table: self.name(), reason: error.to_string() };
        let schema = schema().map_err(unfit)?;
        let by_day = UnboundPartitionSpec::builder().add_partition_field(1, "run_day", Transform::Day);
        // Whole bounds, by which the last results are found without reading every file.
        let whole = |column: &str| (format!("write.metadata.metrics.column.{column}"), "full".to_owned());
        Ok(TableDefinition {
            schema,
            partition_spec: by_day.map_err(unfit)?.build(),
            properties: HashMap::from([whole(TABLE_NAME), whole(CHECK_NAME)]),
            location: None,
        })
    }

    fn name(&self) -> String {
        format_table_name(self.table.ident())
    }
}

fn schema() -> iceberg::Result<Schema> {
    let string = || Type::Primitive(PrimitiveType::String);
    let double = || Type::Primitive(PrimitiveType::Double);
    let time = || Type::Primitive(PrimitiveType::Timestamptz);
    let fields = [
        NestedField::required(1, RUN_TIME, time()),
        NestedField::required(2, TABLE_NAME, string()),
        NestedField::required(3, CHECK_NAME, string()),
        NestedField::optional(4, COLUMN_NAME, string()),
        NestedField::required(5, STATUS, string()),
        NestedField::optional(6, "value", double()),
        NestedField::optional(7, "threshold", double()),
        NestedField::optional(8, "exactness", string()),
        NestedField::required(9, "message", string()),
        NestedField::optional(10, SNAPSHOT_ID, Type::Primitive(PrimitiveType::Long)),
        NestedField::optional(11, ALERTED_AT, time()),
    ];
    Schema::builder().with_fields(fields.map(Arc::new)).build()
}

/// One result as a JSON record.
fn row(checked: &str, result: &CheckResult, alerted_at_ms: Option<i64>, now_ms: i64) -> Vec<u8> {
    let row = json!({
        RUN_TIME: time(now_ms),
        TABLE_NAME: checked,
        CHECK_NAME: result.check,
        COLUMN_NAME: result.column,
        STATUS: result.status,
        "value": result.value,
        "threshold": result.threshold,
        "exactness": result.exactness,
        "message": result.message,
        SNAPSHOT_ID: result.snapshot_id,
        ALERTED_AT: alerted_at_ms.map(time),
    });
    row.to_string().into_bytes()
}
