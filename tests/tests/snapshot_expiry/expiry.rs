//! What an expiry leaves and what it takes.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use iceberg::spec::{PartitionStatisticsFile, StatisticsFile};
use serde_json::json;
use tributary_maintenance::expiry::{ExpiryOptions, ExpiryOutcome};
use tributary_maintenance::file_removal::RemovalErrorKind;
use tributary_table::RemoveRequest;
use tributary_testkit::inspect;
use tributary_tests::{append_with_pyiceberg, evolve_with_pyiceberg, far};

use crate::ground::{DAY_MS, Ground, any, expired};

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_is_what_became_unreachable_and_nothing_is_left_over() {
    let ground = Ground::new().await;
    ground.rows(0..12).await;
    // Another engine takes four files' rows away; the files stay reachable by the older snapshots.
    evolve_with_pyiceberg(&ground.lake, &json!({"delete": "id < 4"}));
    ground.rows(12..14).await;
    let (before, stored) = (ground.reachable().await, ground.stored());
    assert_eq!(before.of_kind("data").len(), 14);

    let report = expired(&ground.lake.table(), &any(), ground.when_old(60)).await.unwrap();
    assert_eq!((report.outcome, report.snapshots_expired, report.snapshots_kept), (ExpiryOutcome::Expired, 14, 1));
    assert_eq!((report.data_files, report.manifest_lists), (4, 14));
    let after = ground.reachable().await;
    let became_unreachable: BTreeSet<String> = before.all().difference(&after.all()).cloned().collect();
    let deleted: BTreeSet<String> = stored.difference(&ground.stored()).cloned().collect();
    assert_eq!(deleted, became_unreachable);
    assert_eq!(report.files_deleted, deleted.len() as u64);
    assert_eq!(ground.unreachable().await, BTreeSet::new());
    ground.holds(4..14).await;
    assert_eq!(inspect(&ground.lake.at()).unwrap()["snapshots"].as_array().unwrap().len(), 1);

    let again = expired(&ground.lake.table(), &any(), ground.when_old(60)).await.unwrap();
    assert_eq!((again.outcome, again.files_deleted), (ExpiryOutcome::NothingToDo, 0));
    ground.row(14).await;
    ground.holds(4..15).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_our_own_removal_took_out_go_with_the_snapshots_that_had_them() {
    let ground = Ground::new().await;
    ground.rows(0..6).await;
    let table = ground.lake.table();
    let base = table.refresh().await.unwrap();
    let first = table.live_files(&base).await.unwrap().iter().map(|file| file.path().to_owned()).min().unwrap();
    let request = RemoveRequest {
        base: &base,
        select: |_: &_, live: &[tributary_table::LiveFile]| {
            live.iter().filter(|file| file.path() == first).cloned().collect::<Vec<_>>()
        },
        now_ms: base.metadata().last_updated_ms(),
        deadline: far(),
    };
    let _removed = table.remove(request).await.unwrap();
    let report = expired(&table, &any(), ground.when_old(60)).await.unwrap();
    assert_eq!((report.snapshots_expired, report.data_files), (6, 1));
    assert!(!ground.stored().contains(&first));
    assert_eq!(ground.unreachable().await, BTreeSet::new());
    assert_eq!(ground.reachable().await.missing, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_and_options_say_how_many_stay_and_crumbs_are_left() {
    let ground = Ground::with(&[("history.expire.min-snapshots-to-keep", "3")]).await;
    let table = ground.lake.table();
    ground.rows(0..10).await;
    let snapshots = async || table.refresh().await.unwrap().metadata().snapshots().len();

    let crumbs = expired(&table, &ExpiryOptions::default(), ground.when_old(60)).await.unwrap();
    assert_eq!((crumbs.outcome, crumbs.snapshots_expired, snapshots().await), (ExpiryOutcome::TooFew, 0, 10));
    // Five days after the fourth: those before it are too old.
    let aged = expired(&table, &ExpiryOptions { dry_run: true, ..any() }, ground.when_old(4)).await.unwrap();
    assert_eq!((aged.outcome, aged.snapshots_expired, aged.manifest_lists), (ExpiryOutcome::DryRun, 4, 4));
    assert_eq!(snapshots().await, 10);
    let aged = expired(&table, &any(), ground.when_old(4)).await.unwrap();
    assert_eq!((aged.snapshots_expired, snapshots().await), (4, 6));
    assert_eq!(expired(&table, &any(), ground.when_old(60)).await.unwrap().snapshots_kept, 3);
    let last = ExpiryOptions { retain_last: NonZeroU32::new(2), ..any() };
    assert_eq!(expired(&table, &last, ground.when_old(60)).await.unwrap().snapshots_kept, 2);
    ground.holds(0..10).await;
    assert_eq!(ground.unreachable().await, BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_younger_than_an_hour_goes_unless_the_option_says_so() {
    let ground = Ground::with(&[("history.expire.max-snapshot-age-ms", "1")]).await;
    ground.rows(0..5).await;
    let (table, now_ms) = (ground.lake.table(), ground.when_old(60) - 5 * DAY_MS);
    assert_eq!(expired(&table, &any(), now_ms).await.unwrap().outcome, ExpiryOutcome::NothingToDo);
    let asked = ExpiryOptions { older_than_ms: Some(now_ms), ..any() };
    assert_eq!(expired(&table, &asked, now_ms).await.unwrap().snapshots_expired, 4);
    ground.holds(0..5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_and_tags_made_by_another_engine_keep_what_they_name() {
    let ground = Ground::new().await;
    let snapshots = ground.rows(0..8).await;
    let refs = json!({
        "tags": [["release", snapshots[2], null], ["stale", snapshots[3], 1000]],
        "branches": [["audit", snapshots[4], null], ["gone", snapshots[1], 1000]],
    });
    evolve_with_pyiceberg(&ground.lake, &refs);
    evolve_with_pyiceberg(&ground.lake, &json!({"append_to": ["audit", [{"id": 77}]]}));
    evolve_with_pyiceberg(&ground.lake, &json!({"delete": "id < 3"}));
    let (before, stored) = (ground.reachable().await, ground.stored());

    let report = expired(&ground.lake.table(), &any(), ground.when_old(60)).await.unwrap();
    assert_eq!(report.refs_removed, 2, "{report:?}");
    let seen = inspect(&ground.lake.at()).unwrap();
    let refs: BTreeSet<&str> =
        seen["refs"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(refs, BTreeSet::from(["audit", "main", "release"]));
    // The tag's, the branch's newest, and the head.
    assert_eq!(seen["snapshots"].as_array().unwrap().len(), 3);
    let after = ground.reachable().await;
    assert_eq!(after.missing, Vec::<String>::new());
    let deleted: BTreeSet<String> = stored.difference(&ground.stored()).cloned().collect();
    assert_eq!(deleted, before.all().difference(&after.all()).cloned().collect());
    assert_eq!(report.data_files, 0, "the tag still holds the files that the head gave up");
    ground.holds(3..8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_go_with_their_snapshot_and_stay_with_it() {
    let ground = Ground::new().await;
    let snapshots = ground.rows(0..3).await;
    let table = ground.lake.table();
    let state = table.refresh().await.unwrap();
    let path = |name: &str| format!("{}/metadata/{name}", state.metadata().location());
    for name in ["old.puffin", "old.parquet", "new.puffin", "shared.puffin"] {
        std::fs::write(path(name).trim_start_matches("file://"), name).unwrap();
    }
    let statistics = |snapshot_id: i64, name: &str| StatisticsFile {
        snapshot_id,
        statistics_path: path(name),
        file_size_in_bytes: 10,
        file_footer_size_in_bytes: 1,
        key_metadata: None,
        blob_metadata: Vec::new(),
    };
    let update = table.update(far(), |_, builder| {
        let partitions = |snapshot_id, name| PartitionStatisticsFile {
            snapshot_id,
            statistics_path: path(name),
            file_size_in_bytes: 10,
        };
        Ok(builder
            .set_statistics(statistics(snapshots[0], "old.puffin"))
            .set_statistics(statistics(snapshots[1], "shared.puffin"))
            .set_statistics(statistics(snapshots[2], "new.puffin"))
            .set_partition_statistics(partitions(snapshots[0], "old.parquet"))
            .set_partition_statistics(partitions(snapshots[2], "shared.puffin")))
    });
    update.await.unwrap();
    let report = expired(&table, &any(), ground.when_old(60)).await.unwrap();
    assert_eq!((report.snapshots_expired, report.statistics_files), (2, 2));
    let stored = ground.stored();
    assert!(!stored.contains(&path("old.puffin")) && !stored.contains(&path("old.parquet")));
    assert!(stored.contains(&path("new.puffin")) && stored.contains(&path("shared.puffin")));
    assert_eq!(ground.reachable().await.of_kind("statistics").len(), 2);
    assert_eq!(ground.unreachable().await, BTreeSet::new());
    ground.holds(0..3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_added_from_elsewhere_are_reported_and_stay() {
    let ground = Ground::new().await;
    ground.rows(0..2).await;
    let state = ground.lake.table().refresh().await.unwrap();
    let own = ground.lake.table().live_files(&state).await.unwrap()[0].path().to_owned();
    let elsewhere = ground.lake.folder().join("elsewhere.parquet");
    std::fs::copy(own.trim_start_matches("file://"), &elsewhere).unwrap();
    evolve_with_pyiceberg(&ground.lake, &json!({"add_files": [format!("file://{}", elsewhere.display())]}));
    evolve_with_pyiceberg(&ground.lake, &json!({"delete": "id >= 0"}));
    append_with_pyiceberg(&ground.lake, &[json!({"id": 9})]);
    let report = expired(&ground.lake.table(), &any(), ground.when_old(60)).await.unwrap();
    assert_eq!((report.data_files, report.files_outside), (3, 1), "{report:?}");
    assert!(elsewhere.exists());
    ground.holds([9]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_metadata_files_go_where_the_table_asks_for_it() {
    let properties =
        [("write.metadata.delete-after-commit.enabled", "true"), ("write.metadata.previous-versions-max", "4")];
    let ground = Ground::with(&properties).await;
    ground.rows(0..8).await;
    let report = expired(&ground.lake.table(), &any(), ground.when_old(60)).await.unwrap();
    assert_eq!((report.snapshots_expired, report.metadata_files), (7, 1));
    let metadata = ground.stored().into_iter().filter(|path| path.ends_with(".metadata.json")).count();
    assert_eq!(metadata, 5);
    assert_eq!(ground.unreachable().await, BTreeSet::new());
    ground.holds(0..8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unused_schemas_go_and_those_of_a_kept_snapshot_stay() {
    let ground = Ground::new().await;
    let first = ground.row(0).await;
    for column in ["one", "two", "three"] {
        evolve_with_pyiceberg(&ground.lake, &json!({"add": [[column, "string"]]}));
    }
    ground.rows(1..3).await;
    evolve_with_pyiceberg(&ground.lake, &json!({"tags": [["first", first, null]]}));
    let table = ground.lake.table();
    let cleaning = ExpiryOptions { clean_expired_metadata: true, ..any() };
    let report = expired(&table, &cleaning, ground.when_old(60)).await.unwrap();
    assert_eq!((report.snapshots_expired, report.schemas_removed, report.specs_removed), (1, 2, 0), "{report:?}");
    let state = table.refresh().await.unwrap();
    assert_eq!(state.metadata().schemas_iter().len(), 2);
    ground.row(3).await;
    ground.holds(0..4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_upgraded_from_version_1_is_expired_too() {
    let ground = Ground::empty();
    evolve_with_pyiceberg(&ground.lake, &json!({"create": [["id", "long"]], "version": 1}));
    append_with_pyiceberg(&ground.lake, &[json!({"id": 1})]);
    append_with_pyiceberg(&ground.lake, &[json!({"id": 2})]);
    evolve_with_pyiceberg(&ground.lake, &json!({"upgrade": 2}));
    append_with_pyiceberg(&ground.lake, &[json!({"id": 3})]);
    let report = expired(&ground.lake.table(), &any(), ground.when_old(60)).await.unwrap();
    assert_eq!(report.snapshots_expired, 2, "{report:?}");
    assert_eq!(ground.unreachable().await, BTreeSet::new());
    ground.holds([1, 2, 3]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_shares_its_files_or_has_a_wrong_property_is_refused_untouched() {
    for (property, value, found) in [
        ("gc.enabled", "false", "`gc.enabled` = `false`"),
        ("history.expire.max-snapshot-age-ms", "5d", "found `5d`"),
        ("history.expire.min-snapshots-to-keep", "0", "found `0`"),
        ("history.expire.max-ref-age-ms", "-1", "found `-1`"),
    ] {
        let ground = Ground::with(&[(property, value)]).await;
        ground.rows(0..3).await;
        let stored = ground.stored();
        let error = expired(&ground.lake.table(), &any(), ground.when_old(60)).await.unwrap_err();
        assert_eq!(error.kind(), RemovalErrorKind::Halt);
        assert!(error.to_string().contains(found) && error.to_string().contains("table `test.events`"), "{error}");
        assert_eq!(ground.stored(), stored);
    }
}
