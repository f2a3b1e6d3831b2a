//! What other writers do between the plan and the commit, and what the catalog does to the commit.

use std::sync::Arc;

use arrow_array::Int64Array;
use iceberg::spec::{MAIN_BRANCH, SnapshotReference, SnapshotRetention};
use serde_json::json;
use tributary_maintenance::compaction::LeftAs;
use tributary_testkit::{FaultyCatalog, SwapFault, read_with_duckdb};
use tributary_tests::{append_with_pyiceberg, compact_with, evolve_with_pyiceberg, far, ids};

use crate::foreign::{Target, commit, equality_deletes, position_deletes};
use crate::ground::{Ground, pairs};

fn faulty(ground: &Ground) -> Arc<FaultyCatalog> {
    Arc::new(FaultyCatalog::new(ground.lake.catalog()))
}

/// Compacts while another writer is quicker.
async fn overtaken(
    ground: &Ground,
    deed: impl Future<Output = ()> + Send + 'static,
) -> tributary_maintenance::compaction::CompactionReport {
    let catalog = faulty(ground);
    catalog.before_next_swap(deed);
    let report = compact_with(&ground.lake.table_in(catalog.clone()), pairs()).await.unwrap();
    assert!(catalog.deed_is_done());
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_meanwhile_do_not_matter() {
    let ground = Arc::new(Ground::fed(4, 3).await);
    let meddled = Arc::clone(&ground);
    let report = overtaken(&ground, async move {
        append_with_pyiceberg(&meddled.lake, &[json!({"id": 99})]);
        let context = meddled.lake.context();
        let batch = tributary_tests::Batch::new().rows(0, 12..15).event();
        tributary_tests::deliver(&batch, &context).await.unwrap();
    })
    .await;
    assert_eq!((report.groups_committed, report.files_rewritten, report.rows_rewritten), (1, 4, 12));
    assert_eq!(ids(&ground.rows().rows), (0..15).chain([99]).collect::<Vec<_>>());
    assert_eq!(ground.orphans().await, Vec::<String>::new());
    let again = tributary_tests::deliver(&tributary_tests::Batch::new().rows(0, 0..15).event(), &ground.context).await;
    assert_eq!(again.unwrap().rows_redelivered, 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_compactions_of_the_same_files_one_is_invalidated() {
    let ground = Arc::new(Ground::fed(4, 3).await);
    let meddled = Arc::clone(&ground);
    let report = overtaken(&ground, async move {
        let other = meddled.compact(pairs()).await;
        assert_eq!(other.groups_committed, 1);
    })
    .await;
    assert_eq!((report.groups_committed, report.groups_failed, report.snapshot_id), (0, 1, None));
    assert_eq!((report.reasons[0].left, report.reasons[0].count), (LeftAs::FailedGroups, 1));
    assert!(report.reasons[0].reason.contains("another writer removed it"), "{:?}", report.reasons);
    assert_eq!(ids(&ground.rows().rows), (0..12).collect::<Vec<_>>());
    assert_eq!(ground.orphans().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_deleted_by_position_meanwhile_does_not_come_back() {
    let ground = Arc::new(Ground::fed(4, 3).await);
    let meddled = Arc::clone(&ground);
    let report = overtaken(&ground, async move {
        let file = meddled.live().await.swap_remove(1);
        let delete = position_deletes(&meddled, &Target::unpartitioned(), &[(file.path(), 2)]).await;
        commit(&meddled.table(), vec![delete]).await;
    })
    .await;
    assert_eq!((report.groups_committed, report.groups_failed), (0, 1));
    assert!(report.reasons[0].reason.contains("expected no new deletes"), "{:?}", report.reasons);
    assert_eq!(ground.orphans().await, Vec::<String>::new());
    let report = ground.compact_keeps(pairs(), &["id < 6"]).await;
    assert_eq!((report.groups_committed, report.rows_deleted), (1, 1));
    assert_eq!(ids(&ground.rows().rows).len(), 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_equality_delete_meanwhile_applies_to_the_new_file() {
    let ground = Arc::new(Ground::fed(4, 3).await);
    let meddled = Arc::clone(&ground);
    let report = overtaken(&ground, async move {
        let keys = Arc::new(Int64Array::from(vec![2, 7]));
        let delete = equality_deletes(&meddled, &Target::unpartitioned(), &[(1, "id", keys)]).await;
        commit(&meddled.table(), vec![delete]).await;
    })
    .await;
    assert_eq!((report.groups_committed, report.rows_deleted, report.delete_files_removed), (1, 0, 0));
    assert_eq!(ids(&read_with_duckdb(&ground.lake.at()).unwrap().rows), [0, 1, 3, 4, 5, 6, 8, 9, 10, 11]);
    let report = ground.compact(json!({"rewrite-all": true})).await;
    assert_eq!((report.rows_deleted, report.delete_files_removed), (2, 1));
    assert_eq!(ids(&ground.rows().rows), [0, 1, 3, 4, 5, 6, 8, 9, 10, 11]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_meanwhile_is_not_undone() {
    let ground = Arc::new(Ground::fed(4, 3).await);
    let state = ground.table().refresh().await.unwrap();
    let first = state.metadata().snapshots().find(|snapshot| snapshot.sequence_number() == 2).unwrap().snapshot_id();
    let meddled = Arc::clone(&ground);
    let report = overtaken(&ground, async move {
        let back = SnapshotReference::new(first, SnapshotRetention::branch(None, None, None));
        let set = |_: &_, builder: iceberg::spec::TableMetadataBuilder| {
            Ok(builder.set_ref(MAIN_BRANCH, back.clone()).unwrap())
        };
        meddled.table().update(far(), set).await.unwrap();
    })
    .await;
    assert_eq!((report.groups_committed, report.groups_failed), (0, 1));
    assert!(report.reasons[0].reason.contains("rolled back"), "{:?}", report.reasons);
    assert_eq!(ids(&ground.rows().rows), (0..6).collect::<Vec<_>>());
    assert_eq!(ground.orphans().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_added_meanwhile_is_null_in_the_new_file() {
    let ground = Arc::new(Ground::fed(4, 3).await);
    let meddled = Arc::clone(&ground);
    let report = overtaken(&ground, async move {
        evolve_with_pyiceberg(&meddled.lake, &json!({"add": [["extra", "double"]], "drop": ["kind"]}));
    })
    .await;
    // The files were written by a schema that the table still knows.
    assert_eq!(report.groups_committed, 1);
    let rows = ground.rows();
    assert_eq!(ids(&rows.rows), (0..12).collect::<Vec<_>>());
    assert!(rows.rows.iter().all(|row| row["extra"].is_null() && row.get("kind").is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_groups_the_one_that_was_overtaken_fails_alone() {
    let ground = Arc::new(Ground::fed(10, 3).await);
    let meddled = Arc::clone(&ground);
    let catalog = faulty(&ground);
    catalog.before_next_swap(async move {
        let mut files = meddled.live().await;
        files.sort_by_key(tributary_table::LiveFile::sequence_number);
        let mut delete = position_deletes(&meddled, &Target::unpartitioned(), &[(files[9].path(), 0)]).await;
        // So that the other group is not concerned.
        delete.name_alone(files[9].path());
        commit(&meddled.table(), vec![delete]).await;
    });
    let options = json!({"max-file-group-input-files": 5, "max-concurrent-file-group-rewrites": 1});
    let report = compact_with(&ground.lake.table_in(catalog), options).await.unwrap();
    assert_eq!((report.groups_committed, report.groups_failed, report.commits), (1, 1, 1));
    assert_eq!(ids(&ground.rows().rows), (0..27).chain([28, 29]).collect::<Vec<_>>());
    assert_eq!(ground.orphans().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_becomes_of_the_swap_the_rows_are_there_once_and_no_file_is_left() {
    let rows: Vec<i64> = (0..12).collect();
    for faults in [
        vec![SwapFault::LostReply],
        vec![SwapFault::FalseConflict],
        vec![SwapFault::Conflict],
        vec![SwapFault::Conflict, SwapFault::Conflict, SwapFault::LostReply],
    ] {
        let ground = Ground::fed(4, 3).await;
        let catalog = faulty(&ground);
        catalog.inject(faults.clone());
        let report = compact_with(&ground.lake.table_in(catalog.clone()), pairs()).await.unwrap();
        assert_eq!((report.groups_committed, report.commits), (1, 1), "{faults:?}");
        assert_eq!(catalog.faults_left(), 0);
        assert_eq!(ids(&ground.rows().rows), rows, "{faults:?}");
        assert_eq!(ground.live().await.len(), 1, "{faults:?}");
        assert_eq!(ground.orphans().await, Vec::<String>::new(), "{faults:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_request_is_tried_again_and_its_files_are_kept_as_long_as_it_may_land() {
    let ground = Ground::fed(4, 3).await;
    let catalog = faulty(&ground);
    catalog.inject([SwapFault::LostRequest]);
    let report = compact_with(&ground.lake.table_in(catalog), pairs()).await.unwrap();
    assert_eq!((report.groups_committed, report.commits), (1, 1));
    assert_eq!(ids(&ground.rows().rows), (0..12).collect::<Vec<_>>());
    // The lost attempt's own list, manifest and metadata: orphans, since the request might have come late.
    assert!(ground.orphans().await.iter().all(|file| file.contains("/metadata/")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_that_refuses_ends_the_job_and_leaves_no_file() {
    let ground = Ground::fed(10, 3).await;
    let catalog = faulty(&ground);
    catalog.inject([SwapFault::Refuse]);
    let options = json!({"max-file-group-input-files": 5});
    let error = compact_with(&ground.lake.table_in(catalog.clone()), options.clone()).await.unwrap_err().to_string();
    assert!(error.contains("an injected fault"), "{error}");
    assert_eq!(ground.orphans().await, Vec::<String>::new());
    // What was committed before stays, and is whole.
    catalog.inject([SwapFault::None, SwapFault::Refuse]);
    compact_with(&ground.lake.table_in(catalog), options).await.unwrap_err();
    assert_eq!(ground.live().await.len(), 6);
    assert_eq!(ids(&ground.rows().rows), (0..30).collect::<Vec<_>>());
    assert_eq!(ground.orphans().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_never_wins_gives_up_and_leaves_no_file() {
    let ground = Ground::fed(4, 3).await;
    let properties = [("commit.retry.num-retries".to_owned(), "2".to_owned())];
    ground
        .table()
        .update(far(), |_, builder| Ok(builder.set_properties(properties.clone().into()).unwrap()))
        .await
        .unwrap();
    let catalog = faulty(&ground);
    catalog.inject([SwapFault::Conflict; 3]);
    let error = compact_with(&ground.lake.table_in(catalog), pairs()).await.unwrap_err();
    assert!(error.to_string().contains("expected to win within 3 attempts"), "{error}");
    assert_eq!(ground.live().await.len(), 4);
    assert_eq!(ground.orphans().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_cut_off_before_its_commit_leaves_the_table_as_it_was() {
    let ground = Ground::fed(4, 3).await;
    let before = ground.table().refresh().await.unwrap().metadata_location().to_owned();
    let catalog = faulty(&ground);
    catalog.before_next_swap(std::future::pending());
    let table = ground.lake.table_in(catalog);
    let cut_off = tokio::time::timeout(std::time::Duration::from_secs(3), compact_with(&table, pairs())).await;
    assert!(cut_off.is_err());
    assert_eq!(ground.table().refresh().await.unwrap().metadata_location(), before);
    assert_eq!(ids(&ground.rows().rows), (0..12).collect::<Vec<_>>());
    let left: Vec<String> = ground.orphans().await;
    assert!(left.iter().any(|file| file.ends_with(".parquet")), "{left:?}");
    // The next invocation does the work.
    assert_eq!(ground.compact(pairs()).await.groups_committed, 1);
    assert_eq!(ids(&ground.rows().rows), (0..12).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn ingest_and_two_compactions_at_once_lose_and_repeat_nothing() {
    const BATCHES: i64 = 15;
    let ground = Ground::fed(1, 1).await;
    let feed = async {
        for batch in 0..BATCHES {
            let rows = tributary_tests::Batch::new().rows(1, 4 * batch..4 * batch + 4).event();
            tributary_tests::deliver(&rows, &ground.context).await.unwrap();
        }
    };
    let compact_often = async || {
        let table = ground.table();
        let mut committed = 0;
        for _ in 0..BATCHES {
            committed += compact_with(&table, pairs()).await.unwrap().groups_committed;
        }
        committed
    };
    let ((), one, other) = tokio::join!(feed, compact_often(), compact_often());
    assert!(one + other > 0);
    let expected: Vec<i64> =
        [0].into_iter().chain((0..4 * BATCHES).map(|offset| tributary_tests::id(1, offset))).collect();
    assert_eq!(ids(&ground.rows().rows), expected);
    assert_eq!(ground.orphans().await, Vec::<String>::new());
}
