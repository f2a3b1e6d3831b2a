//! What is an orphan, and the signs at which nothing is deleted.

use std::collections::BTreeSet;
use std::fs::{File, FileTimes};
use std::time::{Duration, SystemTime};

use tributary_maintenance::file_removal::{RemovalError, RemovalErrorKind};
use tributary_maintenance::orphans::{OrphanStop, OrphansOptions, OrphansOutcome};
use tributary_table::TableDefinition;
use tributary_tests::{definition, events_schema};

use crate::ground::{DAY_MS, Ground, for_real, orphans};

fn path(location: &str) -> &str {
    location.strip_prefix("file://").unwrap()
}

/// Puts files beside the table's own, last written so many days ago.
async fn plant(ground: &Ground, names: &[&str], days: u64) -> Vec<String> {
    let state = ground.lake.table().refresh().await.unwrap();
    let planted = names.iter().map(|name| format!("{}/{name}", state.metadata().location()));
    let planted: Vec<String> = planted.collect();
    for location in &planted {
        std::fs::create_dir_all(std::path::Path::new(path(location)).parent().unwrap()).unwrap();
        std::fs::write(path(location), "0123456789").unwrap();
        let modified = SystemTime::now() - Duration::from_secs(days * 86_400);
        File::options()
            .write(true)
            .open(path(location))
            .unwrap()
            .set_times(FileTimes::new().set_modified(modified))
            .unwrap();
    }
    planted
}

