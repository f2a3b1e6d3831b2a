//! The catalog fails, others commit, time runs out: nothing needed goes, and what stays behind is found.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;
use tributary_maintenance::expiry::{ExpiryOutcome, expire};
use tributary_maintenance::file_removal::{RemovalError, RemovalErrorKind, Work};
use tributary_testkit::SwapFault;
use tributary_tests::{Batch, deliver, far};

use crate::ground::{DAY_MS, Ground, any, expired, for_real, orphans, work};

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_or_a_conflict_expires_once_and_leaves_nothing() {
    for faults in [
        vec![SwapFault::LostReply],
        vec![SwapFault::FalseConflict],
        vec![SwapFault::LostRequest, SwapFault::Conflict, SwapFault::LostReply],
        vec![SwapFault::Conflict, SwapFault::Conflict],
    ] {
        let ground = Ground::new().await;
        ground.rows(0..4).await;
        let (catalog, table) = ground.faulty();
        catalog.inject(faults.clone());
        let report = expired(&table, &any(), ground.when_old(60)).await.unwrap();
        assert_eq!((report.snapshots_expired, report.files_deleted), (3, 3), "{faults:?}");
        assert_eq!(catalog.faults_left(), 0, "{faults:?}");
        let left = ground.unreachable().await;
        // An attempt whose outcome is unknown may still land: its metadata file is not touched.
        let unknown = faults.contains(&SwapFault::LostRequest);
        assert!(left.iter().all(|path| unknown && path.ends_with(".metadata.json")), "{faults:?}: {left:?}");
        ground.holds(0..4).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_deleted_when_the_commit_is_refused_or_its_outcome_unknown() {
    let ground = Ground::new().await;
    ground.rows(0..4).await;
    let stored = ground.stored();
    let (catalog, table) = ground.faulty();
    catalog.inject([SwapFault::Refuse]);
    let refused = expired(&table, &any(), ground.when_old(60)).await.unwrap_err();
    assert_eq!(refused.kind(), RemovalErrorKind::Halt);
    assert_eq!(ground.stored(), stored);

    // The commit lands, the reply is lost, and the table can't be read until the deadline.
    catalog.inject([SwapFault::LostReply]);
    let now_ms = ground.when_old(60);
    let short = Work { deadline: Instant::now() + Duration::from_secs(2), ..work(&table, now_ms) };
    let reading_fails = async {
        while catalog.faults_left() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        catalog.fail_reads(1000);
    };
    let options = any();
    let (done, ()) = tokio::join!(expire(&options, short), reading_fails);
    assert_eq!(done.unwrap_err().kind(), RemovalErrorKind::Retry);
    catalog.fail_reads(0);
    assert!(ground.stored().is_superset(&stored), "a file went although the outcome was unknown");
    ground.holds(0..4).await;

    // It had landed: the next run finds nothing to expire, and orphan removal finds the files.
    assert_eq!(expired(&table, &any(), now_ms).await.unwrap().outcome, ExpiryOutcome::NothingToDo);
    let left = ground.unreachable().await;
    assert_eq!(left.len(), 3);
    let report = orphans(&table, &for_real(), now_ms).await.unwrap();
    assert_eq!(report.files_deleted, 3, "{report:?}");
    assert_eq!(ground.unreachable().await, BTreeSet::new());
    ground.holds(0..4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_committed_between_reading_and_swapping_stay() {
    let ground = Ground::new().await;
    ground.rows(0..4).await;
    let (catalog, table) = ground.faulty();
    let other = ground.lake.context();
    catalog.before_next_swap(async move {
        deliver(&Batch::new().rows(0, 4..6).event(), &other).await.unwrap();
        deliver(&Batch::new().rows(0, 6..7).event(), &other).await.unwrap();
    });
    let report = expired(&table, &any(), ground.when_old(60)).await.unwrap();
    assert!(catalog.deed_is_done());
    // What had been the head was not planned to go, and does not, though it could now.
    assert_eq!((report.snapshots_expired, report.snapshots_kept), (3, 3));
    assert_eq!(ground.unreachable().await, BTreeSet::new());
    ground.holds(0..7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_made_between_reading_and_swapping_keeps_its_files() {
    let ground = Ground::new().await;
    let snapshots = ground.rows(0..4).await;
    tributary_tests::evolve_with_pyiceberg(&ground.lake, &serde_json::json!({"delete": "id < 2"}));
    let (catalog, table) = ground.faulty();
    let (other, tagged) = (ground.lake.table(), snapshots[1]);
    catalog.before_next_swap(async move {
        let retention = iceberg::spec::SnapshotRetention::Tag { max_ref_age_ms: None };
        let tag = iceberg::spec::SnapshotReference::new(tagged, retention);
        other.update(far(), |_, builder| Ok(builder.set_ref("late", tag.clone()).unwrap())).await.unwrap();
    });
    let report = expired(&table, &any(), ground.when_old(60)).await.unwrap();
    assert_eq!((report.snapshots_expired, report.data_files), (3, 0), "{report:?}");
    assert_eq!(ground.unreachable().await, BTreeSet::new());
    ground.holds(2..4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_expiries_at_once_take_each_file_once() {
    let ground = Ground::new().await;
    ground.rows(0..10).await;
    let (catalog, table) = ground.faulty();
    let (other, now_ms) = (ground.lake.table(), ground.when_old(60));
    catalog.before_next_swap(async move {
        assert_eq!(expired(&other, &any(), now_ms).await.unwrap().snapshots_expired, 9);
    });
    let second = expired(&table, &any(), now_ms).await.unwrap();
    assert_eq!((second.outcome, second.files_deleted), (ExpiryOutcome::NothingToDo, 0));
    ground.rows(10..14).await;
    let (one, two) = (ground.lake.table(), ground.lake.table());
    let (options, now_ms) = (any(), ground.when_old(60));
    let (one, two) = tokio::join!(expired(&one, &options, now_ms), expired(&two, &options, now_ms));
    assert_eq!(one.unwrap().snapshots_expired + two.unwrap().snapshots_expired, 4);
    assert_eq!(ground.unreachable().await, BTreeSet::new());
    ground.holds(0..14).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn time_that_runs_out_before_the_commit_changes_nothing() {
    let ground = Ground::new().await;
    ground.rows(0..4).await;
    let (table, stored) = (ground.lake.table(), ground.stored());
    let late = Work { stop_at: Instant::now(), ..work(&table, ground.when_old(60)) };
    let error = expire(&any(), late).await.unwrap_err();
    assert!(matches!(error, RemovalError::OutOfTime { .. }), "{error}");
    assert!(error.to_string().contains("nothing was changed"), "{error}");
    assert_eq!(ground.stored(), stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_time_running_out_after_the_commit_leaves_is_exactly_what_orphan_removal_finds() {
    let ground = Ground::new().await;
    ground.rows(0..6).await;
    tributary_tests::evolve_with_pyiceberg(&ground.lake, &serde_json::json!({"delete": "id < 2"}));
    let (catalog, table) = ground.faulty();
    let (now_ms, stop_at) = (ground.when_old(60), Instant::now() + Duration::from_secs(6));
    catalog.before_next_swap(tokio::time::sleep_until(stop_at));
    let report = expire(&any(), Work { stop_at, ..work(&table, now_ms) }).await.unwrap();
    assert_eq!((report.outcome, report.snapshots_expired, report.files_deleted), (ExpiryOutcome::Expired, 6, 0));
    let left = ground.unreachable().await;
    assert_eq!((report.files_remaining, report.data_files), (left.len() as u64, 2));

    let found = orphans(&table, &tributary_maintenance::orphans::OrphansOptions::default(), now_ms).await.unwrap();
    assert_eq!((found.orphans_found, found.files_deleted), (left.len() as u64, 0), "a dry run by default");
    assert_eq!(ground.unreachable().await, left);
    let gone = orphans(&table, &for_real(), now_ms + DAY_MS).await.unwrap();
    assert_eq!(gone.files_deleted, left.len() as u64);
    assert_eq!(ground.unreachable().await, BTreeSet::new());
    ground.holds(2..6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_storage_refuses_to_delete_is_counted_and_the_others_go() {
    let ground = Ground::new().await;
    ground.rows(0..4).await;
    let table = ground.lake.table();
    let state = table.refresh().await.unwrap();
    let snapshots = state.metadata().snapshots();
    let list = snapshots.min_by_key(|snapshot| snapshot.sequence_number()).unwrap().manifest_list().to_owned();
    // A folder of the file's name can't be deleted as a file; the plan never reads it, since it is planned as gone.
    let path = list.trim_start_matches("file://");
    let (catalog, table) = ground.faulty();
    let swapped = path.to_owned();
    catalog.before_next_swap(async move {
        std::fs::remove_file(&swapped).unwrap();
        std::fs::create_dir(&swapped).unwrap();
    });
    let report = expired(&table, &any(), ground.when_old(60)).await.unwrap();
    assert_eq!((report.files_deleted, report.files_refused), (2, 1));
    std::fs::remove_dir(path).unwrap();
    ground.holds(0..4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expiry_that_another_writer_undid_is_done_again_where_files_are_gone() {
    let ground = Ground::new().await;
    ground.rows(0..4).await;
    tributary_tests::evolve_with_pyiceberg(&ground.lake, &serde_json::json!({"delete": "id < 2"}));
    let table = ground.lake.table();
    let base = table.refresh().await.unwrap();
    expired(&table, &any(), ground.when_old(60)).await.unwrap();
    // Another engine puts the metadata it had read before over ours.
    let catalog = ground.lake.catalog();
    let now = catalog.pointer(table.ident()).await.unwrap();
    let back = catalog.swap(table.ident(), &now, base.metadata_location(), base.metadata()).await.unwrap();
    assert_eq!(back, tributary_table::Swap::Swapped);
    let oldest = base.metadata().snapshots().min_by_key(|snapshot| snapshot.sequence_number()).unwrap();
    assert!(!ground.stored().contains(oldest.manifest_list()));
    let report = expired(&ground.lake.table(), &any(), ground.when_old(60)).await.unwrap();
    assert_eq!(report.snapshots_expired, 4);
    ground.holds(2..4).await;
}
