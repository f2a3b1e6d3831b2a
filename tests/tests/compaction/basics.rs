//! Small files become few, and everything beside them is as it was.

use serde_json::{Value, json};
use tributary_testkit::{TableAt, read_both};
use tributary_tests::{Batch, definition, deliver, far, ids, schema};

use crate::ground::{Ground, pairs};

#[tokio::test(flavor = "multi_thread")]
async fn many_small_files_become_one_with_the_same_rows() {
    let ground = Ground::fed(12, 5).await;
    let start = ground.head().await;
    let filters = ["id >= 17 AND id < 23", "id = 59", "kind = 'order'", "account_id IS NULL", "amount > 2"];
    let report = ground.compact_keeps(json!({}), &filters).await;
    assert_eq!((report.files_seen, report.groups_planned, report.groups_committed), (12, 1, 1));
    assert_eq!((report.files_rewritten, report.files_added, report.commits), (12, 1, 1));
    assert_eq!((report.rows_rewritten, report.rows_deleted), (60, 0));
    assert_eq!((report.manifests_before, report.manifests_after), (12, 1));
    assert!(report.bytes_added > 0 && report.bytes_added < report.bytes_rewritten, "{report:?}");
    let seen = ground.inspect();
    let snapshot = ground.head().await;
    assert_eq!((&snapshot["operation"], &snapshot["snapshot_id"]), (&json!("replace"), &json!(report.snapshot_id)));
    for (name, value) in [
        ("added-data-files", "1"),
        ("deleted-data-files", "12"),
        ("added-records", "60"),
        ("deleted-records", "60"),
        ("total-data-files", "1"),
        ("total-records", "60"),
        ("manifests-replaced", "12"),
    ] {
        assert_eq!(snapshot["summary"][name], value, "{name}");
    }
    let file = &seen["files"][0];
    // Deletes that came while the rows were read apply to it as they would have to the files it stands for.
    assert_eq!((file["sequence_number"].as_i64(), &file["sort_order_id"]), (Some(12), &Value::Null));
    assert_eq!((&file["lower_bounds"]["1"], &file["upper_bounds"]["1"]), (&json!(0), &json!(59)));
    assert_eq!((&file["value_counts"]["1"], &file["null_value_counts"]["3"]), (&json!(60), &json!(60)));
    assert_eq!(start["snapshot_id"], snapshot["parent_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_can_still_be_read() {
    let ground = Ground::fed(5, 3).await;
    let before = ground.table().refresh().await.unwrap().metadata_location().to_owned();
    let rows = ground.rows();
    ground.compact(json!({})).await;
    assert_eq!(read_both(&TableAt::Metadata { location: before, endpoint: None }).unwrap(), rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn ingest_goes_on_exactly_once_where_it_was() {
    let mut ground = Ground::fed(6, 5).await;
    let checkpoint = |ground: &Ground| ground.inspect()["properties"]["tributary.checkpoint"].clone();
    let before = checkpoint(&ground);
    ground.compact_keeps(json!({}), &[]).await;
    assert_eq!(checkpoint(&ground), before);
    // Warm and cold alike.
    for context in [&ground.context, &ground.lake.context()] {
        let again = deliver(&Batch::new().rows(0, 0..30).event(), context).await.unwrap();
        assert_eq!((again.rows_committed, again.rows_redelivered, again.rows_healed), (0, 30, 0));
    }
    ground.feed(2, 5).await;
    assert_eq!(ids(&ground.rows().rows), (0..40).collect::<Vec<_>>());
    let report = ground.compact_keeps(pairs(), &["id >= 28"]).await;
    assert_eq!((report.files_rewritten, report.files_added), (3, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_with_too_few_files_or_none_is_left_alone() {
    for files in [0, 4] {
        let ground = Ground::fed(files, 2).await;
        let before = ground.table().refresh().await.unwrap().metadata_location().to_owned();
        let report = ground.compact(json!({})).await;
        assert_eq!((report.files_seen, report.groups_planned, report.commits), (files as u64, 0, 0));
        assert_eq!(report.snapshot_id, None);
        assert_eq!(ground.table().refresh().await.unwrap().metadata_location(), before);
    }
}

/// A table whose rows do not compress: `id` and a text of 200 random letters.
async fn of_noise(files: i64, rows: i64) -> Ground {
    let columns = schema(&[(1, "id", true, json!("long")), (2, "noise", false, json!("string"))]);
    let mut ground = Ground::with(definition(columns)).await;
    let mut random = fastrand::Rng::with_seed(1);
    for file in 0..files {
        let noise = |id| {
            let letters: String = (0..200).map(|_| random.alphanumeric()).collect();
            json!({"id": id, "noise": letters})
        };
        let rows: Vec<Value> = (file * rows..(file + 1) * rows).map(noise).collect();
        ground.ingest(&rows).await;
    }
    ground
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_keep_their_order_over_files_near_the_target() {
    // Some 160 kB a file. Batches of a rewrite have up to 8192 rows: few of them are one file.
    let ground = of_noise(10, 1000).await;
    let bytes = ground.live().await[0].data_file().file_size_in_bytes();
    let options = json!({"target-file-size-bytes": 2 * bytes + bytes / 2});
    let report = ground.compact_keeps(options, &["id = 4321", "id >= 8990 AND id < 9010"]).await;
    assert_eq!(report.files_rewritten, 10);
    assert!((4..=5).contains(&report.files_added), "{report:?}");
    let mut ranges: Vec<(i64, i64)> = ground.inspect()["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| (file["lower_bounds"]["1"].as_i64().unwrap(), file["upper_bounds"]["1"].as_i64().unwrap()))
        .collect();
    ranges.sort_unstable();
    assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "{ranges:?}");
    // What came out is not touched again.
    let again = ground.compact(json!({"target-file-size-bytes": 2 * bytes + bytes / 2})).await;
    assert_eq!(again.groups_planned, 0, "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_too_long_is_split() {
    let ground = of_noise(1, 20_000).await;
    let bytes = ground.live().await[0].data_file().file_size_in_bytes();
    let report = ground.compact_keeps(json!({"target-file-size-bytes": bytes / 2}), &["id = 15000"]).await;
    assert_eq!(report.files_rewritten, 1);
    assert!((2..=3).contains(&report.files_added), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_several_row_groups_has_bounds_and_counts_of_all_of_them() {
    let ground = of_noise(6, 1000).await;
    let properties = [("write.parquet.row-group-size-bytes".to_owned(), "200000".to_owned())];
    ground
        .table()
        .update(far(), |_, builder| Ok(builder.set_properties(properties.clone().into()).unwrap()))
        .await
        .unwrap();
    let report = ground.compact_keeps(json!({}), &["id = 0", "id = 5999", "id >= 2990 AND id < 3010"]).await;
    assert_eq!(report.files_added, 1);
    let file = ground.inspect()["files"][0].clone();
    assert!(file["split_offsets"].as_array().unwrap().len() > 2, "{}", file["split_offsets"]);
    assert_eq!((&file["lower_bounds"]["1"], &file["upper_bounds"]["1"]), (&json!(0), &json!(5999)));
    assert_eq!(file["value_counts"]["2"], 6000);
}