fn stop_of(error: RemovalError) -> OrphanStop {
    assert_eq!(error.kind(), RemovalErrorKind::Halt);
    match error {
        RemovalError::Stopped { stop, .. } => *stop,
        error => panic!("expected a stop, found {error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_old_and_reached_by_nothing_goes() {
    let ground = Ground::new().await;
    ground.rows(0..5).await;
    let table = ground.lake.table();
    let old =
        plant(&ground, &["data/lost.parquet", "metadata/lost-m0.avro", "metadata/00003-x.metadata.json"], 4).await;
    let young = plant(&ground, &["data/young.parquet"], 2).await;
    let foreign = plant(&ground, &["_SUCCESS", "metadata/version-hint.text", "data/.x.crc"], 9).await;
    let now_ms = tributary_runtime::now_ms();

    let found = orphans(&table, &OrphansOptions::default(), now_ms).await.unwrap();
    assert_eq!((found.outcome, found.orphans_found, found.orphan_bytes), (OrphansOutcome::DryRun, 3, 30));
    assert_eq!((found.files_too_young, found.files_passed_over, found.files_deleted), (1, 3, 0));
    assert_eq!(found.sample.iter().collect::<BTreeSet<_>>(), old.iter().collect());
    assert!(ground.stored().is_superset(&old.iter().cloned().collect()), "a dry run deleted something");

    let gone = orphans(&table, &for_real(), now_ms).await.unwrap();
    assert_eq!((gone.outcome, gone.files_deleted), (OrphansOutcome::Removed, 3));
    let left: BTreeSet<String> = young.into_iter().chain(foreign).collect();
    assert_eq!(ground.unreachable().await, left);
    ground.holds(0..5).await;
    let again = orphans(&table, &for_real(), now_ms).await.unwrap();
    assert_eq!((again.outcome, again.files_deleted), (OrphansOutcome::NothingToDo, 0));
    // With a lower age, the young one goes too.
    let day = OrphansOptions { older_than_ms: Some(now_ms - DAY_MS), ..for_real() };
    assert_eq!(orphans(&table, &day, now_ms).await.unwrap().files_deleted, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_age_below_a_day_is_refused() {
    let ground = Ground::new().await;
    let now_ms = tributary_runtime::now_ms();
    let hours = OrphansOptions { older_than_ms: Some(now_ms - DAY_MS + 1), ..for_real() };
    let error = orphans(&ground.lake.table(), &hours, now_ms).await.unwrap_err();
    assert_eq!(error.kind(), RemovalErrorKind::Reject);
    assert!(error.to_string().starts_with("correct option `older-than`: expected at least 24 hours ago"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_file_that_the_table_needs_stops_it() {
    let ground = Ground::new().await;
    ground.rows(0..3).await;
    let planted = plant(&ground, &["data/lost.parquet"], 9).await;
    let needed = ground.reachable().await;
    for kind in ["data", "manifest", "manifest-list"] {
        // The manifest and list of an older snapshot: the head must be readable.
        let location = needed.of_kind(kind).into_iter().next().unwrap();
        if kind != "data" && head_needs(&ground, &location).await {
            continue;
        }
        let aside = format!("{}-aside", ground.lake.folder().join("x").display());
        std::fs::rename(path(&location), &aside).unwrap();
        let error = orphans(&ground.lake.table(), &for_real(), tributary_runtime::now_ms()).await.unwrap_err();
        assert!(error.to_string().contains(&location), "{error}");
        std::fs::rename(&aside, path(&location)).unwrap();
    }
    assert!(ground.stored().contains(&planted[0]));
    assert_eq!(orphans(&ground.lake.table(), &for_real(), tributary_runtime::now_ms()).await.unwrap().files_deleted, 1);
    ground.holds(0..3).await;
}

async fn head_needs(ground: &Ground, location: &str) -> bool {
    let state = ground.lake.table().refresh().await.unwrap();
    state.metadata().current_snapshot().unwrap().manifest_list() == location
        || state.manifests().iter().any(|manifest| manifest.manifest_path == location)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_below_or_in_the_same_folder_stops_it() {
    let ground = Ground::new().await;
    ground.rows(0..2).await;
    let state = ground.lake.table().refresh().await.unwrap();
    plant(&ground, &["data/lost.parquet"], 9).await;
    let ident = tributary_table::parse_table_name("test.nested").unwrap();
    let open =
        || tributary_table::Table::new(ident.clone(), ground.lake.catalog(), tributary_table::ObjectStore::local());
    let own = state.metadata().location().to_owned();
    let location = Some(format!("{own}/nested"));
    open().create(TableDefinition { location, ..definition(events_schema()) }).await.unwrap();
    let stored = ground.stored();
    let now_ms = tributary_runtime::now_ms() + 9 * DAY_MS;
    let stop = stop_of(orphans(&ground.lake.table(), &for_real(), now_ms).await.unwrap_err());
    assert!(matches!(&stop, OrphanStop::AnotherTable { location, .. } if location.contains("/nested/")), "{stop}");
    assert_eq!(ground.stored(), stored);
    // Its own folder alone, named, is safe.
    let only_data = OrphansOptions { location: Some(format!("{own}/data")), ..for_real() };
    assert_eq!(orphans(&ground.lake.table(), &only_data, now_ms).await.unwrap().files_deleted, 1);

    std::fs::remove_dir_all(path(&format!("{own}/nested"))).unwrap();
    let ident = tributary_table::parse_table_name("test.twin").unwrap();
    let twin = tributary_table::Table::new(ident, ground.lake.catalog(), tributary_table::ObjectStore::local());
    twin.create(TableDefinition { location: Some(own), ..definition(events_schema()) }).await.unwrap();
    let stop = stop_of(orphans(&ground.lake.table(), &for_real(), now_ms).await.unwrap_err());
    assert!(matches!(stop, OrphanStop::AnotherTable { .. }), "{stop}");
    ground.holds(0..2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_named_by_another_spelling_of_their_place_stop_it() {
    // The table's folder is reached through a link, and the table names its data by the real path.
    let ground = Ground::empty();
    let folder = ground.lake.folder().to_owned();
    std::fs::create_dir_all(folder.join("warehouse/real")).unwrap();
    std::os::unix::fs::symlink(folder.join("warehouse/real"), folder.join("link")).unwrap();
    let data = format!("file://{}/warehouse/real/data", folder.display());
    let location = Some(format!("file://{}/link", folder.display()));
    let properties = [("write.data.path".to_owned(), data)].into();
    let table = ground.lake.table();
    table.create(TableDefinition { location, properties, ..definition(events_schema()) }).await.unwrap();
    ground.row(1).await;
    let stored = ground.stored();
    let now_ms = tributary_runtime::now_ms() + 9 * DAY_MS;
    let stop = stop_of(orphans(&table, &for_real(), now_ms).await.unwrap_err());
    assert!(matches!(stop, OrphanStop::Spelling { .. }), "{stop}");
    assert_eq!(ground.stored(), stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_outside_the_tables_location_is_looked_at_only_when_it_is_named() {
    let lake = tempfile::tempdir().unwrap();
    let data = format!("file://{}/data", lake.path().display());
    let ground = Ground::with(&[("write.data.path", data.as_str())]).await;
    ground.rows(0..3).await;
    std::fs::write(lake.path().join("data/lost.parquet"), "").unwrap();
    let (table, now_ms) = (ground.lake.table(), tributary_runtime::now_ms() + 9 * DAY_MS);
    let report = orphans(&table, &for_real(), now_ms).await.unwrap();
    assert_eq!((report.files_deleted, report.folders_not_listed), (0, 1));
    let named = OrphansOptions { location: Some(data.clone()), ..for_real() };
    let report = orphans(&table, &named, now_ms).await.unwrap();
    assert_eq!((report.files_deleted, report.files_needed, report.folders_not_listed), (1, 3, 1));
    ground.holds(0..3).await;

    let parent = OrphansOptions { location: Some(format!("file://{}", lake.path().display())), ..for_real() };
    let error = orphans(&table, &parent, now_ms).await.unwrap_err();
    assert_eq!(error.kind(), RemovalErrorKind::Reject);
    assert!(error.to_string().contains("correct option `location`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_metadata_file_that_is_gone_is_no_harm_and_gc_off_is_refused() {
    let ground = Ground::new().await;
    ground.rows(0..4).await;
    let oldest = ground.reachable().await.of_kind("metadata-log").into_iter().next().unwrap();
    std::fs::remove_file(path(&oldest)).unwrap();
    let now_ms = tributary_runtime::now_ms() + 9 * DAY_MS;
    let report = orphans(&ground.lake.table(), &for_real(), now_ms).await.unwrap();
    assert_eq!((report.old_metadata_missing, report.orphans_found), (1, 0));
    tributary_tests::evolve_with_pyiceberg(&ground.lake, &serde_json::json!({"properties": {"gc.enabled": "false"}}));
    let error = orphans(&ground.lake.table(), &OrphansOptions::default(), now_ms).await.unwrap_err();
    assert!(matches!(error, RemovalError::GcDisabled { .. }), "{error}");
}
