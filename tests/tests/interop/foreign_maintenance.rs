//! Other engines' maintenance on tables that ingest feeds: rows stay as they are, and so does the checkpoint.

use serde_json::Value;
use tributary_ingest::Context;
use tributary_tests::{Batch, GlueLake, deliver, events_schema, ids, partitioned};

use crate::ground::{Engines, POSITION_DELETES, engines, files_of};

const BATCHES: i64 = 6;
const BATCH_ROWS: i64 = 4;

fn batch(number: i64) -> String {
    Batch::new().rows(0, number * BATCH_ROWS..(number + 1) * BATCH_ROWS).event()
}

/// A table of many small files, some rows of which Spark has deleted at their positions.
async fn worn_table(engines: &Engines, table: &str) -> (GlueLake, Context) {
    let lake = engines.lake_with(table, partitioned(events_schema(), &[(1, "id_bucket", "bucket[2]")])).await;
    let context = lake.context(table);
    for number in 0..BATCHES {
        deliver(&batch(number), &context).await.unwrap();
    }
    engines.spark_delete_merge_on_read(&lake, table, "id % 7 = 3");
    (lake, context)
}

/// Runs the statements one by one, and after each: the same rows by all readers, the last batch recognised by a cold and a warm
/// function, and the next one taken.
async fn hold_through(
    table: &'static str,
    run: impl Fn(&Engines, &str, &str),
    statements: &[&str],
) -> (GlueLake, Vec<Value>) {
    let engines = engines();
    let (lake, context) = worn_table(engines, table).await;
    let mut rows = engines.rows_everywhere(&lake, table);
    for (next, statement) in (BATCHES..).zip(statements) {
        run(engines, table, statement);
        assert_eq!(engines.rows_everywhere(&lake, table), rows, "`{statement}` has changed the rows");
        for context in [&lake.context(table), &context] {
            let again = deliver(&batch(next - 1), context).await.unwrap();
            assert_eq!((again.rows_committed, again.rows_healed, again.rows_redelivered), (0, 0, BATCH_ROWS as u64));
        }
        assert_eq!(deliver(&batch(next), &context).await.unwrap().rows_committed, BATCH_ROWS as u64);
        rows = engines.rows_everywhere(&lake, table);
    }
    let total = (BATCHES + statements.len() as i64) * BATCH_ROWS;
    let kept: Vec<i64> = (0..total).filter(|id| *id >= BATCHES * BATCH_ROWS || id % 7 != 3).collect();
    assert_eq!(ids(&rows), kept);
    (lake, rows)
}

#[tokio::test(flavor = "multi_thread")]
async fn spark_compacts_expires_and_cleans_up_below_ingest() {
    const TABLE: &str = "maintained.by_spark";
    let statements = [
        "CALL lake.system.rewrite_data_files(table => 'maintained.by_spark', options => map('rewrite-all', 'true'))",
        "CALL lake.system.rewrite_position_delete_files(table => 'maintained.by_spark')",
        "CALL lake.system.rewrite_manifests('maintained.by_spark')",
        "CALL lake.system.expire_snapshots(table => 'maintained.by_spark', older_than => TIMESTAMP '2100-01-01 00:00:00', retain_last => 1)",
        "CALL lake.system.remove_orphan_files(table => 'maintained.by_spark', dry_run => false, prefix_listing => true)",
    ];
    hold_through(TABLE, |engines, table, statement| engines.in_spark(table, &[statement]), &statements).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trino_compacts_expires_and_cleans_up_below_ingest() {
    const TABLE: &str = "maintained.by_trino";
    let statements = [
        "ALTER TABLE {table} EXECUTE optimize",
        "ALTER TABLE {table} EXECUTE optimize_manifests",
        "ALTER TABLE {table} EXECUTE expire_snapshots(retention_threshold => '0s')",
        "ALTER TABLE {table} EXECUTE remove_orphan_files(retention_threshold => '0s')",
    ];
    let (lake, _) =
        hold_through(TABLE, |engines, table, statement| engines.in_trino(table, &[statement]), &statements).await;
    assert_eq!(files_of(&lake, TABLE, POSITION_DELETES), 0, "Trino has not applied the deletes");
}
