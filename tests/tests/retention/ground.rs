//! A table with a time column, what is ingested into it, and one run of retention as the Lambda handler makes it.

use std::sync::Arc;

use iceberg::spec::Schema;
use serde_json::{Value, json};
use tributary_function::{Context, JobError, invoke};
use tributary_maintenance::retention::RetentionReport;
use tributary_retention::Retention;
use tributary_table::{Catalog, Connection, ObjectStore, TableDefinition, parse_table_name};
use tributary_testkit::{inspect, read_both};
use tributary_tests::{Batch, LocalLake, NOW_MS, TABLE, deliver, far, ids, partitioned, schema};

/// A lake with one table, fed in order.
pub(crate) struct Ground {
    pub(crate) lake: LocalLake,
    ingest: tributary_ingest::Context,
    next_offset: i64,
}

/// `id`, and `seen` of the given type.
pub(crate) fn timed(of_type: &str) -> Schema {
    schema(&[(1, "id", true, json!("long")), (2, "seen", false, json!(of_type))])
}

impl Ground {
    /// A table of [`timed`] columns by these transforms of `seen`.
    pub(crate) async fn new(of_type: &str, transforms: &[&str]) -> Self {
        let fields: Vec<(i32, String, &str)> =
            transforms.iter().map(|transform| (2, format!("seen_{transform}"), *transform)).collect();
        let fields: Vec<(i32, &str, &str)> = fields.iter().map(|(id, name, how)| (*id, name.as_str(), *how)).collect();
        Self::with(partitioned(timed(of_type), &fields)).await
    }

    pub(crate) async fn with(definition: TableDefinition) -> Self {
        let lake = LocalLake::new();
        lake.table().create(definition).await.unwrap();
        let ingest = lake.context();
        Self { lake, ingest, next_offset: 0 }
    }

    /// Ingests rows in one batch, which makes one file a partition.
    pub(crate) async fn ingest(&mut self, rows: &[Value]) {
        let first = self.next_offset;
        let batch = (first..).zip(rows).fold(Batch::new(), |batch, (offset, row)| batch.json(0, offset, row));
        let report = deliver(&batch.event(), &self.ingest).await.unwrap();
        assert_eq!(report.rows_committed, rows.len() as u64);
        self.next_offset += rows.len() as i64;
    }

    /// Ingests one file for each row `(id, at)`.
    pub(crate) async fn ingest_each(&mut self, rows: &[(i64, &str)]) {
        for (id, at) in rows {
            self.ingest(&[json!({"id": id, "seen": at})]).await;
        }
    }

    /// The ids both readers find, which must agree.
    pub(crate) fn ids(&self) -> Vec<i64> {
        ids(&read_both(&self.lake.at()).unwrap().rows)
    }

    /// PyIceberg's view of the metadata.
    pub(crate) fn inspect(&self) -> Value {
        inspect(&self.lake.at()).unwrap()
    }

    /// Operation and summary of a snapshot, by PyIceberg.
    pub(crate) fn snapshot(&self, id: Option<i64>) -> Value {
        let snapshots = self.inspect()["snapshots"].clone();
        let found = snapshots.as_array().unwrap().iter().find(|snapshot| snapshot["snapshot_id"].as_i64() == id);
        found.unwrap().clone()
    }

    /// One run at [`NOW_MS`].
    pub(crate) async fn retain(&self, options: Value) -> Result<RetentionReport, JobError> {
        self.retain_at(NOW_MS, options).await
    }

    pub(crate) async fn retain_at(&self, now_ms: i64, options: Value) -> Result<RetentionReport, JobError> {
        retain_in(self.lake.catalog(), now_ms, &options).await
    }
}

/// One run of a cold function over a catalog.
pub(crate) async fn retain_in(
    catalog: Arc<dyn Catalog>,
    now_ms: i64,
    options: &Value,
) -> Result<RetentionReport, JobError> {
    let connection = Connection { catalog, store: ObjectStore::local() };
    retain_with(connection, now_ms, options).await
}

pub(crate) async fn retain_with(
    connection: Connection,
    now_ms: i64,
    options: &Value,
) -> Result<RetentionReport, JobError> {
    let context = Context::new(Retention, connection, Some(parse_table_name(TABLE).unwrap()));
    invoke(&options.to_string(), far(), now_ms, &context).await.map(|report| report.0)
}
