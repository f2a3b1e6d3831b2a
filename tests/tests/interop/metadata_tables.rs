//! What Spark and Trino show of a table's metadata after our commits: entries that came, stayed and went, summaries, files.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tributary_testkit::{SqlEngine, inspect};
use tributary_tests::{Batch, GlueLake, deliver, events_schema, ids, partitioned};

use crate::ground::{EQUALITY_DELETES, Engines, POSITION_DELETES, engines, files_of};
use crate::jobs::{compact, everything, expire, run};

/// A table of two buckets, of which our compaction has rewritten one; Spark's position deletes in both before, and an equality delete
/// that stays in the other.
async fn half_compacted(engines: &Engines, table: &str) -> GlueLake {
    let lake = engines.lake_with(table, partitioned(events_schema(), &[(1, "id_bucket", "bucket[2]")])).await;
    let context = lake.context(table);
    for begin in [0, 10, 20] {
        deliver(&Batch::new().rows(0, begin..begin + 10).event(), &context).await.unwrap();
    }
    engines.spark_delete_merge_on_read(&lake, table, "id IN (0, 3, 10, 11)");
    engines.spark.delete_by_equality(table, &["id"], "id IN (1, 5, 12, 13)").unwrap();
    let one = json!({"rewrite-all": true, "max-files-to-rewrite": 3});
    let report = run(tributary_compaction::Compaction, &lake, table, &one).await.unwrap();
    assert_eq!((report.groups_committed, report.groups_skipped, report.files_rewritten), (1, 1, 3), "{report:?}");
    assert!(report.delete_files_removed >= 2, "{report:?}");
    lake
}

/// The rows that are left, half of those gone from either bucket.
fn kept() -> Vec<i64> {
    (0..30).filter(|id| ![0, 1, 3, 5, 10, 11, 12, 13].contains(id)).collect()
}

/// What an engine answers, one row.
fn one(engine: &SqlEngine, sql: &str) -> Value {
    engine.sql(sql).unwrap().rows.swap_remove(0)
}

