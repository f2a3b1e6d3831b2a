//! The ground the end-to-end tests stand on: a table in a folder or at the S3 and Glue endpoints, and batches for it.
#![expect(clippy::unwrap_used, reason = "a test that can't prepare its ground has failed")]

pub mod bounds;
mod compacted;
mod glue_lake;
mod partition_cases;
mod partitioned;
mod reachability;
pub mod transform_cases;
pub mod type_cases;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use iceberg::spec::{Schema, UnboundPartitionSpec};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;
use tributary_ingest::{Context, IngestError, Report, ingest};
use tributary_kafka::{EventBuilder, Payload, Record};
use tributary_table::{Catalog, ObjectStore, SqliteCatalog, Table, TableDefinition, parse_table_name};
use tributary_testkit::TableAt;

pub use compacted::compact_with;
pub use glue_lake::{BUCKET, GlueLake};
pub use partition_cases::{PartitionCase, hold_partitions};
pub use partitioned::{FilePartitions, partition_spec, partitioned};
pub use reachability::Reachability;

/// The cluster every test's records come from.
pub const ARN: &str = "arn:aws:kafka:eu-central-1:123456789012:cluster/test/00000000-0000-0000-0000-000000000000-1";
/// The table every test writes.
pub const TABLE: &str = "test.events";
/// When every test happens, in milliseconds since the epoch.
pub const NOW_MS: i64 = 1_763_719_200_000;
/// Longest time an ingest may take: far above what any needs.
const INGEST_MAX: Duration = Duration::from_secs(120);

/// A schema from rows of `(id, name, required, type)`, the type in the schema JSON of the Iceberg spec.
pub fn schema(fields: &[(i32, &str, bool, Value)]) -> Schema {
    let fields: Vec<Value> = fields
        .iter()
        .map(|(id, name, required, field_type)| json!({"id": id, "name": name, "required": required, "type": field_type}))
        .collect();
    serde_json::from_value(json!({"type": "struct", "schema-id": 0, "fields": fields})).unwrap()
}

/// The schema of most tests, that of the demo: `id` is required, everything else optional.
pub fn events_schema() -> Schema {
    schema(&[
        (1, "id", true, json!("long")),
        (2, "event_time", false, json!("timestamptz")),
        (3, "account_id", false, json!("string")),
        (4, "kind", false, json!("string")),
        (5, "amount", false, json!("decimal(12,2)")),
        (6, "tags", false, json!({"type": "list", "element-id": 9, "element": "string", "element-required": false})),
        (
            7,
            "address",
            false,
            json!({"type": "struct", "fields": [
                {"id": 10, "name": "city", "required": false, "type": "string"},
                {"id": 11, "name": "zip", "required": false, "type": "string"},
            ]}),
        ),
    ])
}

/// A definition without partitions.
pub fn definition(schema: Schema) -> TableDefinition {
    TableDefinition {
        schema,
        partition_spec: UnboundPartitionSpec::builder().build(),
        properties: HashMap::new(),
        location: None,
    }
}

/// A lakehouse in a folder that goes with it.
pub struct LocalLake {
    folder: TempDir,
}

impl LocalLake {
    /// An empty one.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Its folder.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Its catalog.
    pub fn catalog(&self) -> Arc<dyn Catalog> {
        let warehouse = format!("file://{}/warehouse", self.folder().display());
        Arc::new(SqliteCatalog::open(&self.folder().join("catalog.db"), "local", Some(&warehouse)).unwrap())
    }

    /// A table handle of its own (as another function instance has) over `catalog`.
    pub fn table_in(&self, catalog: Arc<dyn Catalog>) -> Table {
        Table::new(parse_table_name(TABLE).unwrap(), catalog, ObjectStore::local())
    }

    /// A table handle of its own.
    pub fn table(&self) -> Table {
        self.table_in(self.catalog())
    }

    /// A function instance of its own, cold.
    pub fn context(&self) -> Context {
        Context::new(self.table(), None)
    }

    /// Where the readers find the table.
    pub fn at(&self) -> TableAt {
        TableAt::Sqlite {
            catalog_db: self.folder().join("catalog.db"),
            catalog_name: "local".to_owned(),
            table: TABLE.to_owned(),
        }
    }

