//! Other writers between the plan and the commit, and commits whose answer is lost.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use iceberg::spec::DataContentType;
use serde_json::{Value, json};
use tributary_function::JobErrorKind;
use tributary_table::{LiveFile, RemoveRequest, Replaced, RewriteRequest, Table, TableDefinition};
use tributary_testkit::{FaultyCatalog, SwapFault};
use tributary_tests::{Batch, LocalLake, NOW_MS, definition, deliver, evolve_with_pyiceberg, far};

use crate::ground::{Ground, retain_in, timed};

/// Six files of one row, of the first six days of November 2025; not partitioned.
async fn six_files() -> Ground {
    six_files_with(HashMap::new()).await
}

/// The same in a table with these properties.
async fn six_files_with(properties: HashMap<String, String>) -> Ground {
    let mut ground = Ground::with(TableDefinition { properties, ..definition(timed("timestamptz")) }).await;
    for day in 1..=6 {
        ground.ingest(&[row(day)]).await;
    }
    ground
}

fn row(day: i64) -> Value {
    json!({"id": day, "seen": format!("2025-11-{day:02}T12:00:00Z")})
}

/// Rows before the 4th are past: half of them.
fn options() -> Value {
    json!({"column": "seen", "retain": "2d", "level": "file"})
}

fn faulty(lake: &LocalLake) -> Arc<FaultyCatalog> {
    Arc::new(FaultyCatalog::new(lake.catalog()))
}

fn parquet_files(lake: &LocalLake) -> BTreeSet<String> {
    lake.files().into_iter().filter(|file| file.ends_with(".parquet")).collect()
}

/// The live files that hold these days' rows alone; files are in the order of their days here.
async fn of_days(table: &Table, days: &[usize]) -> Vec<LiveFile> {
    let mut live = table.live_files(&table.refresh().await.unwrap()).await.unwrap();
    live.sort_by_key(LiveFile::sequence_number);
    live.into_iter().enumerate().filter(|(index, _)| days.contains(&(index + 1))).map(|(_, file)| file).collect()
}

/// Merges the files of some days into one, as a compaction does: their rows are encoded again.
async fn merge(table: &Table, days: &[usize]) {
    let start = table.refresh().await.unwrap();
    let removed = of_days(table, days).await;
    let decoder = tributary_decode::Decoder::try_new(start.schema()).unwrap();
    let mut rows = decoder.batch(days.len());
    for day in days {
        rows.push(row(*day as i64).to_string().as_bytes()).unwrap();
    }
    let files = table.encode(&start, &rows.finish().unwrap()).unwrap();
    let added = table.put_files(&start, files).await.unwrap();
    let request = RewriteRequest { start: &start, removed, added, now_ms: NOW_MS, deadline: far() };
    let done = table.rewrite(request).await.unwrap();
    assert!(matches!(done, Replaced::Committed { .. }), "{done:?}");
}

