//! The health report beside what PyIceberg sees of the same table.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use iceberg::spec::{SnapshotReference, SnapshotRetention};
use serde_json::{Value, json};
use tributary_maintenance::health::{HealthReport, health};
use tributary_table::{CHECKPOINT_PROPERTY, TableDefinition};
use tributary_testkit::inspect;
use tributary_tests::{
    Batch, LocalLake, NOW_MS, definition, deliver, events_schema, evolve_with_pyiceberg, far, partitioned, schema,
};

const DAY_MS: i64 = 86_400_000;

async fn report(lake: &LocalLake, now_ms: i64) -> HealthReport {
    health(&lake.table(), now_ms).await.unwrap()
}

fn sum(files: &[Value], field: &str) -> u64 {
    files.iter().map(|file| file[field].as_u64().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_rows_has_a_report_too() {
    let lake = LocalLake::new();
    lake.table().create(definition(events_schema())).await.unwrap();
    let health = report(&lake, NOW_MS).await;
    assert_eq!((health.snapshots, health.files.data_files, health.files.average_file_bytes), (0, 0, 0));
    assert_eq!((health.last_commit, health.seconds_since_last_commit, health.last_operation), (None, None, None));
    assert_eq!((health.files.partitions, health.files.smallest_partitions.len()), (0, 0));
    assert_eq!((health.newest_values[0].column.as_str(), &health.newest_values[0].newest), ("event_time", &None));
    let bytes = std::fs::metadata(health.metadata_location.strip_prefix("file://").unwrap()).unwrap().len();
    assert_eq!(health.metadata_bytes, Some(bytes));
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_and_sizes_are_those_another_engine_sees() {
    let lake = LocalLake::new();
    let columns = schema(&[
        (1, "id", true, json!("long")),
        (2, "seen", false, json!("timestamptz")),
        (3, "day", false, json!("date")),
    ]);
    let target = [("write.target-file-size-bytes".to_owned(), "2400".to_owned())].into();
    let table = partitioned(columns, &[(3, "day", "identity")]);
    lake.table().create(TableDefinition { properties: target, ..table }).await.unwrap();
    let context = lake.context();
    let row = |id: i64, day: i64| json!({"id": id, "seen": format!("2025-11-{day:02}T09:30:00Z"), "day": format!("2025-11-{day:02}")});
    // The 1st: three files of a row; the 2nd: one of them; the 3rd: one larger, after the time of the report; no day: one.
    for id in 0..3 {
        deliver(&Batch::new().json(0, id, &row(id, 1)).event(), &context).await.unwrap();
    }
    deliver(&Batch::new().json(0, 3, &row(3, 2)).json(0, 4, &json!({"id": 4})).event(), &context).await.unwrap();
    let many = (100..400).fold(Batch::new(), |batch, id| batch.json(0, id, &row(id * id * 7919 % 100_003, 3)));
    deliver(&many.event(), &context).await.unwrap();
    // A commit is never dated before the metadata it is based on, which here is of the real clock.
    let head_ms = lake.table().refresh().await.unwrap().metadata().current_snapshot().unwrap().timestamp_ms();
    let now_ms = head_ms + DAY_MS;
    let health = report(&lake, now_ms).await;

    let seen = inspect(&lake.at()).unwrap();
    let files = seen["files"].as_array().unwrap();
    assert_eq!(health.files.data_files, files.len() as u64);
    assert_eq!(health.files.rows, sum(files, "record_count"));
    assert_eq!(health.files.data_bytes, sum(files, "file_size_in_bytes"));
    assert_eq!(health.files.average_file_bytes, health.files.data_bytes / 6);
    let small = |file: &&Value| file["file_size_in_bytes"].as_u64().unwrap() < 1800;
    let small: Vec<Value> = files.iter().filter(small).cloned().collect();
    assert!(!small.is_empty() && small.len() < files.len(), "the target must part the files: {files:?}");
    assert_eq!(health.files.target_file_bytes, 2400);
    assert_eq!(
        (health.files.small_files, health.files.small_file_bytes),
        (small.len() as u64, sum(&small, "file_size_in_bytes"))
    );
    assert_eq!(health.snapshots, seen["snapshots"].as_array().unwrap().len() as u64);
    assert_eq!(health.data_manifests, seen["manifests"].as_array().unwrap().len() as u64);
    assert_eq!((health.delete_manifests, health.files.delete_rows, health.branches, health.tags), (0, 0, 1, 0));
    assert_eq!(health.files.partitions, seen["partitions"].as_array().unwrap().len() as u64);
    let fragmented = &health.files.most_fragmented_partitions[0];
    assert_eq!((fragmented.partition.as_str(), fragmented.files, fragmented.rows), ("day=2025-11-01", 3, 3));
    let names: Vec<&str> = health.files.smallest_partitions.iter().map(|one| one.partition.as_str()).collect();
    assert_eq!((names.len(), &names[..2]), (4, &["day=null", "day=2025-11-02"][..]), "{names:?}");

    assert_eq!(health.last_operation.as_deref(), Some("append"));
    let committed_at = seen["snapshots"].as_array().unwrap().last().unwrap()["committed_at"].as_str().unwrap();
    assert_eq!(&health.last_commit.as_ref().unwrap()[..19], &committed_at[..19]);
    assert_eq!(health.seconds_since_last_commit, Some(86_400));
    assert_eq!((health.checkpoint_partitions, health.checkpoint_fault.as_deref()), (1, None));
    assert_eq!(health.newest_record.as_deref(), Some("2025-11-21T10:00:00.399Z"), "the greatest record timestamp");
    let newest = health.newest_values.iter().find(|one| one.column == "seen").unwrap();
    assert_eq!(newest.newest.as_deref(), Some("2025-11-03T09:30:00Z"));
    // 2025-11-03T09:30:00Z is 1762162200 seconds after the epoch.
    assert_eq!(newest.seconds_ago, Some(now_ms.div_euclid(1000) - 1_762_162_200));
    assert_eq!(newest.files_unknown, 0, "a file of NULL alone is no riddle");
    let json = serde_json::to_value(&health).unwrap();
    assert_eq!((&json["data_files"], &json["snapshots"]), (&json!(6), &json!(5)), "one flat object");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_can_not_see_is_said() {
    let lake = LocalLake::new();
    lake.table().create(definition(events_schema())).await.unwrap();
    let context = lake.context();
    evolve_with_pyiceberg(&lake, &json!({"properties": {"write.metadata.metrics.column.event_time": "none"}}));
    deliver(&Batch::new().json(0, 0, &json!({"id": 0, "event_time": "2025-11-01T00:00:00Z"})).event(), &context)
        .await
        .unwrap();
    let state = lake.table().refresh().await.unwrap();
    let snapshot_id = state.metadata().current_snapshot_id().unwrap();
    let tag = SnapshotReference::new(snapshot_id, SnapshotRetention::Tag { max_ref_age_ms: None });
    lake.table().update(far(), |_, builder| Ok(builder.set_ref("before", tag.clone()).unwrap())).await.unwrap();
    let health = report(&lake, NOW_MS).await;
    assert_eq!((health.branches, health.tags), (1, 1));
    assert_eq!((&health.newest_values[0].newest, health.newest_values[0].files_unknown), (&None, 1));
    for words in ["orphan files", "tags", "the newest `event_time` of 1 data files without bounds"] {
        assert!(health.cannot_see.iter().any(|unseen| unseen.contains(words)), "{words}: {:?}", health.cannot_see);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_can_not_be_relied_on_is_reported() {
    let lake = LocalLake::new();
    lake.table().create(definition(events_schema())).await.unwrap();
    deliver(&Batch::new().rows(0, 0..3).event(), &lake.context()).await.unwrap();
    evolve_with_pyiceberg(&lake, &json!({"properties": {CHECKPOINT_PROPERTY: "{}"}}));
    let fault = report(&lake, NOW_MS).await.checkpoint_fault.unwrap();
    assert!(fault.contains("tributary.checkpoint"), "{fault}");
}
