//! Ingest goes on exactly once, whatever has expired under its checkpoint.

use iceberg::spec::{MAIN_BRANCH, SnapshotReference, SnapshotRetention};
use serde_json::json;
use tributary_maintenance::expiry::ExpiryOutcome;
use tributary_maintenance::file_removal::RemovalErrorKind;
use tributary_tests::{Batch, append_with_pyiceberg, deliver, evolve_with_pyiceberg, far};

use crate::ground::{Ground, any, expired};

async fn roll_back(ground: &Ground, snapshot_id: i64) {
    let branch = SnapshotReference::new(snapshot_id, SnapshotRetention::branch(None, None, None));
    let table = ground.lake.table();
    table.update(far(), |_, builder| Ok(builder.set_ref(MAIN_BRANCH, branch.clone()).unwrap())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ingest_goes_on_once_after_its_checkpoints_snapshot_expired() {
    let ground = Ground::new().await;
    ground.rows(0..5).await;
    append_with_pyiceberg(&ground.lake, &[json!({"id": 98})]);
    append_with_pyiceberg(&ground.lake, &[json!({"id": 99})]);
    let report = expired(&ground.lake.table(), &any(), ground.when_old(60)).await.unwrap();
    assert_eq!((report.snapshots_expired, report.snapshots_kept), (6, 1));
    // Warm and cold.
    for context in [&ground.context, &ground.lake.context()] {
        let report = deliver(&Batch::new().rows(0, 0..5).event(), context).await.unwrap();
        assert_eq!((report.rows_redelivered, report.rows_committed), (5, 0));
    }
    let report = deliver(&Batch::new().rows(0, 3..7).event(), &ground.lake.context()).await.unwrap();
    assert_eq!((report.rows_redelivered, report.rows_committed), (2, 2));
    ground.holds([0, 1, 2, 3, 4, 5, 6, 98, 99]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_whose_snapshot_a_tag_keeps_is_not_taken_for_a_rolled_back_one() {
    let ground = Ground::new().await;
    let first = ground.row(0).await;
    for id in 95..99 {
        append_with_pyiceberg(&ground.lake, &[json!({"id": id})]);
    }
    evolve_with_pyiceberg(&ground.lake, &json!({"tags": [["release", first, null]]}));
    append_with_pyiceberg(&ground.lake, &[json!({"id": 99})]);
    let report = expired(&ground.lake.table(), &any(), ground.when_old(60)).await.unwrap();
    assert_eq!((report.outcome, report.snapshots_kept_for_checkpoint), (ExpiryOutcome::NothingToDo, 4));
    let report = deliver(&Batch::new().rows(0, 0..2).event(), &ground.lake.context()).await.unwrap();
    assert_eq!((report.rows_redelivered, report.rows_committed), (1, 1));
    // The checkpoint has moved on: now they go.
    let report = expired(&ground.lake.table(), &any(), ground.when_old(60)).await.unwrap();
    assert_eq!(report.snapshots_expired, 5);
    ground.holds([0, 1, 95, 96, 97, 98, 99]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_cut_by_another_engine_halts_and_repeats_nothing() {
    let ground = Ground::new().await;
    let first = ground.row(0).await;
    append_with_pyiceberg(&ground.lake, &[json!({"id": 98})]);
    append_with_pyiceberg(&ground.lake, &[json!({"id": 99})]);
    evolve_with_pyiceberg(&ground.lake, &json!({"tags": [["release", first, null]]}));
    let table = ground.lake.table();
    let state = table.refresh().await.unwrap();
    let head = state.metadata().current_snapshot_id().unwrap();
    let between = state.metadata().snapshots().map(|snapshot| snapshot.snapshot_id());
    let between: Vec<i64> = between.filter(|id| *id != head && *id != first).collect();
    table.update(far(), |_, builder| Ok(builder.remove_snapshots(&between))).await.unwrap();
    let error = deliver(&Batch::new().rows(0, 0..2).event(), &ground.lake.context()).await.unwrap_err();
    assert_eq!(error.kind(), "Halt");
    assert!(error.to_string().contains("tributary table set-checkpoint"), "{error}");
    ground.holds([0, 98, 99]).await;
    // Neither is more of its evidence taken away.
    let error = expired(&table, &any(), ground.when_old(60)).await.unwrap_err();
    assert_eq!(error.kind(), RemovalErrorKind::Halt);
    assert!(error.to_string().contains("tributary table set-checkpoint"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolled_back_table_keeps_what_undoes_its_checkpoint_until_ingest_has_moved_on() {
    let ground = Ground::new().await;
    let snapshots = ground.rows(0..6).await;
    roll_back(&ground, snapshots[2]).await;
    append_with_pyiceberg(&ground.lake, &[json!({"id": 99})]);
    let report = expired(&ground.lake.table(), &any(), ground.when_old(60)).await.unwrap();
    // 0 and 1 go; 2 (the fork), 3, 4, 5 (undone) and the head stay.
    assert_eq!((report.snapshots_expired, report.snapshots_kept), (2, 5));
    let report = deliver(&Batch::new().rows(0, 0..6).event(), &ground.lake.context()).await.unwrap();
    assert_eq!((report.rows_redelivered, report.rows_committed), (3, 3));
    ground.holds([0, 1, 2, 3, 4, 5, 99]).await;
    let report = expired(&ground.lake.table(), &any(), ground.when_old(60)).await.unwrap();
    assert_eq!((report.snapshots_expired, report.snapshots_kept, report.data_files), (5, 1, 3));
    ground.holds([0, 1, 2, 3, 4, 5, 99]).await;
    assert_eq!(ground.unreachable().await.len(), 0);
    let report = deliver(&Batch::new().rows(0, 4..8).event(), &ground.lake.context()).await.unwrap();
    assert_eq!((report.rows_redelivered, report.rows_committed), (2, 2));
}