/// Removes the files of some days, as another engine's DELETE does.
async fn remove(table: &Table, days: &[usize]) {
    let base = table.refresh().await.unwrap();
    let paths: BTreeSet<String> = of_days(table, days).await.iter().map(|file| file.path().to_owned()).collect();
    let select = |_: &_, live: &[LiveFile]| live.iter().filter(|file| paths.contains(file.path())).cloned().collect();
    let done = table.remove(RemoveRequest { base: &base, select, now_ms: NOW_MS, deadline: far() }).await.unwrap();
    assert!(matches!(done, Replaced::Committed { .. }), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_ingested_between_plan_and_commit_stay() {
    let ground = six_files().await;
    let catalog = faulty(&ground.lake);
    let ingest = ground.lake.context();
    // A late row, which is past, and a new one: they came in one file.
    let event = Batch::new().json(0, 6, &json!({"id": 70, "seen": "2025-11-01T00:00:00Z"})).json(0, 7, &row(7)).event();
    catalog.before_next_swap(async move {
        assert_eq!(deliver(&event, &ingest).await.unwrap().rows_committed, 2);
    });
    let report = retain_in(catalog.clone(), NOW_MS, &options()).await.unwrap();
    assert!(catalog.deed_is_done());
    assert_eq!((report.commit_attempts, report.files_removed, report.files, report.files_straddling), (2, 3, 7, 1));
    assert_eq!(report.newest.as_deref(), Some("2025-11-06T12:00:00Z"), "the cutoff is that of the plan");
    assert_eq!(ground.ids(), [4, 5, 6, 7, 70]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_arrives_between_plan_and_commit_and_is_wholly_past_goes_too() {
    let ground = six_files().await;
    let catalog = faulty(&ground.lake);
    let ingest = ground.lake.context();
    let event = Batch::new().json(0, 6, &json!({"id": 70, "seen": "2025-11-01T00:00:00Z"})).json(1, 0, &row(7)).event();
    let later = Batch::new().json(2, 0, &row(8)).json(2, 1, &row(9)).event();
    let late = Batch::new().json(3, 0, &json!({"id": 71, "seen": "2025-11-02T00:00:00Z"})).event();
    catalog.before_next_swap(async move {
        for event in [event, later, late] {
            deliver(&event, &ingest).await.unwrap();
        }
    });
    let report = retain_in(catalog, NOW_MS, &options()).await.unwrap();
    assert_eq!((report.files_removed, report.rows_expired), (4, 4));
    assert_eq!(ground.ids(), [4, 5, 6, 7, 8, 9, 70]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_merged_between_plan_and_commit_are_judged_by_their_own_bounds() {
    for (days, left, straddling) in [
        // All of it past: the merged file goes in their place.
        (&[1, 2][..], vec![4, 5, 6], 0),
        // Past and not: the merged file stays whole.
        (&[3, 4], vec![3, 4, 5, 6], 1),
    ] {
        let ground = six_files().await;
        let catalog = faulty(&ground.lake);
        let other = ground.lake.table();
        let days = days.to_vec();
        let merged = days.clone();
        catalog.before_next_swap(async move { merge(&other, &merged).await });
        let report = retain_in(catalog.clone(), NOW_MS, &options()).await.unwrap();
        assert!(catalog.deed_is_done());
        assert_eq!((report.commit_attempts, report.files_straddling), (2, straddling), "{days:?}");
        assert_eq!((report.files_removed, report.files), (2, 5), "{days:?}");
        assert_eq!(ground.ids(), left, "{days:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_removed_by_another_between_plan_and_commit_are_left_to_it() {
    let ground = six_files().await;
    let catalog = faulty(&ground.lake);
    let other = ground.lake.table();
    catalog.before_next_swap(async move { remove(&other, &[1, 2, 3]).await });
    let report = retain_in(catalog, NOW_MS, &options()).await.unwrap();
    assert_eq!((report.files_past, report.files_removed, report.snapshot_id), (0, 0, None));
    assert_eq!(ground.ids(), [4, 5, 6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ratio_is_asked_again_on_the_table_as_it_stands_at_each_attempt() {
    let ground = six_files().await;
    let catalog = faulty(&ground.lake);
    let other = ground.lake.table();
    catalog.before_next_swap(async move { remove(&other, &[4, 5]).await });
    let error = retain_in(catalog.clone(), NOW_MS, &options()).await.unwrap_err();
    assert!(catalog.deed_is_done());
    assert_eq!(error.kind(), JobErrorKind::Halt);
    assert!(error.to_string().contains("found 0.7500 (3 of 4)"), "{error}");
    assert_eq!(ground.ids(), [1, 2, 3, 6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_dropped_and_made_anew_between_plan_and_commit_removes_nothing() {
    let lake = Arc::new(six_files().await);
    let catalog = faulty(&lake.lake);
    let foreign = Arc::clone(&lake);
    catalog.before_next_swap(async move {
        evolve_with_pyiceberg(&foreign.lake, &json!({"drop": ["seen"]}));
        evolve_with_pyiceberg(&foreign.lake, &json!({"add": [["seen", "timestamptz"]]}));
    });
    let error = retain_in(catalog.clone(), NOW_MS, &options()).await.unwrap_err();
    assert!(catalog.deed_is_done());
    assert_eq!(error.kind(), JobErrorKind::Retry);
    assert!(error.to_string().contains("expected column `seen` to stay the one it was planned by"), "{error}");
    assert_eq!(lake.ids(), (1..=6).collect::<Vec<_>>());
    // And now the column says nothing of the old files.
    let report = lake.retain(options()).await.unwrap();
    assert_eq!((report.files_past, report.snapshot_id), (0, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_renamed_between_plan_and_commit_is_still_the_same() {
    let ground = Arc::new(six_files().await);
    let catalog = faulty(&ground.lake);
    let foreign = Arc::clone(&ground);
    catalog.before_next_swap(
        async move { evolve_with_pyiceberg(&foreign.lake, &json!({"rename": [["seen", "renamed"]]})) },
    );
    let report = retain_in(catalog.clone(), NOW_MS, &options()).await.unwrap();
    assert!(catalog.deed_is_done());
    assert_eq!((report.files_removed, report.commit_attempts), (3, 2));
    assert_eq!(ground.ids(), [4, 5, 6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_looked_up_and_nothing_is_removed_twice() {
    for (fault, attempts) in [
        (SwapFault::LostReply, 1),
        (SwapFault::FalseConflict, 1),
        (SwapFault::LostRequest, 2),
        (SwapFault::Conflict, 2),
    ] {
        let ground = six_files().await;
        let catalog = faulty(&ground.lake);
        catalog.inject([fault]);
        let report = retain_in(catalog.clone(), NOW_MS, &options()).await.unwrap();
        assert_eq!(catalog.faults_left(), 0);
        assert_eq!((report.files_removed, report.commit_attempts), (3, attempts), "{fault:?}");
        assert_eq!(ground.ids(), [4, 5, 6], "{fault:?}");
        let snapshots = ground.inspect()["snapshots"].as_array().unwrap().len();
        assert_eq!(snapshots, 7, "{fault:?}: one removal");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_commit_removes_nothing_and_leaves_nothing_behind() {
    let ground = six_files().await;
    let before: BTreeSet<String> = ground.lake.files().into_iter().collect();
    let catalog = faulty(&ground.lake);
    catalog.inject([SwapFault::Conflict, SwapFault::Refuse]);
    let error = retain_in(catalog, NOW_MS, &options()).await.unwrap_err();
    assert_eq!(error.kind(), JobErrorKind::Halt, "{error}");
    assert_eq!(ground.lake.files().into_iter().collect::<BTreeSet<_>>(), before);
    assert_eq!(ground.ids(), (1..=6).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_data_file_is_deleted_from_storage() {
    let ground = six_files().await;
    let before = parquet_files(&ground.lake);
    assert_eq!(ground.retain(options()).await.unwrap().files_removed, 3);
    assert_eq!(parquet_files(&ground.lake), before);
    let table = ground.lake.table();
    let live = table.live_files(&table.refresh().await.unwrap()).await.unwrap();
    assert!(live.len() == 3 && live.iter().all(|file| file.content() == DataContentType::Data));
}

/// The clock stands still but for waits, so that what is done a millisecond into a wait of up to a minute is done in the middle of it.
#[tokio::test(start_paused = true)]
async fn after_a_wait_a_commit_is_tried_on_what_others_committed_during_it() {
    let waits = ["commit.retry.min-wait-ms", "commit.retry.max-wait-ms"];
    let ground = six_files_with(waits.map(|name| (name.to_owned(), "60000".to_owned())).into()).await;
    let catalog = faulty(&ground.lake);
    catalog.inject([SwapFault::Conflict]);
    let ingest = ground.lake.context();
    let during = async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(catalog.faults_left(), 0, "the wait has begun");
        let event = Batch::new().json(0, 6, &row(7)).event();
        assert_eq!(deliver(&event, &ingest).await.unwrap().rows_committed, 1);
    };
    let options = options();
    let (report, ()) = tokio::join!(retain_in(catalog.clone(), NOW_MS, &options), during);
    let report = report.unwrap();
    assert_eq!((report.files_removed, report.files, report.commit_attempts), (3, 7, 2));
    assert_eq!(ground.ids(), [4, 5, 6, 7]);
}