    /// Every file below the table, as `file://` paths.
    pub fn files(&self) -> Vec<String> {
        let mut folders = vec![self.folder().join("warehouse")];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push(format!("file://{}", path.display()));
                }
            }
        }
        files
    }
}

impl Default for LocalLake {
    fn default() -> Self {
        Self::new()
    }
}

/// A batch under construction.
pub struct Batch(EventBuilder);

impl Batch {
    /// An empty one, from the MSK cluster [`ARN`].
    pub fn new() -> Self {
        Self(EventBuilder::msk(ARN, "b-1.test.example:9098"))
    }

    /// Adds a record whose value is these bytes. Its timestamp follows from its offset.
    #[must_use]
    pub fn bytes(mut self, partition: i32, offset: i64, value: &[u8]) -> Self {
        self.0.push("events", partition, record(offset, Payload::Bytes(value.to_vec().into())));
        self
    }

    /// Adds a record whose value is this JSON.
    #[must_use]
    pub fn json(self, partition: i32, offset: i64, value: &Value) -> Self {
        self.bytes(partition, offset, value.to_string().as_bytes())
    }

    /// Adds one row for each offset; see [`row`].
    #[must_use]
    pub fn rows(self, partition: i32, offsets: impl IntoIterator<Item = i64>) -> Self {
        offsets.into_iter().fold(self, |batch, offset| batch.json(partition, offset, &row(partition, offset)))
    }

    /// The event.
    pub fn event(self) -> String {
        self.0.build()
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

fn record(offset: i64, value: Payload) -> Record {
    Record {
        offset,
        timestamp_ms: NOW_MS + offset,
        timestamp_type: Some("CREATE_TIME".to_owned()),
        key: Payload::Null,
        value,
        headers: Vec::new(),
    }
}

/// The id of the row at a place: every place has another.
pub fn id(partition: i32, offset: i64) -> i64 {
    i64::from(partition) * 1_000_000 + offset
}

/// The row at a place.
pub fn row(partition: i32, offset: i64) -> Value {
    json!({"id": id(partition, offset), "kind": "order", "amount": "1.50"})
}

/// Ingests one event with time enough.
pub async fn deliver(event: &str, context: &Context) -> Result<Report, IngestError> {
    ingest(event.as_bytes(), Instant::now() + INGEST_MAX, NOW_MS, context).await
}

/// A deadline far enough away for anything.
pub fn far() -> Instant {
    Instant::now() + INGEST_MAX
}

/// The `id` column of what a reader read, sorted.
pub fn ids(rows: &[Value]) -> Vec<i64> {
    let mut ids: Vec<i64> = rows.iter().map(|row| row["id"].as_i64().unwrap()).collect();
    ids.sort_unstable();
    ids
}

/// Appends rows by PyIceberg, as a foreign engine would.
pub fn append_with_pyiceberg(lake: &LocalLake, rows: &[Value]) {
    foreign(lake, "foreign_writer.py", &json!({"append": rows}));
}

/// Changes the schema or the properties by PyIceberg: `{"add": [["name", "type"]], "drop": ["name"], "rename": [["name", "new"]],
/// "widen": [["name", "type"]], "properties": {"name": "value"}}`.
pub fn evolve_with_pyiceberg(lake: &LocalLake, change: &Value) {
    foreign(lake, "foreign_writer.py", change);
}

/// Deletes rows by delete files, as an engine does that merges on read: `{"positions": [id, ...]}` or `{"equality": [id, ...]}`.
pub fn delete_on_read(lake: &LocalLake, change: &Value) {
    foreign(lake, "foreign_deletes.py", change);
}

fn foreign(lake: &LocalLake, script: &str, change: &Value) {
    let script = tributary_testkit::repo_root().unwrap().join("tests/tools").join(script);
    let python = tributary_testkit::tools_dir().unwrap().join("venv/bin/python");
    let done = std::process::Command::new(python)
        .arg(script)
        .arg(lake.folder().join("catalog.db"))
        .arg(TABLE)
        .arg(change.to_string())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
