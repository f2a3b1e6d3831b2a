//! Rows that another engine deleted by delete files, and what becomes of these.

use std::process::Command;

use iceberg::spec::DataContentType;
use serde_json::{Value, json};
use tributary_testkit::{TableAt, read_both, read_with_duckdb, repo_root, tools_dir};
use tributary_tests::{LocalLake, TABLE, evolve_with_pyiceberg, ids, partitioned, schema};

use crate::ground::Ground;

/// Deletes rows by position or equality deletes: `{"positions": [id]}` or `{"equality": [id]}`.
fn delete(lake: &LocalLake, change: &Value) {
    let done = Command::new(tools_dir().unwrap().join("venv/bin/python"))
        .arg(repo_root().unwrap().join("tests/tools/foreign_deletes.py"))
        .arg(lake.folder().join("catalog.db"))
        .arg(TABLE)
        .arg(change.to_string())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Two rows, at six and at noon of a day: ids 10 x day, and one more.
fn rows_of(day: i64) -> [Value; 2] {
    [6, 12].map(|hour| json!({"id": 10 * day + hour / 12, "seen": format!("2025-11-{day:02}T{hour:02}:00:00Z")}))
}

async fn fed(transforms: &[&str], days: std::ops::RangeInclusive<i64>) -> Ground {
    let mut ground = Ground::new("timestamptz", transforms).await;
    for day in days {
        ground.ingest(&rows_of(day)).await;
    }
    ground
}

async fn delete_files(ground: &Ground) -> usize {
    let table = ground.lake.table();
    let live = table.live_files(&table.refresh().await.unwrap()).await.unwrap();
    live.iter().filter(|file| file.content() != DataContentType::Data).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_files_of_partitions_that_go_go_with_them() {
    let ground = fed(&["day"], 1..=6).await;
    delete(&ground.lake, &json!({"positions": [10, 21, 50]}));
    assert_eq!((ground.ids().len(), delete_files(&ground).await), (9, 3));
    let before = ground.lake.table().refresh().await.unwrap().metadata_location().to_owned();
    let report = ground.retain(json!({"column": "seen", "retain": "3d"})).await.unwrap();
    assert_eq!((report.files_removed, report.rows_expired), (2, 4), "rows count as the files hold them");
    assert_eq!((report.delete_files_removed, report.delete_files_left), (2, 0));
    assert_eq!(ground.ids(), [30, 31, 40, 41, 51, 60, 61], "what was deleted in a file that stays is still deleted");
    assert_eq!(delete_files(&ground).await, 1);
    let summary = ground.snapshot(report.snapshot_id)["summary"].clone();
    for (name, value) in [("removed-position-delete-files", "2"), ("total-delete-files", "1"), ("total-records", "8")] {
        assert_eq!(summary[name], value, "{name}: {summary}");
    }
    let then = read_both(&TableAt::Metadata { location: before, endpoint: None }).unwrap();
    assert_eq!(ids(&then.rows), [11, 20, 30, 31, 40, 41, 51, 60, 61]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_file_that_may_name_rows_that_stay_stays() {
    let ground = fed(&[], 1..=6).await;
    // One file of position deletes, of a row that goes and of one that stays.
    delete(&ground.lake, &json!({"positions": [10, 50]}));
    let report = ground.retain(json!({"column": "seen", "retain": "3d", "level": "file"})).await.unwrap();
    assert_eq!((report.files_removed, report.delete_files_removed, report.delete_files_left), (2, 0, 1));
    assert_eq!(ground.ids(), [30, 31, 40, 41, 51, 60, 61]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_equality_delete_goes_when_no_older_file_is_left_and_not_before() {
    let mut ground = fed(&[], 1..=3).await;
    // By DuckDB alone: PyIceberg does not read equality deletes.
    let read = |ground: &Ground| ids(&read_with_duckdb(&ground.lake.at()).unwrap().rows);
    delete(&ground.lake, &json!({"equality": [10, 20, 30, 40]}));
    for day in 4..=9 {
        ground.ingest(&rows_of(day)).await;
    }
    assert_eq!(read(&ground)[..5], [11, 21, 31, 40, 41], "the delete is older than the row 40");
    // All but the 3rd's of the older files.
    let report = ground.retain(json!({"column": "seen", "retain": "7d", "level": "file"})).await.unwrap();
    assert_eq!((report.files_removed, report.delete_files_removed, report.delete_files_left), (1, 0, 1));
    assert_eq!(read(&ground)[..4], [21, 31, 40, 41]);
    let report = ground.retain(json!({"column": "seen", "retain": "5d", "level": "file"})).await.unwrap();
    assert_eq!((report.files_removed, report.delete_files_removed, report.delete_files_left), (2, 1, 0));
    assert_eq!(read(&ground)[..3], [40, 41, 50]);
    assert_eq!(delete_files(&ground).await, 0);
    assert_eq!(ground.ids(), read(&ground), "and now PyIceberg reads it, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_whose_column_was_widened_is_still_one() {
    let columns = schema(&[
        (1, "id", true, json!("long")),
        (2, "seen", false, json!("timestamptz")),
        (3, "kind", false, json!("int")),
    ]);
    let mut ground = Ground::with(partitioned(columns, &[(3, "kind", "identity")])).await;
    let row = |id: i64, day: i64| json!({"id": id, "seen": format!("2025-11-{day:02}T00:00:00Z"), "kind": 5});
    ground.ingest(&[row(10, 1), row(11, 1)]).await;
    ground.ingest(&[row(90, 9), row(91, 9)]).await;
    evolve_with_pyiceberg(&ground.lake, &json!({"widen": [["kind", "long"]]}));
    ground.ingest(&[row(12, 1), row(13, 1)]).await;
    // One delete file, which names a row of a file older than the wide type that stays, and of a newer one that goes.
    delete(&ground.lake, &json!({"positions": [13, 90]}));
    assert_eq!(delete_files(&ground).await, 1);
    let options = json!({"column": "seen", "retain": "3d", "level": "file", "max-removed-ratio": 0.9});
    let report = ground.retain(options).await.unwrap();
    assert_eq!((report.files_removed, report.partitions_touched, report.delete_files_removed), (2, 1, 0));
    assert_eq!(ground.ids(), [91], "a row deleted before is back");
}
