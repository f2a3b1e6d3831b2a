//! INV-7: a commit of ours that a foreign writer overwrote is noticed at the next batch and put back once.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::collections::HashMap;
use std::sync::Arc;

use iceberg::spec::{NestedField, PrimitiveType, Schema, TableMetadata, Type};
use serde_json::json;
use tributary_ingest::Context;
use tributary_table::{Catalog, Swap, TableDefinition, TableState, parse_table_name};
use tributary_testkit::{FaultyCatalog, inspect, read_both};
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
    alter_in(lake.catalog(), base, column).await;
}

async fn alter_in(catalog: Arc<dyn Catalog>, base: &TableState, column: &str) {
    let id = base.metadata().last_column_id() + 1;
    let added = NestedField::optional(id, column, Type::Primitive(PrimitiveType::String)).into();
    let fields = base.schema().as_struct().fields().iter().cloned().chain([added]);
    let schema = Schema::builder().with_fields(fields).build().unwrap();
    let builder = TableMetadata::clone(base.metadata()).into_builder(Some(base.metadata_location().to_owned()));
    let altered = builder.add_current_schema(schema).unwrap().build().unwrap().metadata;
    let location = format!("{}/metadata/00099-{column}.metadata.json", altered.location());
    std::fs::write(location.strip_prefix("file://").unwrap(), serde_json::to_vec(&altered).unwrap()).unwrap();
    let ident = parse_table_name(TABLE).unwrap();
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
async fn a_commit_overwritten_longer_ago_than_the_metadata_log_goes_back_is_put_back_too() {
    let (lake, context) = lake().await;
    let base = lake.table().refresh().await.unwrap();
    deliver(&Batch::new().rows(0, 3..6).event(), &context).await.unwrap();
    alter_blindly(&lake, &base, "colour").await;
    // As many changes as make the log (of 100 entries) forget what was before the overwriting one.
    for number in 0..102 {
        let properties = HashMap::from([("change".to_owned(), number.to_string())]);
        lake.table().update(far(), |_, builder| Ok(builder.set_properties(properties.clone()).unwrap())).await.unwrap();
    }
    let report = deliver(&Batch::new().rows(0, 6..7).event(), &context).await.unwrap();
    assert_eq!((report.rows_healed, report.rows_committed, report.offset_gap), (3, 1, 0));
    assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), (0..7).collect::<Vec<_>>());
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
async fn a_commit_overwritten_in_the_middle_of_the_next_one_is_put_back_first() {
    let (lake, _) = lake().await;
    let catalog = Arc::new(FaultyCatalog::new(lake.catalog()));
    let context = Context::new(lake.table_in(catalog.clone()), None);
    deliver(&Batch::new().rows(1, 0..1).event(), &context).await.unwrap();
    let base = lake.table().refresh().await.unwrap();
    deliver(&Batch::new().rows(0, 3..6).event(), &context).await.unwrap();
    // Between the next batch's read, which still sees that commit, and its swap.
    let quicker = lake.catalog();
    catalog.before_next_swap(async move { alter_in(quicker, &base, "colour").await });
    let report = deliver(&Batch::new().rows(0, 6..9).event(), &context).await.unwrap();
    assert!(catalog.deed_is_done());
    assert_eq!((report.rows_healed, report.rows_committed, report.offset_gap), (3, 3, 0));
    let expected: Vec<i64> = (0..9).map(|offset| id(0, offset)).chain([id(1, 0)]).collect();
    assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_commit_is_put_back_after_others_settled_later_offsets_over_the_gap() {
    let (lake, first) = lake().await;
    let second = lake.context();
    let base = lake.table().refresh().await.unwrap();
    deliver(&Batch::new().rows(0, 3..6).event(), &first).await.unwrap();
    deliver(&Batch::new().rows(0, 6..9).event(), &second).await.unwrap();
    alter_blindly(&lake, &base, "colour").await;
    // Neither order of healing, nor an instance that remembers nothing, may leave the earlier commit out.
    assert_eq!(deliver(&Batch::new().rows(0, 9..10).event(), &lake.context()).await.unwrap().offset_gap, 6);
    assert_eq!(deliver(&Batch::new().rows(0, 10..11).event(), &second).await.unwrap().rows_healed, 3);
    assert_eq!(deliver(&Batch::new().rows(0, 11..12).event(), &first).await.unwrap().rows_healed, 3);
    assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), (0..12).collect::<Vec<_>>());
    let again = deliver(&Batch::new().rows(0, 3..12).event(), &first).await.unwrap();
    assert_eq!((again.rows_healed, again.rows_committed), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_id_given_twice_does_not_mix_up_columns() {
    let (lake, context) = lake().await;
    let base = lake.table().refresh().await.unwrap();
    lake.table().add_column("shape", &Type::Primitive(PrimitiveType::String), far()).await.unwrap();
    // The warm function decodes by schema 1 with `shape` ...
    deliver(&Batch::new().json(0, 3, &json!({"id": 3, "shape": "round"})).event(), &context).await.unwrap();
    // ... and another writer makes schema 1 anew, with `colour` under the same field id.
    alter_blindly(&lake, &base, "colour").await;
    let halted =
        deliver(&Batch::new().json(0, 4, &json!({"id": 4, "colour": "red"})).event(), &context).await.unwrap_err();
    assert_eq!(halted.kind(), "Halt", "the lost rows' files hold another column under that id: {halted}");
    let cold = lake.context();
    deliver(&Batch::new().json(0, 4, &json!({"id": 4, "colour": "red"})).event(), &cold).await.unwrap();
    let rows = read_both(&lake.at()).unwrap().rows;
    let colours: Vec<&serde_json::Value> = rows.iter().filter(|row| row["id"] == 4).map(|row| &row["colour"]).collect();
    assert_eq!(colours, [&json!("red")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_function_decodes_by_the_schema_and_not_by_its_id() {
    let lake = LocalLake::new();
    lake.table().create(definition(events_schema())).await.unwrap();
    let base = lake.table().refresh().await.unwrap();
    lake.table().add_column("shape", &Type::Primitive(PrimitiveType::String), far()).await.unwrap();
    let context = lake.context();
    // Decoded by schema 1, and rejected: nothing is committed that could be lost.
    deliver(&Batch::new().json(0, 0, &json!({"shape": "round"})).event(), &context).await.unwrap_err();
    alter_blindly(&lake, &base, "colour").await;
    deliver(&Batch::new().json(0, 0, &json!({"id": 0, "colour": "red"})).event(), &context).await.unwrap();
    assert_eq!(read_both(&lake.at()).unwrap().rows[0]["colour"], "red");
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

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_commit_that_fell_off_the_log_among_others_of_its_time_is_not_mistaken_for_one_either() {
    let lake = LocalLake::new();
    let properties = HashMap::from([("write.metadata.previous-versions-max".to_owned(), "3".to_owned())]);
    lake.table().create(TableDefinition { properties, ..definition(events_schema()) }).await.unwrap();
    let (context, other) = (lake.context(), lake.context());
    // All of one time: writers that wait for each other take that of the commit before.
    let mut expired = vec![deliver(&Batch::new().rows(0, 0..3).event(), &context).await.unwrap().snapshot_id.unwrap()];
    for offset in 0..8 {
        let report = deliver(&Batch::new().rows(1, offset..offset + 1).event(), &other).await.unwrap();
        expired.push(report.snapshot_id.unwrap());
    }
    deliver(&Batch::new().rows(0, 3..4).event(), &other).await.unwrap();
    lake.table().update(far(), |_, builder| Ok(builder.remove_snapshots(&expired))).await.unwrap();
    let report = deliver(&Batch::new().rows(0, 4..6).event(), &context).await.unwrap();
    assert_eq!((report.rows_healed, report.rows_committed), (0, 2));
    let expected: Vec<i64> = (0..6).map(|offset| id(0, offset)).chain((0..8).map(|offset| id(1, offset))).collect();
    assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), expected);
}
