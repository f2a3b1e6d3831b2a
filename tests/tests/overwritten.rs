//! INV-7: a commit of ours that a foreign writer overwrote is noticed at the next batch and put back once.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use iceberg::spec::{NestedField, PrimitiveType, Schema, TableMetadata, Type};
use serde_json::json;
use tributary_ingest::Context;
use tributary_table::{Swap, TableState, parse_table_name};
use tributary_testkit::{inspect, read_both};
use tributary_tests::{Batch, LocalLake, TABLE, definition, deliver, events_schema, far, id, ids};

async fn lake() -> (LocalLake, Context) {
    let lake = LocalLake::new();
    lake.table().create(definition(events_schema())).await.unwrap();
    let context = lake.context();
    deliver(&Batch::new().rows(0, 0..3).event(), &context).await.unwrap();
    (lake, context)
}

/// Adds a column on top of `base` and points the table there, whatever it holds by now: what Trino's ALTER TABLE does in Glue.
async fn alter_blindly(lake: &LocalLake, base: &TableState, column: &str) {
    let id = base.metadata().last_column_id() + 1;
    let added = NestedField::optional(id, column, Type::Primitive(PrimitiveType::String)).into();
    let fields = base.schema().as_struct().fields().iter().cloned().chain([added]);
    let schema = Schema::builder().with_fields(fields).build().unwrap();
    let builder = TableMetadata::clone(base.metadata()).into_builder(Some(base.metadata_location().to_owned()));
    let altered = builder.add_current_schema(schema).unwrap().build().unwrap().metadata;
    let location = format!("{}/metadata/00099-{column}.metadata.json", altered.location());
    std::fs::write(location.strip_prefix("file://").unwrap(), serde_json::to_vec(&altered).unwrap()).unwrap();
    let (catalog, ident) = (lake.catalog(), parse_table_name(TABLE).unwrap());
    let now = catalog.pointer(&ident).await.unwrap();
    assert_eq!(catalog.swap(&ident, &now, &location, &altered).await.unwrap(), Swap::Swapped);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overwritten_commit_is_put_back_once_and_the_foreign_change_stays() {
    let (lake, context) = lake().await;
    let base = lake.table().refresh().await.unwrap();
    let lost = deliver(&Batch::new().rows(0, 3..6).rows(1, 0..2).event(), &context).await.unwrap().snapshot_id.unwrap();
    deliver(&Batch::new().rows(0, 6..7).event(), &context).await.unwrap();
    alter_blindly(&lake, &base, "colour").await;
    assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), [0, 1, 2], "the foreign writer has overwritten nothing");

    let report = deliver(&Batch::new().json(0, 7, &json!({"id": 7, "colour": "red"})).event(), &context).await.unwrap();
    assert_eq!((report.rows_healed, report.rows_committed), (6, 1));
    let table = read_both(&lake.at()).unwrap();
    let expected: Vec<i64> = (0..8).map(|offset| id(0, offset)).chain([id(1, 0), id(1, 1)]).collect();
    assert_eq!(ids(&table.rows), expected);
    assert!(table.columns.contains(&"colour".to_owned()));
    let snapshots = inspect(&lake.at()).unwrap()["snapshots"].clone();
    let lost = json!(lost.to_string());
    let heals = |snapshot: &serde_json::Value| snapshot["summary"]["tributary.heals-snapshot-id"] == lost;
    assert!(snapshots.as_array().unwrap().iter().any(heals), "{snapshots}");

    // The same batches again: the checkpoint covers what was put back.
    let again = deliver(&Batch::new().rows(0, 3..8).rows(1, 0..2).event(), &context).await.unwrap();
    assert_eq!((again.rows_healed, again.rows_committed, again.rows_redelivered), (0, 0, 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_commit_whose_records_came_again_is_not_put_back() {
    let (lake, context) = lake().await;
    let base = lake.table().refresh().await.unwrap();
    let event = Batch::new().rows(0, 3..6).event();
    deliver(&event, &context).await.unwrap();
    alter_blindly(&lake, &base, "colour").await;
    // Another instance, which remembers nothing, gets the records first.
    assert_eq!(deliver(&event, &lake.context()).await.unwrap().rows_committed, 3);
    let report = deliver(&Batch::new().rows(0, 6..7).event(), &context).await.unwrap();
    assert_eq!((report.rows_healed, report.rows_committed), (0, 1));
    assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), (0..7).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_or_rolled_back_commit_is_not_mistaken_for_an_overwritten_one() {
    let (lake, context) = lake().await;
    let expired = deliver(&Batch::new().rows(0, 3..6).event(), &context).await.unwrap().snapshot_id.unwrap();
    deliver(&Batch::new().rows(0, 6..7).event(), &context).await.unwrap();
    lake.table().update(far(), |_, builder| Ok(builder.remove_snapshots(&[expired]))).await.unwrap();
    let report = deliver(&Batch::new().rows(0, 7..8).event(), &context).await.unwrap();
    assert_eq!((report.rows_healed, report.rows_committed), (0, 1));
    assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), (0..8).collect::<Vec<_>>());
}
