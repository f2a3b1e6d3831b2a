//! The demo, as a library and as a program, and its table under other engines' eyes.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in test functions, but does not see that their helpers are tests as well"
)]

use std::path::Path;
use std::process::{Command, Output};

use tributary_local::Out;
use tributary_local::demo::{self, DemoError, DemoOptions, DemoReport};
use tributary_runtime::now_ms;
use tributary_testkit::{TableAt, readers};

async fn demo_in(folder: &Path, now_ms: i64) -> Result<(DemoReport, String), DemoError> {
    let options = DemoOptions { folder: folder.to_owned(), rows: 40, json: true };
    let mut bytes = Vec::new();
    let report = demo::run(&options, now_ms, &mut Out::new(&mut bytes)).await?;
    Ok((report, String::from_utf8(bytes).unwrap()))
}

fn last_line(text: &str) -> DemoReport {
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_goes_on_from_the_first_ones_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let (first, first_text) = demo_in(folder.path(), now_ms()).await.unwrap();
    assert_eq!(last_line(&first_text), first);
    assert_eq!((first.rows_found, first.rows_added, first.rows, first.snapshots), (0, 240, 200, 3));
    assert_eq!((first.files_before > first.files_after, first.snapshots_expired), (true, 5));
    assert_eq!((first.rows_expired, first.checks_passed, first.checks_failed), (40, 5, 1));
    assert_eq!((first.redelivered, first.column_filled, first.column_null), (40, 40, 120));
    assert!(first.columns.contains(&"address".to_owned()) && !first.columns.contains(&first.column_changed));
    assert_eq!(first.next_offsets.values().sum::<i64>(), 240);
    assert!(first_text.contains("created at file:///"), "{first_text}");

    let (second, second_text) = demo_in(folder.path(), now_ms() + 60_000).await.unwrap();
    assert_eq!((second.rows_found, second.rows_added, second.rows, second.snapshots), (200, 240, 400, 3));
    // The column of the first run was dropped: its values don't come back with a new column of that name.
    assert_eq!((second.redelivered, second.column_filled, second.column_null), (40, 40, 320));
    assert_eq!((second.next_offsets.values().sum::<i64>(), second.rows_expired), (480, 40));
    assert_eq!((&second.table, &second.columns), (&first.table, &first.columns));
    assert!(second_text.contains("with 200 rows in 3 snapshots of earlier runs"), "{second_text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_goes_on_where_an_earlier_run_ended_between_its_steps() {
    let folder = tempfile::tempdir().unwrap();
    let (first, _) = demo_in(folder.path(), now_ms()).await.unwrap();
    // As after an end between the fourth step and the fifth: the column is there.
    assert!(tributary(folder.path(), &["table", "add-column", "demo.events", "channel", "string"]).status.success());
    let (second, text) = demo_in(folder.path(), now_ms() + 60_000).await.unwrap();
    assert!(text.contains("it is there already"), "{text}");
    // The rows of the second step have no such field; those of the fourth have.
    assert_eq!((second.rows, second.column_filled), (first.rows + 200, 40));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_was_moved_is_refused_with_the_way_back() {
    let parent = tempfile::tempdir().unwrap();
    let (old, new) = (parent.path().join("old"), parent.path().join("new"));
    demo_in(&old, now_ms()).await.unwrap();
    std::fs::rename(&old, &new).unwrap();
    let error = demo_in(&new, now_ms()).await.unwrap_err().to_string();
    assert!(error.starts_with("move the folder back, remove it, or choose another with `--folder`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_engines_read_the_demos_table_as_the_demo_counts_it() {
    let folder = tempfile::tempdir().unwrap();
    let (report, _) = demo_in(folder.path(), now_ms()).await.unwrap();
    let at = TableAt::Sqlite {
        catalog_db: folder.path().join("catalog.db"),
        catalog_name: "local".to_owned(),
        table: report.table.clone(),
    };
    let read = readers::read_both(&at).unwrap();
    assert_eq!(read.columns, report.columns);
    assert_eq!(read.rows.len() as u64, report.rows);
    let ids: Vec<u64> = read.rows.iter().map(|row| row["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, (0..report.rows).collect::<Vec<_>>());
    // The partition column's bounds and values must let filters find the rows.
    let day = readers::read_where(&at, "event_time >= '2025-11-13T00:00:00+00:00'").unwrap();
    assert_eq!(day.rows.len() as u64, report.rows);
}

fn tributary(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tributary"));
    for name in ["TRIBUTARY_CATALOG_NAME", "TRIBUTARY_WAREHOUSE", "TRIBUTARY_S3_PATH_STYLE", "TRIBUTARY_LOG"] {
        command.env_remove(name);
    }
    let catalog = format!("sqlite:{}", folder.join("catalog.db").display());
    command.args(arguments).env("TRIBUTARY_CATALOG", catalog).output().unwrap()
}

#[test]
fn the_program_prints_the_report_as_its_last_line() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("new").join("lakehouse");
    let done = tributary(folder.path(), &["demo", "--json", "--rows", "7", "--folder", place.to_str().unwrap()]);
    let text = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{text}\n{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(String::from_utf8(done.stderr).unwrap(), "", "nothing but answers is said when all goes well");
    let report = last_line(&text);
    assert_eq!((report.rows, report.redelivered, report.claims > 10), (35, 7, true));
    assert!(text.contains("1. The table demo.events"), "{text}");
    assert!(text.contains("iceberg_scan('file://"), "{text}");
}

#[test]
fn the_program_ends_with_1_on_an_error_and_2_on_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let failed = tributary(folder.path(), &["table", "show", "no.such"]);
    assert_eq!(failed.status.code(), Some(1));
    let text = String::from_utf8(failed.stderr).unwrap();
    assert!(text.starts_with("error: create the table first"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert_eq!(tributary(folder.path(), &["table", "show"]).status.code(), Some(2));
}
