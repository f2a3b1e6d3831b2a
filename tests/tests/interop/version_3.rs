//! A table that another engine upgraded to format version 3 is appended to, and its rows get the ids that version gives them.

use serde_json::json;
use tributary_testkit::{TableRows, read_with_pyiceberg};
use tributary_tests::{Batch, definition, deliver, events_schema, ids};

use crate::ground::engines;

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_spark_upgraded_is_appended_to_and_each_row_has_an_id_of_its_own() {
    const TABLE: &str = "version_3.events";
    let engines = engines();
    let lake = engines.lake_with(TABLE, definition(events_schema())).await;
    let context = lake.context(TABLE);
    deliver(&Batch::new().rows(0, 0..10).event(), &context).await.unwrap();
    engines.in_spark(TABLE, &["ALTER TABLE {table} SET TBLPROPERTIES ('format-version' = '3')"]);
    deliver(&Batch::new().rows(0, 10..20).event(), &context).await.unwrap();
    assert_eq!(ids(&engines.rows_everywhere(&lake, TABLE)), (0..20).collect::<Vec<_>>());

    // In this version Spark deletes by deletion vectors.
    engines.merge_on_read_by_spark(TABLE);
    engines.in_spark(TABLE, &["DELETE FROM {table} WHERE id % 5 = 0"]);
    deliver(&Batch::new().rows(0, 20..24).event(), &context).await.unwrap();
    let kept: Vec<i64> = (0..24).filter(|id| *id >= 20 || id % 5 != 0).collect();
    for engine in engines.both() {
        assert_eq!(ids(&engine.rows(TABLE, None).unwrap().rows), kept, "{}", engine.name());
    }
    assert_eq!(ids(&read_with_pyiceberg(&lake.at(TABLE)).unwrap().rows), kept);

    let row_ids: TableRows = engines
        .spark
        .sql(&format!(
            "SELECT count(*) AS all, count(_row_id) AS given, count(DISTINCT _row_id) AS own FROM lake.{TABLE}"
        ))
        .unwrap();
    assert_eq!(row_ids.rows, [json!({"all": kept.len(), "given": kept.len(), "own": kept.len()})]);
}
