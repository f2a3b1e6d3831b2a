//! Rows that other engines delete beside our data files: our compaction applies these deletes, and the engines go on from there.

use std::time::Duration;

use serde_json::json;
use tributary_compaction::Compaction;
use tributary_ingest::Context;
use tributary_tests::{Batch, GlueLake, definition, events_schema, ids, partitioned};

use crate::ground::{EQUALITY_DELETES, Engines, POSITION_DELETES, engines, files_of, settle};
use crate::jobs::{compact, compact_keeps, everything, expire, pairs, run};

async fn deliver_new(context: &Context, offsets: std::ops::Range<i64>) {
    let count = u64::try_from(offsets.end - offsets.start).unwrap();
    assert_eq!(settle(&Batch::new().rows(0, offsets).event(), context).await.rows_committed, count);
}

fn delete_files(lake: &GlueLake, table: &str) -> usize {
    files_of(lake, table, POSITION_DELETES) + files_of(lake, table, EQUALITY_DELETES)
}

/// A table without partitions, or of two buckets, with three files and thirty rows in each.
async fn fed(table: &str, is_partitioned: bool) -> (GlueLake, Context) {
    let parts: &[(i32, &str, &str)] = if is_partitioned { &[(1, "id_bucket", "bucket[2]")] } else { &[] };
    let lake = engines().lake_with(table, partitioned(events_schema(), parts)).await;
    let context = lake.context(table);
    for begin in [0, 10, 20] {
        deliver_new(&context, begin..begin + 10).await;
    }
    (lake, context)
}

