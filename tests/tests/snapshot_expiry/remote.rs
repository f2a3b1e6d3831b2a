//! The same over the network: Glue and S3.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt};
use tributary_maintenance::orphans::OrphansOptions;
use tributary_testkit::aws::{Fault, FaultMode};
use tributary_testkit::read_both;
use tributary_tests::{Batch, GlueLake, Reachability, TABLE, definition, deliver, events_schema, ids};

use crate::ground::{DAY_MS, any, expired, for_real, orphans};

/// More than S3 gives in a page, or takes in a request.
const FILES: usize = 1100;

async fn lake(batches: i64) -> GlueLake {
    let lake = GlueLake::new().await;
    lake.create(TABLE, definition(events_schema())).await;
    let context = lake.context(TABLE);
    for offset in 0..batches {
        deliver(&Batch::new().rows(0, [offset]).event(), &context).await.unwrap();
    }
    lake
}

fn later() -> i64 {
    tributary_runtime::now_ms() + 9 * DAY_MS
}

async fn reachable(lake: &GlueLake) -> Reachability {
    let state = lake.table(TABLE).refresh().await.unwrap();
    Reachability::of(state.metadata_location(), Some(lake.server().endpoint()))
}

fn stored(lake: &GlueLake) -> BTreeSet<String> {
    let objects = lake.server().objects("lake", "test/events/").unwrap();
    objects.into_iter().map(|object| format!("s3://lake/{}", object.key)).collect()
}

