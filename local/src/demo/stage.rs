//! The folder, the catalog in it, and the ingest function over its table.

use std::collections::HashMap;
use std::path::{Path, PathBuf, absolute};
use std::time::Duration;

use iceberg::TableIdent;
use iceberg::spec::{PrimitiveType, Type};
use serde_json::Value;
use tokio::time::Instant;
use tributary_function::{Context as JobContext, ScheduledJob, invoke};
use tributary_ingest::{Context, Report, ingest};
use tributary_table::{
    CatalogError, CatalogSettings, CatalogUri, Connection, Table, TableDefinition, TableState, connect,
    parse_table_name,
};

use super::DemoError;
use crate::ddl::{ColumnList, PartitionTerms};

/// The table; its columns are those of [`crate::publish::SampleRow`].
pub(super) const TABLE: &str = "demo.events";
pub(super) const CATALOG_NAME: &str = "local";
const COLUMNS: &str = "id long not null, event_time timestamptz, account_id string, kind string, \
    amount decimal(12, 2), tags list<string>, address struct<city: string, zip: string>";
const PARTITION: &str = "day(event_time)";

/// How long any one call may take: far longer than local files need.
const CALL_TIME_MAX: Duration = Duration::from_secs(60);

/// Everything the steps work with.
#[derive(Debug)]
pub(super) struct Stage {
    /// Absolute.
    folder: PathBuf,
    ident: TableIdent,
    connection: Connection,
    /// One for the whole demo, as a warm Lambda function has it.
    context: Context,
    started_ms: i64,
    started: Instant,
}

impl Stage {
    /// Opens the folder's catalog, which is made where it is missing.
    pub(super) fn open(folder: &Path, now_ms: i64) -> Result<Self, DemoError> {
        let folder = absolute(folder).map_err(|source| DemoError::Folder { path: folder.to_owned(), source })?;
        let settings = CatalogSettings {
            catalog: CatalogUri::Sqlite { file: folder.join("catalog.db").display().to_string() },
            name: CATALOG_NAME.to_owned(),
            warehouse: Some(warehouse(&folder)),
            s3_path_style: false,
        };
        let connection = connect(&settings, None)?;
        let ident = parse_table_name(TABLE).map_err(|error| io_other(&error))?;
        let context = Context::new(handle(&ident, &connection), None);
        Ok(Self { folder, ident, connection, context, started_ms: now_ms, started: Instant::now() })
    }

    /// The table, and whether an earlier run had made it.
    pub(super) async fn open_or_create(&self) -> Result<(TableState, bool), DemoError> {
        let pointer = match self.connection.catalog.pointer(&self.ident).await {
            Err(CatalogError::NotFound { .. }) => return Ok((self.create().await?, false)),
            found => found?,
        };
        if !pointer.metadata_location.starts_with(&warehouse(&self.folder)) {
            return Err(DemoError::Moved {
                table: TABLE.to_owned(),
                expected: warehouse(&self.folder),
                found: pointer.metadata_location,
            });
        }
        let state = self.table().refresh().await?;
        let id = state.schema().field_by_name("id").map(|field| field.field_type.as_ref());
        if id != Some(&Type::Primitive(PrimitiveType::Long)) {
            return Err(DemoError::Foreign { table: TABLE.to_owned() });
        }
        Ok((state, true))
    }

    async fn create(&self) -> Result<TableState, DemoError> {
        let schema = COLUMNS.parse::<ColumnList>()?.schema;
        let partition_spec = PARTITION.parse::<PartitionTerms>()?.bind(&schema)?;
        let definition = TableDefinition { schema, partition_spec, properties: HashMap::new(), location: None };
        Ok(self.table().create(definition).await?)
    }

    /// The function's own handle on the table.
    pub(super) fn table(&self) -> &Table {
        self.context.table()
    }

    pub(super) fn ident(&self) -> &TableIdent {
        &self.ident
    }

    /// The table as another reader finds it: nothing the function remembers is used.
    pub(super) async fn read_anew(&self) -> Result<TableState, DemoError> {
        Ok(handle(&self.ident, &self.connection).refresh().await?)
    }

    /// Gives the event to the ingest function, as Lambda would.
    pub(super) async fn deliver(&self, event: &str) -> Result<Report, DemoError> {
        Ok(ingest(event.as_bytes(), self.deadline(), self.now_ms(), &self.context).await?)
    }

    /// Invokes a scheduled function with an event, as its schedule would.
    pub(super) async fn invoke<J: ScheduledJob>(&self, job: J, event: &Value) -> Result<J::Report, DemoError> {
        let context = JobContext::new(job, self.connection.clone(), Some(self.ident.clone()));
        Ok(invoke::<J>(&event.to_string(), self.deadline(), self.now_ms(), &context).await?)
    }

    /// Every data file that lies in the folder, whether a table needs it or not.
    pub(super) fn data_files_stored(&self) -> Result<u64, DemoError> {
        let (mut folders, mut files) = (vec![self.folder.join("warehouse")], 0);
        // Ends: each folder of a tree is visited once.
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => files += u64::from(path.extension().is_some_and(|kind| kind == "parquet")),
                }
            }
        }
        Ok(files)
    }

    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + CALL_TIME_MAX
    }

    /// The wall clock: its start, and the time since.
    pub(super) fn now_ms(&self) -> i64 {
        let since = i64::try_from(self.started.elapsed().as_millis()).unwrap_or_default();
        self.started_ms.saturating_add(since)
    }

    /// The catalog's file.
    pub(super) fn catalog_file(&self) -> String {
        self.folder.join("catalog.db").display().to_string()
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

fn handle(ident: &TableIdent, connection: &Connection) -> Table {
    Table::new(ident.clone(), connection.catalog.clone(), connection.store.clone())
}

/// Location of the files: other engines open it from any working folder, so it is absolute.
fn warehouse(folder: &Path) -> String {
    format!("file://{}", folder.join("warehouse").display())
}

fn io_other(error: &dyn std::fmt::Display) -> DemoError {
    DemoError::Output(std::io::Error::other(error.to_string()))
}
