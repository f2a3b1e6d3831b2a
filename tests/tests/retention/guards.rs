//! What keeps a table from being emptied by mistake, and what is refused.

use iceberg::spec::FormatVersion;
use serde_json::{Value, json};
use tributary_function::{Context, JobErrorKind, invoke};
use tributary_retention::Retention;
use tributary_table::{Connection, ObjectStore, parse_table_name};
use tributary_tests::{NOW_MS, TABLE, far};

use crate::ground::Ground;

const DAY_MS: i64 = 86_400_000;

/// Ten files of one row, of the first ten days of November 2025.
async fn ten_files() -> Ground {
    let mut ground = Ground::new("timestamptz", &["day"]).await;
    let rows: Vec<(i64, String)> = (1..=10).map(|day| (day, format!("2025-11-{day:02}T12:00:00Z"))).collect();
    ground.ingest_each(&rows.iter().map(|(id, at)| (*id, at.as_str())).collect::<Vec<_>>()).await;
    ground
}

fn options(more: Value) -> Value {
    let mut options = json!({"column": "seen", "retain": "6d"});
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    options
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_stream_does_not_empty_the_table() {
    let ground = ten_files().await;
    for year in 0..3 {
        let report = ground.retain_at(NOW_MS + year * 365 * DAY_MS, options(json!({}))).await.unwrap();
        assert_eq!(report.cutoff.as_deref(), Some("2025-11-04T12:00:00Z"));
        assert_eq!(ground.ids(), (4..=10).collect::<Vec<_>>());
    }
    // From the clock all would go; no more than half does in one run without being told so.
    let clock = options(json!({"measured-from": "clock"}));
    let error = ground.retain_at(NOW_MS + 365 * DAY_MS, clock).await.unwrap_err();
    assert_eq!(error.kind(), JobErrorKind::Halt);
    for words in ["`test.events`", "at most 0.5", "found 1.0000 (7 of 7)", "nothing was removed", "`max-removed-ratio`"]
    {
        assert!(error.to_string().contains(words), "{error}");
    }
    assert_eq!(ground.ids(), (4..=10).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_claims_the_far_future_does_not_make_all_others_old() {
    for level in ["partition", "file"] {
        let mut ground = ten_files().await;
        ground.ingest_each(&[(2300, "2300-01-01T00:00:00Z")]).await;
        ground
            .ingest(&[
                json!({"id": 11, "seen": "2025-11-11T12:00:00Z"}),
                json!({"id": 2301, "seen": "2300-01-01T00:00:00Z"}),
            ])
            .await;
        // Also long after the stream has stalled.
        for now_ms in [NOW_MS, NOW_MS + 365 * DAY_MS] {
            let report = ground.retain_at(now_ms, options(json!({"level": level}))).await.unwrap();
            assert_eq!(report.newest.as_deref(), Some("2025-11-11T12:00:00Z"), "{level}");
            assert_eq!(ground.ids(), [5, 6, 7, 8, 9, 10, 11, 2300, 2301], "{level}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_would_remove_too_much_removes_nothing() {
    let ground = ten_files().await;
    let before = ground.inspect();
    let too_much = options(json!({"retain": "1d"}));
    let error = ground.retain(too_much.clone()).await.unwrap_err();
    assert_eq!(error.kind(), JobErrorKind::Halt);
    assert!(error.to_string().contains("found 0.8000 (8 of 10)"), "{error}");
    assert_eq!(ground.inspect(), before);
    let mut dry = too_much.clone();
    dry["dry-run"] = json!(true);
    let report = ground.retain(dry).await.unwrap();
    assert!(report.exceeds_max_removed_ratio && report.removed_ratio > 0.79, "{report:?}");
    let mut told = too_much;
    told["max-removed-ratio"] = json!(0.8);
    assert_eq!(ground.retain(told).await.unwrap().files_removed, 8);
    assert_eq!(ground.ids(), [9, 10]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_reports_and_changes_nothing() {
    let ground = ten_files().await;
    let (before, files) = (ground.inspect(), ground.lake.files());
    let report = ground.retain(options(json!({"dry-run": true}))).await.unwrap();
    assert!(report.dry_run);
    assert_eq!((report.files_past, report.rows_past, report.files_remaining), (3, 3, 3));
    assert_eq!((report.files_removed, report.rows_expired, report.snapshot_id), (0, 0, None));
    assert_eq!(ground.inspect(), before);
    assert_eq!(ground.lake.files(), files);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_time_left_removes_nothing_and_says_so() {
    let ground = ten_files().await;
    let report = ground.retain(options(json!({"deadline-margin-ms": 4_000_000}))).await.unwrap();
    assert_eq!((report.files_past, report.files_removed, report.files_remaining), (3, 0, 3));
    assert_eq!(report.skipped.as_deref(), Some("the deadline was reached"));
    assert_eq!(ground.ids(), (1..=10).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_format_version_3_is_refused_whatever_is_asked() {
    let ground = ten_files().await;
    let table = ground.lake.table();
    table.update(far(), |_, builder| Ok(builder.upgrade_format_version(FormatVersion::V3).unwrap())).await.unwrap();
    for dry_run in [false, true] {
        let error = ground.retain(options(json!({"dry-run": dry_run}))).await.unwrap_err();
        assert_eq!(error.kind(), JobErrorKind::Halt);
        assert!(error.to_string().contains("expected format version 2, found format version 3"), "{error}");
    }
    assert_eq!(table.live_files(&table.refresh().await.unwrap()).await.unwrap().len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_options_are_named_with_what_they_take() {
    let ground = ten_files().await;
    for (event, words) in [
        (json!({"retain": "6d"}), "set option `column`"),
        (json!({"column": "seen"}), "set option `retain`"),
        (json!({"column": "seen", "retain": "0d"}), "correct option `retain`: expected an age"),
        (json!({"column": "seen", "retain": "30 days"}), "correct option `retain`: expected an age above 0"),
        (json!({"column": "seen", "retain": "6d", "level": "row"}), "use level `file` or `partition`"),
        (
            json!({"column": "seen", "retain": "6d", "level": "table"}),
            "correct option `level`: expected `partition` or `file`",
        ),
        (json!({"column": "seen", "retain": "6d", "measured-from": "now"}), "correct option `measured-from`"),
        (
            json!({"column": "seen", "retain": "6d", "max-removed-ratio": 0}),
            "correct option `max-removed-ratio`: expected a ratio above 0",
        ),
        (json!({"column": "seen", "retain": "6d", "max-removed-ratio": 1.5}), "correct option `max-removed-ratio`"),
        (json!({"column": "seen", "retain": "6d", "older-than": "1d"}), "remove option `older-than`"),
        (
            json!({"column": "event_time", "retain": "6d"}),
            "expected one of the date and timestamp columns (`seen`), found no column `event_time`",
        ),
        (json!({"column": "id", "retain": "6d"}), "found column `id` of type `long`"),
    ] {
        let error = ground.retain(event.clone()).await.unwrap_err();
        assert_eq!(error.kind(), JobErrorKind::Reject, "{event}: {error}");
        assert!(error.to_string().contains(words), "{event}: expected `{words}`, found `{error}`");
    }
    assert_eq!(ground.ids(), (1..=10).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_event_names_the_table_or_the_function_does() {
    let ground = ten_files().await;
    let connection = Connection { catalog: ground.lake.catalog(), store: ObjectStore::local() };
    let other = Some(parse_table_name("test.other").unwrap());
    let context = Context::new(Retention, connection.clone(), other);
    let error = invoke(&options(json!({})).to_string(), far(), NOW_MS, &context).await.unwrap_err();
    assert!(error.to_string().contains("`test.other`"), "{error}");
    let event = options(json!({"table": TABLE, "dry-run": true}));
    assert_eq!(invoke(&event.to_string(), far(), NOW_MS, &context).await.unwrap().0.files_past, 3);
    let error =
        invoke(&options(json!({})).to_string(), far(), NOW_MS, &Context::new(Retention, connection, None)).await;
    assert!(error.unwrap_err().to_string().contains("name a table"));
}
