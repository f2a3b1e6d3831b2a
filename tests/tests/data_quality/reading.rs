//! What is read and what is not, and what is then exact.

use iceberg::spec::TableMetadataBuilder;
use serde_json::json;
use tributary_data_quality::{DataQuality, Report};
use tributary_function::invoke;
use tributary_table::TableState;
use tributary_testkit::read_with_duckdb;
use tributary_tests::{delete_on_read, far};

use crate::ground::{NOW_MS, compact, function, garble, ingest, lake, only, run, with_memory};

#[tokio::test(flavor = "multi_thread")]
async fn what_metadata_tells_is_told_without_the_data_files() {
    let lake = lake().await;
    ingest(&lake, 0..5, NOW_MS).await;
    ingest(&lake, 5..10, NOW_MS).await;
    assert_eq!(garble(&lake), 2);
    let rules = "
checks:
  - freshness: {column: event_time, warn_after: 10m}
  - heartbeat: {last_commit_within: 2m}
  - row_count: {min: 10, max: 10}
  - schema: {required: [id]}
columns:
  - name: account_id
    missing: {max_count: 2}
  - name: id
    invalid: {min: 0, max: 9}
  - name: kind
    invalid: {values: [order, fee]}
";
    let report = run(&lake, DataQuality::default(), rules, NOW_MS + 100_000).await.unwrap();
    let counts = (report.checks_passed, report.checks_warned, report.checks_failed, report.checks_errored);
    assert_eq!(counts, (6, 0, 0, 1), "{report:?}");
    let read = report.results.iter().find(|result| result.name() == "invalid(kind)").unwrap();
    assert!(read.message.starts_with("expected to read data file `"), "{}", read.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_reads_new_files_alone_also_when_compaction_rewrote_them() {
    let lake = lake().await;
    let rules = "{window: {since: last_check}, checks: [row_count: {min: 1}], columns: [{name: kind, invalid: {values: [order]}}]}";
    let measured = |report: &Report| {
        let values: Vec<Option<f64>> = report.results.iter().map(|result| result.value).collect();
        let exact = report.results.iter().all(|result| result.exactness.unwrap().as_str() == "exact");
        (values, exact, report.files_read)
    };
    ingest(&lake, 0..5, NOW_MS).await;
    let first = run(&lake, with_memory(), rules, NOW_MS).await.unwrap();
    assert_eq!(measured(&first), (vec![Some(5.0), Some(0.0)], true, 1));
    garble(&lake);
    ingest(&lake, 5..7, NOW_MS).await;
    let second = run(&lake, with_memory(), rules, NOW_MS + 1).await.unwrap();
    assert_eq!(measured(&second), (vec![Some(2.0), Some(0.0)], true, 1), "the old file was read: {second:?}");
    garble(&lake);
    // Row 9 is the fee. What compaction writes holds old rows too, and must not be taken for new.
    ingest(&lake, 7..10, NOW_MS).await;
    compact(&lake, 0..10, NOW_MS + 2).await;
    ingest(&lake, 10..11, NOW_MS).await;
    compact(&lake, 0..11, NOW_MS + 3).await;
    let third = run(&lake, with_memory(), rules, NOW_MS + 4).await.unwrap();
    assert_eq!(measured(&third), (vec![Some(4.0), Some(1.0)], true, 2), "{third:?}");
    let fourth = run(&lake, with_memory(), rules, NOW_MS + 5).await.unwrap();
    assert_eq!(measured(&fourth), (vec![Some(0.0), Some(0.0)], true, 0), "{fourth:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_since_a_check_whose_snapshot_expired_are_judged_with_all_others() {
    let lake = lake().await;
    let rules = "{window: {since: last_check}, checks: [row_count: {min: 1}]}";
    // Not dated ahead: expiry is dated by the clock.
    ingest(&lake, 0..5, 0).await;
    run(&lake, with_memory(), rules, NOW_MS).await.unwrap();
    let expire = async || {
        let all_but_head = |state: &TableState, builder: TableMetadataBuilder| {
            let ids = state.metadata().snapshots().map(|snapshot| snapshot.snapshot_id());
            let ids: Vec<i64> = ids.filter(|id| Some(*id) != state.metadata().current_snapshot_id()).collect();
            Ok(builder.remove_snapshots(&ids))
        };
        lake.table().update(far(), all_but_head).await.unwrap();
    };
    // The last check's snapshot is gone, and what came after it is not.
    ingest(&lake, 5..7, 0).await;
    expire().await;
    let report = run(&lake, with_memory(), rules, NOW_MS + 1).await.unwrap();
    assert_eq!(only(&report), ("PASS", Some(2.0), Some(1.0), Some("exact")));
    // What came after it is gone too, rewritten with all that was there before.
    ingest(&lake, 7..10, 0).await;
    compact(&lake, 0..10, 0).await;
    expire().await;
    let report = run(&lake, with_memory(), rules, NOW_MS + 3).await.unwrap();
    assert_eq!(only(&report), ("PASS", Some(10.0), Some(1.0), Some("bound")));
    let message = &report.results[0].message;
    assert!(
        message.ends_with("(a bound: the history since the last check is not known, so all rows were judged)"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_past_the_limit_are_reported_and_make_a_bound() {
    let lake = lake().await;
    for file in 0..3 {
        ingest(&lake, file * 2..file * 2 + 2, NOW_MS).await;
    }
    let event = json!({"rules": "columns: [{name: kind, invalid: {values: [fee]}}]", "max-files-to-read": 1});
    let report = invoke(&event.to_string(), far(), NOW_MS, &function(&lake, DataQuality::default())).await.unwrap();
    assert_eq!((report.files_read, report.rows_read, report.files_unread), (1, 2, 2));
    assert_eq!(only(&report), ("FAIL", Some(2.0), Some(0.0), Some("bound")));
    assert!(report.results[0].message.ends_with("(a bound: 2 files were not read)"), "{}", report.results[0].message);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_deletes_may_apply_to_is_a_bound() {
    for (change, statuses) in [
        // Of a row in the second file; the spec lets a delete file name rows of any file of its partition.
        (json!({"positions": [9]}), ["bound"; 4]),
        (json!({"equality": [0]}), ["bound"; 4]),
    ] {
        let lake = lake().await;
        // Not dated ahead: the foreign writer's snapshot comes later, by the clock.
        ingest(&lake, 0..5, 0).await;
        ingest(&lake, 5..10, 0).await;
        delete_on_read(&lake, &change);
        assert_eq!(read_with_duckdb(&lake.at()).unwrap().rows.len(), 9);
        let rules = "
checks: [{row_count: {min: 1}}, {freshness: {column: event_time, warn_after: 1h}}]
columns: [{name: account_id, missing: {max_count: 2}}, {name: kind, invalid: {values: [order, fee]}}]
";
        let report = run(&lake, DataQuality::default(), rules, NOW_MS).await.unwrap();
        let exactness: Vec<&str> = report.results.iter().map(|result| result.exactness.unwrap().as_str()).collect();
        assert_eq!(exactness, statuses, "{change}: {report:?}");
        assert_eq!(report.results[0].value, Some(10.0));
        assert!(report.results[0].message.ends_with("(a bound: deletes may apply to rows counted)"), "{report:?}");
    }
}