/// From a table on that was just compacted, and has row 8 and none of those from 30 to 33: it expires, Spark and ingest write on, and
/// it is compacted again.
async fn goes_on(engines: &Engines, lake: &GlueLake, table: &str, context: &Context) {
    let rows = engines.rows_everywhere(lake, table);
    let expired = expire(lake, table).await;
    assert!(expired.data_files > 0 && expired.delete_files > 0, "{expired:?}");
    assert_eq!(engines.rows_everywhere(lake, table), rows);

    let again = settle(&Batch::new().rows(0, 0..30).event(), &lake.context(table)).await;
    assert_eq!((again.rows_committed, again.rows_redelivered), (0, 30));
    engines.in_spark(table, &["INSERT INTO {table} (id, kind) VALUES (-1, 'spark'), (-2, 'spark')"]);
    deliver_new(context, 30..34).await;
    engines.spark_delete_merge_on_read(lake, table, "id IN (-2, 8, 31)");
    let mut expected: Vec<i64> = [-1].into_iter().chain(ids(&rows)).chain(30..34).collect();
    expected.retain(|id| ![8, 31].contains(id));
    expected.sort_unstable();
    assert_eq!(ids(&engines.rows_everywhere(lake, table)), expected);
    compact_keeps(engines, lake, table, everything(), &["id >= 30"]).await;
    assert_eq!(delete_files(lake, table), 0);
    expire(lake, table).await;
    assert_eq!(ids(&engines.rows_everywhere(lake, table)), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_deleted_by_spark_are_applied_and_spark_goes_on() {
    // A delete file names one data file, or several of a partition.
    for (table, is_partitioned, granularity) in
        [("spark_deletes.whole", false, "file"), ("spark_deletes.parts", true, "partition")]
    {
        let engines = engines();
        let (lake, context) = fed(table, is_partitioned).await;
        let granularity = format!("'write.delete.granularity' = '{granularity}'");
        engines.in_spark(table, &[&format!("ALTER TABLE {{table}} SET TBLPROPERTIES ({granularity})")]);
        engines.spark_delete_merge_on_read(&lake, table, "id % 5 = 0");
        engines.in_spark(
            table,
            &[
                "DELETE FROM {table} WHERE id % 10 = 1",
                "UPDATE {table} SET kind = 'updated' WHERE id IN (2, 12)",
                "MERGE INTO {table} t USING (SELECT * FROM VALUES (3L), (13L), (39L) AS s(id)) s ON t.id = s.id
                 WHEN MATCHED AND t.id = 3 THEN DELETE
                 WHEN MATCHED THEN UPDATE SET kind = 'merged'
                 WHEN NOT MATCHED THEN INSERT (id, kind) VALUES (s.id, 'merged')",
            ],
        );
        let kept: Vec<i64> = (0..30).filter(|id| id % 5 != 0 && id % 10 != 1 && *id != 3).chain([39]).collect();
        let filters = ["id < 5", "kind = 'merged'", "kind = 'updated' AND id > 2"];
        let report = compact_keeps(engines, &lake, table, everything(), &filters).await;
        // Six by their number, three by theirs, and 2, 12, 3 and 13.
        assert_eq!((report.rows_rewritten, report.rows_deleted), (34, 13), "{table}: {report:?}");
        assert_eq!(ids(&engines.rows_everywhere(&lake, table)), kept, "{table}");
        assert_eq!(delete_files(&lake, table), 0, "{table}");
        if is_partitioned {
            goes_on(engines, &lake, table, &context).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_deleted_by_trino_are_applied_and_every_reader_reads_the_table_again() {
    for (table, is_partitioned) in [("trino_deletes.whole", false), ("trino_deletes.parts", true)] {
        let engines = engines();
        let (lake, context) = fed(table, is_partitioned).await;
        engines.in_trino(
            table,
            &[
                "DELETE FROM {table} WHERE id % 5 = 0",
                "UPDATE {table} SET kind = 'updated' WHERE id IN (2, 12)",
                "DELETE FROM {table} WHERE id = 12",
            ],
        );
        let before = engines.rows_but_by_pyiceberg(&lake, table);
        let report = compact(&lake, table, everything()).await;
        // The row of 12 twice: as it was, and as it was updated.
        assert_eq!((report.rows_rewritten, report.rows_deleted), (32, 9), "{table}: {report:?}");
        assert_eq!(engines.rows_everywhere(&lake, table), before, "{table}");
        assert_eq!(ids(&before), (0..30).filter(|id| id % 5 != 0 && *id != 12).collect::<Vec<_>>(), "{table}");
        assert_eq!(delete_files(&lake, table), 0, "{table}");
        engines.in_trino(table, &["DELETE FROM {table} WHERE id IN (1, 29)"]);
        assert_eq!(compact(&lake, table, everything()).await.rows_deleted, 2, "{table}");
        if !is_partitioned {
            goes_on(engines, &lake, table, &context).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_deleted_by_equality_are_gone_after_compaction_and_those_that_came_again_stay() {
    for (table, is_partitioned) in [("equal_deletes.whole", false), ("equal_deletes.parts", true)] {
        let engines = engines();
        let (lake, context) = fed(table, is_partitioned).await;
        engines.spark.delete_by_equality(table, &["id"], "id % 3 = 0").unwrap();
        engines.in_spark(table, &["INSERT INTO {table} (id, kind) VALUES (3, 'again')"]);
        engines.spark.delete_by_equality(table, &["id", "kind"], "id IN (4, 14)").unwrap();
        let before = engines.rows_but_by_pyiceberg(&lake, table);
        let kept = |id: &i64| (id % 3 != 0 || *id == 3) && ![4, 14].contains(id);
        assert_eq!(ids(&before), (0..30).filter(kept).collect::<Vec<_>>(), "{table}");
        let report = compact(&lake, table, everything()).await;
        assert_eq!((report.rows_rewritten, report.rows_deleted), (31, 12), "{table}: {report:?}");
        assert_eq!(engines.rows_everywhere(&lake, table), before, "{table}");
        assert_eq!(delete_files(&lake, table), 0, "{table}");
        if is_partitioned {
            goes_on(engines, &lake, table, &context).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_that_files_left_alone_still_need_stay_in_force() {
    const TABLE: &str = "mixed_deletes.partly";
    let engines = engines();
    let (lake, _) = fed(TABLE, false).await;
    engines.in_spark(TABLE, &["ALTER TABLE {table} SET TBLPROPERTIES ('write.delete.granularity' = 'partition')"]);
    engines.spark_delete_merge_on_read(&lake, TABLE, "id % 10 = 1");
    engines.in_trino(TABLE, &["DELETE FROM {table} WHERE id % 10 = 2"]);
    engines.spark.delete_by_equality(TABLE, &["id"], "id % 10 = 3").unwrap();
    let before = engines.rows_but_by_pyiceberg(&lake, TABLE);
    assert_eq!(ids(&before), (0..30).filter(|id| ![1, 2, 3].contains(&(id % 10))).collect::<Vec<_>>());

    // The two oldest of the three files.
    let two = json!({"rewrite-all": true, "max-file-group-input-files": 2, "max-files-to-rewrite": 2});
    let report = run(Compaction, &lake, TABLE, &two).await.unwrap();
    assert_eq!((report.files_rewritten, report.rows_deleted, report.groups_skipped), (2, 6, 1), "{report:?}");
    assert!(files_of(&lake, TABLE, EQUALITY_DELETES) == 1 && files_of(&lake, TABLE, POSITION_DELETES) > 0);
    assert_eq!(engines.rows_but_by_pyiceberg(&lake, TABLE), before);
    expire(&lake, TABLE).await;
    assert_eq!(engines.rows_but_by_pyiceberg(&lake, TABLE), before);

    assert_eq!(compact(&lake, TABLE, everything()).await.rows_deleted, 3);
    assert_eq!(engines.rows_everywhere(&lake, TABLE), before);
    assert_eq!(delete_files(&lake, TABLE), 0);
}

/// Rounds of a race with Spark, whose statement takes about a second.
const ROUNDS: i64 = 10;
/// How much later than in the round before the compaction begins.
const ROUND_DELAY: Duration = Duration::from_millis(90);

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_of_spark_and_a_compaction_at_the_same_time_bring_no_row_back() {
    const TABLE: &str = "spark_deletes.raced";
    let engines = engines();
    let lake = engines.lake_with(TABLE, definition(events_schema())).await;
    let context = lake.context(TABLE);
    engines.merge_on_read_by_spark(TABLE);
    let (mut expected, mut compacted, mut deleted): (Vec<i64>, _, _) = (Vec::new(), 0, 0);
    for (round, delay) in (0..ROUNDS).zip(0_u32..) {
        let first = 6 * round;
        for begin in [first, first + 3] {
            deliver_new(&context, begin..begin + 3).await;
        }
        expected.extend(first..first + 6);
        let delete = format!("DELETE FROM lake.{TABLE} WHERE id IN ({first}, {})", first + 4);
        let spark = tokio::task::spawn_blocking(move || engines.spark.sql(&delete));
        tokio::time::sleep(ROUND_DELAY * delay).await;
        let report = run(Compaction, &lake, TABLE, &pairs()).await.unwrap();
        compacted += report.groups_committed;
        // Of the two, the later one sees what the other did and gives way; neither undoes it.
        match spark.await.unwrap() {
            Ok(_) => {
                deleted += 1;
                expected.retain(|id| ![first, first + 4].contains(id));
            }
            Err(error) => assert!(report.groups_committed == 1, "{error}"),
        }
        assert_eq!(ids(&engines.spark.rows(TABLE, None).unwrap().rows), expected, "round {round}: {report:?}");
    }
    assert!(compacted > 0 && deleted > 0, "{compacted} compactions and {deleted} deletes of {ROUNDS} rounds");
    compact_keeps(engines, &lake, TABLE, everything(), &["id < 20"]).await;
    expire(&lake, TABLE).await;
    assert_eq!(ids(&engines.rows_everywhere(&lake, TABLE)), expected);
}
