//! Other engines' maintenance and ours in turn on one table: each reads what the other left, and ingest goes on exactly once.

use tributary_ingest::Context;
use tributary_tests::{Batch, GlueLake, deliver, events_schema, ids, partitioned};

use crate::ground::{Engines, POSITION_DELETES, engines, files_of};
use crate::jobs::{compact, everything, expire, pairs};

const BATCH_ROWS: i64 = 4;

/// A table that ingest feeds between the turns, and every row that must be in it.
struct Fed {
    engines: &'static Engines,
    lake: GlueLake,
    table: &'static str,
    context: Context,
    next: i64,
    expected: Vec<i64>,
}

impl Fed {
    async fn new(table: &'static str) -> Self {
        let engines = engines();
        let lake = engines.lake_with(table, partitioned(events_schema(), &[(1, "id_bucket", "bucket[2]")])).await;
        let context = lake.context(table);
        let mut fed = Self { engines, lake, table, context, next: 0, expected: Vec::new() };
        for _ in 0..4 {
            fed.batch().await;
        }
        fed
    }

    /// The next batch is taken, and the one before is known to a cold and a warm function.
    async fn batch(&mut self) {
        let event = |begin: i64| Batch::new().rows(0, begin..begin + BATCH_ROWS).event();
        if self.next > 0 {
            for context in [&self.lake.context(self.table), &self.context] {
                let again = deliver(&event(self.next - BATCH_ROWS), context).await.unwrap();
                let settled = (again.rows_committed, again.rows_healed, again.rows_redelivered);
                assert_eq!(settled, (0, 0, BATCH_ROWS as u64));
            }
        }
        let report = deliver(&event(self.next), &self.context).await.unwrap();
        assert_eq!((report.rows_committed, report.rows_healed), (BATCH_ROWS as u64, 0));
        self.expected.extend(self.next..self.next + BATCH_ROWS);
        self.next += BATCH_ROWS;
    }

    /// One more row goes, by a position delete of Spark's.
    fn delete(&mut self, id: i64) {
        self.engines.spark_delete_merge_on_read(&self.lake, self.table, &format!("id = {id}"));
        self.expected.retain(|kept| *kept != id);
    }

    fn holds(&self, after: &str) {
        let found = ids(&self.engines.rows_everywhere(&self.lake, self.table));
        assert_eq!(found, self.expected, "after {after}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn spark_s_maintenance_and_ours_in_turn_keep_every_row() {
    const TABLE: &str = "turns.with_spark";
    let mut fed = Fed::new(TABLE).await;
    let engines = fed.engines;
    let turns = [
        "CALL lake.system.rewrite_manifests('turns.with_spark')",
        "CALL lake.system.rewrite_data_files(table => 'turns.with_spark', options => map('rewrite-all', 'true'))",
        "CALL lake.system.rewrite_position_delete_files(table => 'turns.with_spark', options => map('rewrite-all', 'true'))",
        "CALL lake.system.expire_snapshots(table => 'turns.with_spark', older_than => TIMESTAMP '2100-01-01 00:00:00', retain_last => 1)",
        "CALL lake.system.remove_orphan_files(table => 'turns.with_spark', dry_run => false, prefix_listing => true)",
    ];
    for (turn, statement) in (0_i64..).zip(turns) {
        // Ours and then theirs, with deletes that ours applies and with deletes that ours leaves to theirs.
        fed.delete(turn);
        compact(&fed.lake, TABLE, if turn % 2 == 0 { everything() } else { pairs() }).await;
        fed.holds("our compaction");
        fed.delete(turn + 8);
        engines.in_spark(TABLE, &[statement]);
        fed.holds(statement);
        fed.batch().await;
        // Theirs and then ours.
        compact(&fed.lake, TABLE, pairs()).await;
        expire(&fed.lake, TABLE).await;
        fed.holds("our expiry");
        fed.batch().await;
    }
    compact(&fed.lake, TABLE, everything()).await;
    assert_eq!(files_of(&fed.lake, TABLE, POSITION_DELETES), 0);
    fed.holds("the last compaction");
}

#[tokio::test(flavor = "multi_thread")]
async fn trino_s_maintenance_and_ours_in_turn_keep_every_row() {
    const TABLE: &str = "turns.with_trino";
    let mut fed = Fed::new(TABLE).await;
    let engines = fed.engines;
    let turns = [
        "ALTER TABLE {table} EXECUTE optimize",
        "ALTER TABLE {table} EXECUTE optimize_manifests",
        "ALTER TABLE {table} EXECUTE expire_snapshots(retention_threshold => '0s')",
        "ALTER TABLE {table} EXECUTE remove_orphan_files(retention_threshold => '0s')",
    ];
    for (turn, statement) in (0_i64..).zip(turns) {
        compact(&fed.lake, TABLE, pairs()).await;
        fed.batch().await;
        fed.delete(turn);
        engines.in_trino(TABLE, &[statement]);
        fed.holds(statement);
        fed.batch().await;
        compact(&fed.lake, TABLE, pairs()).await;
        expire(&fed.lake, TABLE).await;
        fed.holds("our expiry");
        fed.batch().await;
    }
}
