//! Options: what is done, what is left, and what is said about it.

use std::time::Duration;

use iceberg::spec::FormatVersion;
use serde_json::{Value, json};
use tokio::time::Instant;
use tributary_maintenance::compaction::{CompactionOptions, CompactionRequest, LeftAs, compact};
use tributary_runtime::NoProgress;
use tributary_tests::{NOW_MS, compact_with, far, partitioned, schema};

use crate::ground::Ground;

/// A table by day, with five files of one row in each of the days 1 to `days`, the last day having one more.
async fn by_day(days: i64) -> Ground {
    let columns = schema(&[(1, "id", true, json!("long")), (2, "day", false, json!("date"))]);
    let mut ground = Ground::with(partitioned(columns, &[(2, "day_day", "day")])).await;
    for round in 0..5 {
        let row = |day: i64| json!({"id": 10 * day + round, "day": format!("2026-03-{day:02}")});
        ground.ingest(&(1..=days).map(row).collect::<Vec<Value>>()).await;
    }
    ground.ingest(&[json!({"id": 0, "day": format!("2026-03-{days:02}")})]).await;
    ground
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_committed_as_they_are_done_in_at_most_so_many_commits() {
    for (options, commits) in [
        (json!({}), 4),
        (json!({"partial-progress.max-commits": 2}), 2),
        (json!({"partial-progress.max-commits": 3}), 2),
        (json!({"partial-progress.enabled": false}), 1),
        (json!({"max-concurrent-file-group-rewrites": 16, "partial-progress.max-commits": 1}), 1),
    ] {
        let ground = by_day(4).await;
        let report = ground.compact_keeps(options.clone(), &["day = '2026-03-02'", "day >= '2026-03-03'"]).await;
        assert_eq!((report.groups_committed, report.commits), (4, commits), "{options}");
        assert_eq!((report.files_rewritten, report.files_added), (21, 4), "{options}");
        assert_eq!((report.manifests_before, report.manifests_after), (6, 1), "{options}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_are_not_touched_keep_their_files() {
    let ground = by_day(3).await;
    let report = ground.compact_keeps(json!({"skip-newest-partitions": 1}), &["day = '2026-03-03'"]).await;
    assert_eq!((report.groups_committed, report.files_rewritten, report.files_added), (2, 10, 2));
    assert_eq!(ground.live().await.len(), 2 + 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_beyond_the_limits_are_skipped_and_said_so() {
    let ground = by_day(3).await;
    // The newest day has six files and comes first; then there is room for one more group.
    let report = ground.compact_keeps(json!({"max-files-to-rewrite": 11}), &[]).await;
    assert_eq!((report.groups_committed, report.groups_skipped, report.files_rewritten), (2, 1, 11));
    let reason = &report.reasons[0];
    assert_eq!((reason.left, reason.count), (LeftAs::SkippedGroups, 1));
    assert!(reason.reason.contains("max-files-to-rewrite"), "{reason:?}");
    let report = ground.compact_keeps(json!({"max-rewrite-bytes": 1}), &[]).await;
    assert_eq!((report.groups_planned, report.groups_skipped, report.commits), (0, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_it_would_do_and_does_nothing() {
    let ground = by_day(2).await;
    let before = ground.lake.files().len();
    let report = ground.compact(json!({"dry-run": true})).await;
    assert!(report.dry_run);
    assert_eq!((report.groups_planned, report.groups_remaining, report.groups_committed), (2, 2, 0));
    assert_eq!((report.manifests_before, report.manifests_after, report.files_rewritten), (6, 6, 0));
    assert_eq!(ground.lake.files().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_time_nothing_is_done_and_everything_remains() {
    let ground = by_day(2).await;
    let before = ground.lake.files().len();
    let table = ground.table();
    let margin = 60_000;
    let options: CompactionOptions = serde_json::from_value(json!({"deadline-margin-ms": margin})).unwrap();
    for deadline in [Instant::now(), Instant::now() + Duration::from_millis(margin)] {
        let request =
            CompactionRequest { table: &table, options: &options, now_ms: NOW_MS, deadline, progress: &NoProgress };
        let report = compact(request).await.unwrap();
        assert_eq!((report.groups_planned, report.groups_remaining, report.groups_committed), (2, 2, 0));
        assert_eq!((report.reasons[0].left, report.reasons[0].count), (LeftAs::RemainingGroups, 2));
        assert!(report.reasons[0].reason.contains("raise the function's timeout"), "{:?}", report.reasons);
    }
    assert_eq!(ground.lake.files().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_version_3_is_refused_and_stays_as_it_is() {
    let ground = Ground::fed(5, 1).await;
    let upgrade = |_: &_, builder: iceberg::spec::TableMetadataBuilder| {
        Ok(builder.upgrade_format_version(FormatVersion::V3).unwrap())
    };
    ground.table().update(far(), upgrade).await.unwrap();
    let before = ground.table().refresh().await.unwrap().metadata_location().to_owned();
    let error = compact_with(&ground.table(), json!({})).await.unwrap_err().to_string();
    assert!(error.contains("expected format version 2, found format version 3"), "{error}");
    assert_eq!(ground.table().refresh().await.unwrap().metadata_location(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_options_ask_and_the_table_cannot_is_refused() {
    let ground = Ground::fed(5, 1).await;
    for (options, words) in [
        (json!({"skip-newest-partitions": 1}), "leave out option `skip-newest-partitions`"),
        (json!({"strategy": "sort"}), "correct option `strategy`: expected `binpack`"),
        (json!({"use-starting-sequence-number": false}), "correct option `use-starting-sequence-number`"),
    ] {
        let error = compact_with(&ground.table(), options).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    assert_eq!(ground.live().await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_rewritten_on_request() {
    let ground = Ground::fed(1, 4).await;
    let before = ground.live().await[0].path().to_owned();
    let report = ground.compact_keeps(json!({"rewrite-all": true}), &["id = 2"]).await;
    assert_eq!((report.files_rewritten, report.files_added), (1, 1));
    assert_ne!(ground.live().await[0].path(), before);
}