/// A summary as pairs, without the operation, which not every engine counts to it.
fn summary(pairs: &Value) -> BTreeMap<String, String> {
    let pairs: Vec<(String, String)> = serde_json::from_value(pairs.clone()).unwrap();
    pairs.into_iter().filter(|(name, _)| name != "operation").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_came_stayed_and_went_are_told_apart() {
    const TABLE: &str = "metadata_tables.entries";
    let engines = engines();
    half_compacted(engines, TABLE).await;
    let counts = "sum(added_data_files_count) AS came, sum(existing_data_files_count) AS stayed, sum(deleted_data_files_count) AS went";
    for (engine, manifests) in [
        (&engines.spark, format!("lake.{TABLE}.manifests")),
        (&engines.trino, r#"lake.metadata_tables."entries$manifests""#.to_owned()),
    ] {
        let found = one(engine, &format!("SELECT {counts} FROM {manifests} WHERE content = 0"));
        assert_eq!(found, json!({"came": 1, "stayed": 3, "went": 3}), "{}", engine.name());
    }

    // EXISTING, ADDED and DELETED, with the snapshots and sequence numbers of the spec.
    let entries = format!(
        "SELECT status, count(*) AS entries, count(DISTINCT snapshot_id) AS snapshots, min(sequence_number) AS low, max(sequence_number) AS high,
                min(file_sequence_number) AS own_low, max(file_sequence_number) AS own_high
         FROM lake.{TABLE}.entries WHERE data_file.content = 0 GROUP BY status"
    );
    let row = |status: i64, entries: i64, snapshots: i64, [low, high, own_low, own_high]: [i64; 4]| json!({"status": status, "entries": entries, "snapshots": snapshots, "low": low, "high": high, "own_low": own_low, "own_high": own_high});
    let rows = [
        row(0, 3, 3, [1, 3, 1, 3]),
        // Five commits before it; what came counts as old as the table was when it was read.
        row(1, 1, 1, [5, 5, 6, 6]),
        row(2, 3, 1, [1, 3, 1, 3]),
    ];
    assert_eq!(engines.spark.sql(&entries).unwrap().rows, rows);

    let gone = format!("SELECT count(*) AS n FROM lake.{TABLE}.entries WHERE status = 2 AND data_file.content = 1");
    assert!(one(&engines.spark, &gone)["n"].as_i64().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_snapshots_and_history_are_the_same_to_all() {
    const TABLE: &str = "metadata_tables.files";
    let engines = engines();
    let lake = half_compacted(engines, TABLE).await;
    let seen = inspect(&lake.at(TABLE)).unwrap();
    let of_trino = |part: &str| format!(r#"lake.metadata_tables."files${part}""#);

    let mut files: Vec<Value> = seen["files"].as_array().unwrap().iter().map(|file| json!({"file_path": file["file_path"], "record_count": file["record_count"], "file_size_in_bytes": file["file_size_in_bytes"], "sort_order_id": file["sort_order_id"]})).collect();
    files.sort_by_key(|file| file["file_path"].to_string());
    let columns = "file_path, record_count, file_size_in_bytes, sort_order_id";
    for (engine, files_table) in [(&engines.spark, format!("lake.{TABLE}.files")), (&engines.trino, of_trino("files"))]
    {
        let found = engine.sql(&format!("SELECT {columns} FROM {files_table}")).unwrap().rows;
        assert_eq!(found, files, "{}", engine.name());
    }

    let snapshots = seen["snapshots"].as_array().unwrap();
    let columns = "committed_at, snapshot_id, parent_id, operation, manifest_list, summary";
    for (engine, snapshots_table) in
        [(&engines.spark, format!("lake.{TABLE}.snapshots")), (&engines.trino, of_trino("snapshots"))]
    {
        let found = engine.sql(&format!("SELECT {columns} FROM {snapshots_table}")).unwrap().rows;
        assert_eq!(found.len(), snapshots.len());
        for snapshot in snapshots {
            let same = found.iter().find(|other| other["snapshot_id"] == snapshot["snapshot_id"]).unwrap();
            for name in ["parent_id", "operation", "manifest_list"] {
                assert_eq!(same[name], snapshot[name], "{}: {name}", engine.name());
            }
            let expected: BTreeMap<String, String> = serde_json::from_value(snapshot["summary"].clone()).unwrap();
            assert_eq!(summary(&same["summary"]), expected, "{}", engine.name());
        }
    }
    let ours = snapshots.iter().find(|snapshot| snapshot["operation"] == "replace").unwrap();
    let summary = &ours["summary"];
    assert_eq!((&summary["total-data-files"], &summary["deleted-data-files"]), (&json!("4"), &json!("3")), "{summary}");

    // The rest is read without an error, and says something.
    for part in [
        "all_data_files",
        "all_delete_files",
        "all_manifests",
        "all_entries",
        "history",
        "metadata_log_entries",
        "partitions",
        "position_deletes",
        "refs",
    ] {
        let n = one(&engines.spark, &format!("SELECT count(*) AS n FROM lake.{TABLE}.{part}"));
        assert!(n["n"].as_i64().unwrap() > 0, "{part}: {n}");
    }
    for part in ["all_entries", "all_manifests", "entries", "history", "metadata_log_entries", "partitions", "refs"] {
        let n = one(&engines.trino, &format!("SELECT count(*) AS n FROM {}", of_trino(part)));
        assert!(n["n"].as_i64().unwrap() > 0, "{part}: {n}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_before_a_compaction_is_read_until_it_expires() {
    const TABLE: &str = "metadata_tables.past";
    let engines = engines();
    let lake = half_compacted(engines, TABLE).await;
    let head = |snapshots: &Value| {
        snapshots.as_array().unwrap().iter().find(|one| one["operation"] == "replace").unwrap()["parent_id"]
            .as_i64()
            .unwrap()
    };
    let before = head(&inspect(&lake.at(TABLE)).unwrap()["snapshots"]);
    let spark = format!("SELECT id FROM lake.{TABLE} VERSION AS OF {before}");
    let trino = format!("SELECT id FROM lake.{TABLE} FOR VERSION AS OF {before}");
    for (engine, past) in [(&engines.spark, &spark), (&engines.trino, &trino)] {
        assert_eq!(ids(&engine.sql(past).unwrap().rows), kept(), "{}", engine.name());
    }
    compact(&lake, TABLE, everything()).await;
    assert_eq!(files_of(&lake, TABLE, POSITION_DELETES) + files_of(&lake, TABLE, EQUALITY_DELETES), 0);
    engines.in_trino(TABLE, &["ALTER TABLE {table} EXECUTE optimize"]);
    expire(&lake, TABLE).await;
    for (engine, past) in [(&engines.spark, &spark), (&engines.trino, &trino)] {
        assert!(engine.sql(past).is_err(), "{}", engine.name());
    }
    let n = one(&engines.spark, &format!("SELECT count(*) AS n FROM lake.{TABLE}.snapshots"));
    assert_eq!(n["n"], 1);
    assert_eq!(ids(&engines.rows_everywhere(&lake, TABLE)), kept());
}
