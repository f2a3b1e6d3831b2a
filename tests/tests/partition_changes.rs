//! A table that changes between batches, and between the reading and the committing of one batch: its partition spec, its schema.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::sync::Arc;

use serde_json::json;
use tributary_ingest::Context;
use tributary_testkit::{FaultyCatalog, inspect, read_both, read_where};
use tributary_tests::{
    Batch, LocalLake, append_with_pyiceberg, definition, deliver, evolve_with_pyiceberg, far, ids, partition_spec,
    partitioned, schema,
};

/// A table by `day`, its definition for the tests of evolution.
async fn by_day(lake: &LocalLake) {
    let columns = schema(&[(1, "id", true, json!("long")), (2, "day", false, json!("date"))]);
    lake.table().create(partitioned(columns, &[(2, "day_month", "month")])).await.unwrap();
}

fn days(offsets: std::ops::Range<i64>) -> String {
    offsets
        .fold(Batch::new(), |batch, id| {
            batch.json(0, id, &json!({"id": id, "day": format!("2026-0{}-11", 1 + id % 2)}))
        })
        .event()
}

async fn set_default_spec(table: &tributary_table::Table, fields: &[(i32, &str, &str)]) {
    table
        .update(far(), |_, builder| Ok(builder.add_default_partition_spec(partition_spec(fields)).unwrap()))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_batch_follows_an_evolved_partition_spec() {
    let lake = LocalLake::new();
    by_day(&lake).await;
    let context = lake.context();
    deliver(&days(0..4), &context).await.unwrap();
    for (number, fields) in [
        (1, &[(2, "day_day", "day"), (1, "id_bucket", "bucket[4]")][..]),
        (2, &[]),
        (3, &[(1, "id_part", "truncate[4]")]),
    ] {
        set_default_spec(&lake.table(), fields).await;
        deliver(&days(number * 4..number * 4 + 4), &context).await.unwrap();
        let files = lake.partitions().remove("events").unwrap();
        assert!(files.iter().all(|file| file.computed == [file.claimed.clone()]), "{files:?}");
        let of_spec: u64 = files.iter().filter(|file| i64::from(file.spec_id) == number).map(|file| file.rows).sum();
        assert_eq!(of_spec, 4, "{files:?}");
        let expected: Vec<i64> = (0..number * 4 + 4).collect();
        assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), expected);
        assert_eq!(
            ids(&read_where(&lake.at(), "day = '2026-01-11'").unwrap().rows),
            expected.iter().copied().step_by(2).collect::<Vec<_>>()
        );
        assert_eq!(
            ids(&read_where(&lake.at(), "id >= 3 AND id < 6").unwrap().rows),
            (3..6.min(number * 4 + 4)).collect::<Vec<_>>()
        );
    }
}

/// A function whose next commit is overtaken by `deed`.
fn overtaken(lake: &LocalLake, deed: impl Future<Output = ()> + Send + 'static) -> (Arc<FaultyCatalog>, Context) {
    let catalog = Arc::new(FaultyCatalog::new(lake.catalog()));
    catalog.before_next_swap(deed);
    (catalog.clone(), Context::new(lake.table_in(catalog), None))
}

fn parquet_files(lake: &LocalLake) -> usize {
    lake.files().iter().filter(|file| file.ends_with(".parquet")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_changed_between_read_and_commit_makes_the_batch_plan_again() {
    let lake = LocalLake::new();
    by_day(&lake).await;
    let other = lake.table();
    let (catalog, context) =
        overtaken(&lake, async move { set_default_spec(&other, &[(1, "id_part", "truncate[2]")]).await });
    let report = deliver(&days(0..4), &context).await.unwrap();
    assert!(catalog.deed_is_done());
    assert_eq!((report.rows_committed, report.commit_attempts), (4, 2));
    let files = lake.partitions().remove("events").unwrap();
    assert_eq!(files.len(), 2);
    for file in &files {
        assert_eq!((file.spec_id, &file.computed), (1, &vec![file.claimed.clone()]));
    }
    assert_eq!(parquet_files(&lake), files.len(), "the first plan's files must be gone");
    assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), [0, 1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_changed_between_read_and_commit_makes_the_batch_decode_again() {
    let lake = Arc::new(LocalLake::new());
    lake.table()
        .create(definition(schema(&[(1, "id", true, json!("long")), (2, "note", false, json!("string"))])))
        .await
        .unwrap();
    let meddled = Arc::clone(&lake);
    let change = json!({"add": [["kind", "string"]], "drop": ["note"]});
    let (catalog, context) = overtaken(&lake, async move { evolve_with_pyiceberg(&meddled, &change) });
    let batch = Batch::new().json(0, 0, &json!({"id": 1, "note": "n", "kind": "k"}));
    let report = deliver(&batch.event(), &context).await.unwrap();
    assert!(catalog.deed_is_done());
    assert_eq!((report.rows_committed, report.fields_ignored, report.commit_attempts), (1, 1, 2));
    assert_eq!(read_both(&lake.at()).unwrap().rows, [json!({"id": 1, "kind": "k"})]);
    assert_eq!(parquet_files(&lake), 1, "the first plan's file must be gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_by_another_engine_meanwhile_needs_no_new_plan() {
    let lake = Arc::new(LocalLake::new());
    by_day(&lake).await;
    let meddled = Arc::clone(&lake);
    let foreign = async move { append_with_pyiceberg(&meddled, &[json!({"id": 99})]) };
    let (catalog, context) = overtaken(&lake, foreign);
    let report = deliver(&days(0..4), &context).await.unwrap();
    assert!(catalog.deed_is_done());
    assert_eq!((report.rows_committed, report.commit_attempts), (4, 2));
    assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), [0, 1, 2, 3, 99]);
    let seen = inspect(&lake.at()).unwrap();
    assert_eq!(seen["files"].as_array().unwrap().len(), parquet_files(&lake));
}