/// Puts empty objects into the table's folder.
async fn plant(lake: &GlueLake, names: impl IntoIterator<Item = String>) {
    let state = lake.table(TABLE).refresh().await.unwrap();
    let puts = names.into_iter().map(|name| {
        let output = state.file_io().new_output(format!("{}/{name}", state.metadata().location())).unwrap();
        async move { output.write(Vec::new().into()).await }
    });
    futures::stream::iter(puts).buffer_unordered(16).try_collect::<Vec<_>>().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expiry_on_s3_leaves_what_is_needed_and_nothing_else() {
    let lake = lake(6).await;
    let before = reachable(&lake).await;
    lake.server().inject(&Fault::once("UpdateTable", FaultMode::DroppedReply)).unwrap();
    let report = expired(&lake.table(TABLE), &any(), later()).await.unwrap();
    assert_eq!(lake.server().faults_left().unwrap(), 0);
    assert_eq!((report.snapshots_expired, report.files_deleted), (5, 5));
    let after = reachable(&lake).await;
    assert_eq!(after.missing, Vec::<String>::new());
    assert_eq!(stored(&lake), after.all());
    let gone: Vec<String> = before.all().difference(&after.all()).cloned().collect();
    assert_eq!(gone.len(), 5);
    let store = lake.table(TABLE).store().clone();
    assert!(!store.exists(&gone[0]).await.unwrap());
    // What is only the beginning of a key is no file.
    let needed = after.of_kind("metadata").into_iter().next().unwrap();
    assert!(store.exists(&needed).await.unwrap() && !store.exists(needed.trim_end_matches(".json")).await.unwrap());
    deliver(&Batch::new().rows(0, 4..8).event(), &lake.context(TABLE)).await.unwrap();
    assert_eq!(ids(&read_both(&lake.at(TABLE)).unwrap().rows), (0..8).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_keys_are_listed_and_deleted_by_pages_and_one_refused_key_stays() {
    let lake = lake(2).await;
    plant(&lake, (0..FILES).map(|index| format!("data/part={}/orphan {index:04}+&.parquet", index % 7))).await;
    plant(&lake, ["data/".to_owned()]).await;
    lake.server().reset_calls().unwrap();
    let table = lake.table(TABLE);
    let found = orphans(&table, &OrphansOptions::default(), later()).await.unwrap();
    assert_eq!((found.orphans_found, found.files_passed_over), (FILES as u64, 1));
    assert_eq!(lake.server().calls().unwrap()["ListObjectsV2"], 2);

    let denied = Fault::once("DeleteObjects", FaultMode::DenyKeys).matching("orphan 0105");
    lake.server().inject(&denied).unwrap();
    let gone = orphans(&table, &for_real(), later()).await.unwrap();
    assert_eq!((gone.files_deleted, gone.files_refused), (FILES as u64 - 1, 1));
    assert_eq!(lake.server().calls().unwrap()["DeleteObjects"], 2);
    let left = stored(&lake);
    assert!(left.contains("s3://lake/test/events/data/part=0/orphan 0105+&.parquet"));
    let after = reachable(&lake).await;
    assert_eq!(left.difference(&after.all()).count(), 2, "the refused one, and the folder's mark");
    assert_eq!(orphans(&table, &for_real(), later()).await.unwrap().files_deleted, 1);
    assert_eq!(reachable(&lake).await.missing, Vec::<String>::new());
    assert_eq!(ids(&read_both(&lake.at(TABLE)).unwrap().rows), [0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_fails_whole_is_counted_and_what_it_left_goes_next_time() {
    let lake = lake(4).await;
    // More often than the SDK tries again by itself.
    lake.server().inject(&Fault::once("DeleteObjects", FaultMode::Throttle).times(3)).unwrap();
    let report = expired(&lake.table(TABLE), &any(), later()).await.unwrap();
    assert_eq!((report.snapshots_expired, report.files_refused, report.files_deleted), (3, 3, 0));
    lake.server().clear_faults().unwrap();
    assert_eq!(orphans(&lake.table(TABLE), &for_real(), later()).await.unwrap().files_deleted, 3);
    assert_eq!(stored(&lake), reachable(&lake).await.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_while_the_files_are_listed_is_no_orphan() {
    let lake = lake(2).await;
    plant(&lake, ["data/orphan.parquet".to_owned()]).await;
    let (table, context) = (lake.table(TABLE), lake.context(TABLE));
    // The listing is held up, so that it sees the files of a commit that the table read before it did not name; and by then
    // every file is old.
    lake.server().inject(&Fault::once("ListObjectsV2", FaultMode::Delay).delayed(3000)).unwrap();
    let commit = async {
        while !lake.server().calls().unwrap().contains_key("ListObjectsV2") {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        deliver(&Batch::new().rows(0, 2..5).event(), &context).await.unwrap();
    };
    let options = for_real();
    let (report, ()) = tokio::join!(orphans(&table, &options, later()), commit);
    assert_eq!(report.unwrap().files_deleted, 1);
    assert_eq!(reachable(&lake).await.missing, Vec::<String>::new());
    assert_eq!(stored(&lake), reachable(&lake).await.all());
    assert_eq!(ids(&read_both(&lake.at(TABLE)).unwrap().rows), (0..5).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_between_planning_and_deleting_is_spared() {
    let lake = lake(2).await;
    plant(&lake, ["data/orphan.parquet".to_owned(), "metadata/late.puffin".to_owned()]).await;
    let (table, other) = (lake.table(TABLE), lake.table(TABLE));
    let head = table.refresh().await.unwrap().metadata().current_snapshot_id().unwrap();
    let path = "s3://lake/test/events/metadata/late.puffin".to_owned();
    // The third read of the pointer is the one before deleting.
    lake.server().inject(&Fault::once("GetTable", FaultMode::Delay).after(2).delayed(4000)).unwrap();
    lake.server().reset_calls().unwrap();
    let options = for_real();
    let name_it = async {
        while lake.server().calls().unwrap().get("GetTable").copied().unwrap_or(0) < 3 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let statistics = iceberg::spec::StatisticsFile {
            snapshot_id: head,
            statistics_path: path.clone(),
            file_size_in_bytes: 0,
            file_footer_size_in_bytes: 0,
            key_metadata: None,
            blob_metadata: Vec::new(),
        };
        other
            .update(tributary_tests::far(), |_, builder| Ok(builder.set_statistics(statistics.clone())))
            .await
            .unwrap();
    };
    let (report, ()) = tokio::join!(orphans(&table, &options, later()), name_it);
    let report = report.unwrap();
    assert_eq!((report.orphans_found, report.orphans_spared, report.files_deleted), (2, 1, 1));
    assert_eq!(reachable(&lake).await.missing, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metadata_file_that_another_run_deletes_meanwhile_stops_nothing() {
    let lake = lake(2).await;
    plant(&lake, ["data/orphan.parquet".to_owned(), "metadata/00000-lost.metadata.json".to_owned()]).await;
    let (table, other) = (lake.table(TABLE), lake.table(TABLE));
    other.refresh().await.unwrap();
    // The second read of the pointer is the one after the listing.
    lake.server().inject(&Fault::once("GetTable", FaultMode::Delay).after(1).delayed(3000)).unwrap();
    lake.server().reset_calls().unwrap();
    let options = for_real();
    let delete_it = async {
        while lake.server().calls().unwrap().get("GetTable").copied().unwrap_or(0) < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let gone = other.store().delete(&["s3://lake/test/events/metadata/00000-lost.metadata.json".to_owned()]).await;
        assert!(gone.iter().all(|deletion| deletion.refused.is_none()));
    };
    let (report, ()) = tokio::join!(orphans(&table, &options, later()), delete_it);
    assert_eq!(report.unwrap().orphans_found, 2);
    assert_eq!(stored(&lake), reachable(&lake).await.all());
}
