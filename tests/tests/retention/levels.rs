//! What goes and what stays at each level, and how it is reported.

use serde_json::{Value, json};
use tributary_table::{CHECKPOINT_PROPERTY, TableDefinition};
use tributary_testkit::{TableAt, read_both, read_where};
use tributary_tests::{Batch, definition, deliver, far, ids, partition_spec, partitioned, schema};

use crate::ground::{Ground, timed};

fn row(id: i64, day: u32, hour: u32) -> Value {
    json!({"id": id, "seen": format!("2025-11-{day:02}T{hour:02}:00:00Z")})
}

/// Three rows on each day from the 1st to the 10th, two batches: two files a day.
async fn ten_days(transforms: &[&str]) -> Ground {
    let mut ground = Ground::new("timestamptz", transforms).await;
    let rows = |hours: &[u32]| -> Vec<Value> {
        let of_day = |day: u32| hours.iter().map(move |hour| row(i64::from(day * 100 + hour), day, *hour));
        (1..=10).flat_map(of_day).collect()
    };
    ground.ingest(&rows(&[6, 12])).await;
    ground.ingest(&rows(&[18])).await;
    ground
}

fn ids_of_days(days: std::ops::RangeInclusive<i64>) -> Vec<i64> {
    days.flat_map(|day| [6, 12, 18].map(|hour| day * 100 + hour)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_partitions_go_and_the_one_that_straddles_stays() {
    let ground = ten_days(&["day"]).await;
    let before = ground.inspect();
    // The newest row is of the 10th at 18:00: rows before the 4th at 18:00 are past.
    let options = json!({"column": "seen", "retain": "6d"});
    let report = ground.retain(options.clone()).await.unwrap();
    assert_eq!(report.newest.as_deref(), Some("2025-11-10T18:00:00Z"));
    assert_eq!(report.cutoff.as_deref(), Some("2025-11-04T18:00:00Z"));
    assert_eq!((report.files, report.rows), (20, 30));
    assert_eq!((report.files_removed, report.rows_expired, report.partitions_touched), (6, 9, 3));
    // Of the 4th's two files, one has rows that are past; the other begins at the cutoff itself.
    assert_eq!((report.files_straddling, report.rows_straddling), (1, 2));
    assert_eq!(report.oldest_straddling.as_deref(), Some("2025-11-04T06:00:00Z"));
    assert_eq!((report.files_remaining, report.commit_attempts, report.skipped), (0, 1, None));
    assert_eq!(ground.ids(), ids_of_days(4..=10));
    for (filter, expected) in [
        ("seen < '2025-11-04T00:00:00+00:00'", vec![]),
        ("seen >= '2025-11-04T00:00:00+00:00' AND seen < '2025-11-05T00:00:00+00:00'", ids_of_days(4..=4)),
    ] {
        assert_eq!(ids(&read_where(&ground.lake.at(), filter).unwrap().rows), expected, "{filter}");
    }
    let after = ground.inspect();
    let head = ground.snapshot(report.snapshot_id);
    assert_eq!(head["operation"], "delete");
    for (name, value) in [
        ("deleted-data-files", "6"),
        ("deleted-records", "9"),
        ("total-records", "21"),
        ("total-data-files", "14"),
        ("changed-partition-count", "3"),
    ] {
        assert_eq!(head["summary"][name], value, "{name}: {head}");
    }
    assert_eq!(after["properties"][CHECKPOINT_PROPERTY], before["properties"][CHECKPOINT_PROPERTY]);
    // Again: nothing is left to do, and nothing is done.
    let again = ground.retain(options).await.unwrap();
    assert_eq!((again.files_past, again.snapshot_id, again.files_straddling), (0, None, 1));
    assert_eq!(ground.inspect()["snapshots"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_by_their_own_bounds_where_no_partition_tells() {
    let mut ground = Ground::new("timestamptz", &[]).await;
    ground.ingest(&[row(1, 1, 0), row(2, 2, 0)]).await;
    ground.ingest(&[row(3, 2, 0), row(4, 9, 0)]).await;
    ground.ingest(&[row(5, 9, 0), row(6, 10, 0)]).await;
    let by_partition = ground.retain(json!({"column": "seen", "retain": "6d"})).await.unwrap();
    assert_eq!((by_partition.files_past, by_partition.files_straddling, by_partition.rows_straddling), (0, 2, 4));
    let by_file = ground.retain(json!({"column": "seen", "retain": "6d", "level": "file"})).await.unwrap();
    assert_eq!((by_file.files_removed, by_file.rows_expired, by_file.files_straddling), (1, 2, 1));
    assert_eq!(by_file.oldest_straddling.as_deref(), Some("2025-11-02T00:00:00Z"));
    assert_eq!(ground.ids(), [3, 4, 5, 6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_a_time_stay_and_so_does_the_file_that_holds_one() {
    let mut ground = Ground::new("timestamptz", &[]).await;
    ground.ingest(&[row(1, 1, 0), json!({"id": 2, "seen": null})]).await;
    ground.ingest(&[json!({"id": 3}), json!({"id": 4, "seen": null})]).await;
    ground.ingest(&[row(5, 1, 0)]).await;
    ground.ingest(&[row(6, 10, 0), row(7, 10, 1), row(8, 10, 2)]).await;
    let report = ground.retain(json!({"column": "seen", "retain": "6d", "level": "file"})).await.unwrap();
    assert_eq!((report.files_removed, report.files_with_nulls, report.rows_with_nulls), (1, 2, 4));
    assert_eq!(ground.ids(), [1, 2, 3, 4, 6, 7, 8]);

    let mut ground = Ground::new("timestamptz", &["day"]).await;
    ground.ingest(&[row(1, 1, 0), json!({"id": 2, "seen": null}), row(3, 10, 0)]).await;
    let report = ground.retain(json!({"column": "seen", "retain": "6d"})).await.unwrap();
    assert_eq!((report.files_removed, report.files_with_nulls), (1, 1), "a NULL has a partition of its own");
    assert_eq!(ground.ids(), [2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_bounds_stays_unless_its_partition_tells() {
    for (transforms, removed, left) in [(&[][..], 0, vec![1, 2, 3]), (&["day"], 1, vec![2, 3])] {
        let no_metrics = [("write.metadata.metrics.default".to_owned(), "none".to_owned())].into();
        let fields: Vec<(i32, &str, &str)> = transforms.iter().map(|transform| (2, "seen_part", *transform)).collect();
        let table = partitioned(timed("timestamptz"), &fields);
        let mut ground = Ground::with(TableDefinition { properties: no_metrics, ..table }).await;
        ground.ingest(&[row(1, 1, 0)]).await;
        ground.ingest(&[row(2, 20, 0), row(3, 20, 1)]).await;
        let options = json!({"column": "seen", "retain": "6d", "level": "file", "measured-from": "clock"});
        let report = ground.retain(options).await.unwrap();
        assert_eq!((report.files_removed, report.files_unknown), (removed, 2 * (1 - removed)), "{report:?}");
        assert_eq!(ground.ids(), left);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_nothing_tells_the_time_of_is_left_alone() {
    let mut ground = Ground::new("timestamptz", &[]).await;
    let empty = ground.retain(json!({"column": "seen", "retain": "1d"})).await.unwrap();
    assert!(empty.skipped.unwrap().contains("no file tells of a value of `seen`"));
    ground.ingest(&[json!({"id": 1})]).await;
    let report = ground.retain(json!({"column": "seen", "retain": "1d", "level": "file"})).await.unwrap();
    assert_eq!((report.cutoff, report.files_removed), (None, 0));
    assert!(report.skipped.is_some());
    assert_eq!(ground.ids(), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_inside_a_struct_tells_the_time_too() {
    let payload =
        json!({"type": "struct", "fields": [{"id": 3, "name": "seen", "required": false, "type": "timestamptz"}]});
    let columns = || schema(&[(1, "id", true, json!("long")), (2, "payload", false, payload.clone())]);
    for (table, level) in
        [(definition(columns()), "file"), (partitioned(columns(), &[(3, "seen_hour", "hour")]), "partition")]
    {
        let mut ground = Ground::with(table).await;
        let nested = |id: i64, day: u32| json!({"id": id, "payload": {"seen": format!("2025-11-{day:02}T00:00:00Z")}});
        ground.ingest(&[nested(1, 1)]).await;
        ground.ingest(&[json!({"id": 2, "payload": null})]).await;
        ground.ingest(&[json!({"id": 3, "payload": {}})]).await;
        ground.ingest(&[nested(4, 20)]).await;
        let report = ground.retain(json!({"column": "payload.seen", "retain": "6d", "level": level})).await.unwrap();
        assert_eq!((report.files_removed, report.files_with_nulls), (1, 2), "{level}: {report:?}");
        assert_eq!(ground.ids(), [2, 3, 4], "{level}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_file_is_judged_by_the_partition_spec_it_was_written_by() {
    let mut ground = Ground::new("timestamptz", &[]).await;
    let rows = |id: i64| [row(id, 1, 10), row(id + 1, 3, 10), row(id + 2, 10, 10)];
    ground.ingest(&rows(10)).await;
    for (id, fields) in
        [(20, &[(2, "seen_day", "day")][..]), (30, &[(1, "id_bucket", "bucket[2]"), (2, "seen_month", "month")])]
    {
        let spec = || partition_spec(fields);
        let table = ground.lake.table();
        table.update(far(), |_, builder| Ok(builder.add_default_partition_spec(spec()).unwrap())).await.unwrap();
        ground.ingest(&rows(id)).await;
    }
    let report = ground.retain(json!({"column": "seen", "retain": "6d"})).await.unwrap();
    // Of the days, the 1st and the 3rd; the month has not ended, and no partition at all tells nothing.
    assert_eq!((report.files_removed, report.rows_expired), (2, 2), "{report:?}");
    assert_eq!(ground.ids(), [10, 11, 12, 22, 30, 31, 32]);
    assert!(report.files_straddling >= 2, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ingest_goes_on_exactly_once_and_the_past_can_still_be_read() {
    let ground = ten_days(&["day"]).await;
    let before = ground.lake.table().refresh().await.unwrap();
    ground.retain(json!({"column": "seen", "retain": "6d"})).await.unwrap();
    let after = ground.lake.table().refresh().await.unwrap();
    assert!(after.checkpoint_fault().is_none());
    assert_eq!(after.checkpoint(), before.checkpoint());
    // What was removed comes again, as after a retry: it was committed once, and does not come back.
    let rows: Vec<Value> =
        (1..=10).flat_map(|day| [6, 12].map(|hour| row(i64::from(day * 100 + hour), day, hour))).collect();
    let batch = || (0..).zip(&rows).fold(Batch::new(), |batch, (offset, row)| batch.json(0, offset, row));
    let fresh = row(9999, 11, 0);
    let report = deliver(&batch().json(0, 30, &fresh).event(), &ground.lake.context()).await.unwrap();
    assert_eq!((report.rows_redelivered, report.rows_committed), (20, 1));
    let mut expected = ids_of_days(4..=10);
    expected.push(9999);
    assert_eq!(ground.ids(), expected);
    let location = before.metadata_location().to_owned();
    let then = read_both(&TableAt::Metadata { location, endpoint: None }).unwrap();
    assert_eq!(ids(&then.rows), ids_of_days(1..=10), "no file was deleted from storage");
}
