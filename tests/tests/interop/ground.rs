//! What all tests of this program stand on: one endpoint, one Spark and one Trino, since these take ten seconds to start.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use serde_json::{Value, json};
use tributary_ingest::{Context, Report};
use tributary_table::TableDefinition;
use tributary_testkit::{AwsServer, SqlEngine, inspect, read_both, read_where, read_with_duckdb, read_with_pyiceberg};
use tributary_tests::{BUCKET, GlueLake, deliver};

/// The two engines. They end with this program.
pub(crate) struct Engines {
    server: Arc<AwsServer>,
    pub(crate) spark: SqlEngine,
    pub(crate) trino: SqlEngine,
}

/// The shared engines, started by the first test that asks.
pub(crate) fn engines() -> &'static Engines {
    static ENGINES: OnceLock<Engines> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());
    let _one_starts = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    ENGINES.get_or_init(|| {
        let server = Arc::new(AwsServer::start().unwrap());
        server.create_bucket(BUCKET).unwrap();
        let endpoint = server.endpoint();
        let (spark, trino) = thread::scope(|scope| {
            let spark = scope.spawn(|| SqlEngine::spark(endpoint).unwrap());
            let trino = SqlEngine::trino(endpoint).unwrap();
            (spark.join().unwrap(), trino)
        });
        Engines { server, spark, trino }
    })
}

impl Engines {
    /// A lake of one test's own on the shared endpoint.
    pub(crate) async fn lake(&self) -> GlueLake {
        GlueLake::on(Arc::clone(&self.server)).await
    }

    /// A lake with a table in it. No two tests may use one name.
    pub(crate) async fn lake_with(&self, table: &str, definition: TableDefinition) -> GlueLake {
        let lake = self.lake().await;
        lake.create(table, definition).await;
        lake
    }

    /// Both of them.
    pub(crate) fn both(&self) -> [&SqlEngine; 2] {
        [&self.spark, &self.trino]
    }

    /// The table's rows, once PyIceberg, DuckDB, Spark and Trino agree on all of them.
    pub(crate) fn rows_everywhere(&self, lake: &GlueLake, table: &str) -> Vec<Value> {
        let expected = read_both(&lake.at(table)).unwrap();
        for engine in self.both() {
            assert_eq!(engine.rows(table, None).unwrap(), expected, "{} reads `{table}` otherwise", engine.name());
        }
        expected.rows
    }

    /// As [`Self::rows_everywhere`], and then the rows that each filter keeps, by each reader's own pruning. Filters are in the SQL
    /// that all share.
    pub(crate) fn found_everywhere(&self, lake: &GlueLake, table: &str, filters: &[&str]) -> Vec<Vec<Value>> {
        let mut found = vec![self.rows_everywhere(lake, table)];
        for filter in filters {
            let expected = read_where(&lake.at(table), filter).unwrap();
            for engine in self.both() {
                let filtered = engine.rows(table, Some(filter)).unwrap();
                assert_eq!(filtered, expected, "{} reads `{table}` where `{filter}` otherwise", engine.name());
            }
            found.push(expected.rows);
        }
        found
    }

    /// The table's rows, once DuckDB, Spark and Trino agree on them: for what PyIceberg 0.12 can't read, which is asserted.
    pub(crate) fn rows_but_by_pyiceberg(&self, lake: &GlueLake, table: &str) -> Vec<Value> {
        assert!(read_with_pyiceberg(&lake.at(table)).is_err(), "PyIceberg reads `{table}`, too");
        let expected = read_with_duckdb(&lake.at(table)).unwrap();
        for engine in self.both() {
            assert_eq!(engine.rows(table, None).unwrap(), expected, "{} reads `{table}` otherwise", engine.name());
        }
        expected.rows
    }

    /// Runs each statement in Spark, `{table}` in it standing for the table.
    pub(crate) fn in_spark(&self, table: &str, statements: &[&str]) {
        run(&self.spark, table, statements);
    }

    /// Runs each statement in Trino, `{table}` in it standing for the table.
    pub(crate) fn in_trino(&self, table: &str, statements: &[&str]) {
        run(&self.trino, table, statements);
    }

    /// From now on Spark deletes, updates and merges by position deletes beside the data files.
    pub(crate) fn merge_on_read_by_spark(&self, table: &str) {
        let modes =
            ["delete", "update", "merge"].map(|kind| format!("'write.{kind}.mode' = 'merge-on-read'")).join(", ");
        self.in_spark(table, &[&format!("ALTER TABLE {{table}} SET TBLPROPERTIES ({modes})")]);
    }

    /// Deletes the rows that `condition` keeps by position deletes, which are there afterwards.
    pub(crate) fn spark_delete_merge_on_read(&self, lake: &GlueLake, table: &str, condition: &str) {
        self.merge_on_read_by_spark(table);
        let before = files_of(lake, table, POSITION_DELETES);
        self.in_spark(table, &[&format!("DELETE FROM {{table}} WHERE {condition}")]);
        assert!(files_of(lake, table, POSITION_DELETES) > before, "Spark has rewritten data files instead");
    }
}

fn run(engine: &SqlEngine, table: &str, statements: &[&str]) {
    for statement in statements {
        engine.sql(&statement.replace("{table}", &format!("lake.{table}"))).unwrap();
    }
}

/// Deliveries of one batch, all but the last of which may end in `Retry`, which asks for the next one.
const DELIVERIES_MAX: u32 = 5;

/// Delivers a batch until it is settled, as the event source mapping does.
pub(crate) async fn settle(event: &str, context: &Context) -> Report {
    for _ in 1..DELIVERIES_MAX {
        match deliver(event, context).await {
            Err(error) if error.kind() == "Retry" => {}
            outcome => return outcome.unwrap(),
        }
    }
    deliver(event, context).await.unwrap()
}

/// What PyIceberg calls a file of position deletes.
pub(crate) const POSITION_DELETES: &str = "position_deletes";
/// What PyIceberg calls a file of equality deletes.
pub(crate) const EQUALITY_DELETES: &str = "equality_deletes";

/// How many live files with this content the table has.
pub(crate) fn files_of(lake: &GlueLake, table: &str, content: &str) -> usize {
    let seen = inspect(&lake.at(table)).unwrap();
    seen["files"].as_array().unwrap().iter().filter(|file| file["content"] == json!(content)).count()
}
