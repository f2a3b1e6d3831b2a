//! A table that another engine upgraded to format version 3 is appended to, and its rows get the ids that version gives them. What would
//! lose these ids is refused; snapshots expire as in any table.

use serde_json::json;
use tributary_compaction::Compaction;
use tributary_function::JobErrorKind;
use tributary_retention::Retention;
use tributary_testkit::{TableRows, read_with_pyiceberg};
use tributary_tests::{Batch, definition, deliver, events_schema, ids};

use crate::ground::engines;
use crate::jobs::{everything, expire, run};

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

#[tokio::test(flavor = "multi_thread")]
async fn its_files_are_not_rewritten_or_removed_and_its_snapshots_expire() {
    const TABLE: &str = "version_3.maintained";
    let engines = engines();
    let lake = engines.lake().await;
    engines.in_spark(
        TABLE,
        &[
            "CREATE NAMESPACE IF NOT EXISTS lake.version_3",
            "CREATE TABLE {table} (id bigint NOT NULL, event_time timestamp, kind string) USING iceberg
             TBLPROPERTIES ('format-version' = '3', 'write.delete.mode' = 'merge-on-read')",
        ],
    );
    let context = lake.context(TABLE);
    let row = |id: i64| json!({"id": id, "event_time": format!("2025-11-{:02}T00:00:00Z", 1 + id)});
    for id in 0..10 {
        deliver(&Batch::new().json(0, id, &row(id)).event(), &context).await.unwrap();
    }
    engines.in_spark(
        TABLE,
        &[
            "CALL lake.system.rewrite_data_files(table => 'version_3.maintained', options => map('rewrite-all', 'true'))",
            "DELETE FROM {table} WHERE id IN (2, 3)",
            "DELETE FROM {table} WHERE id IN (5, 7)",
        ],
    );
    let row_ids = || engines.spark.sql(&format!("SELECT id, _row_id FROM lake.{TABLE}")).unwrap().rows;
    let before = row_ids();
    assert_eq!(ids(&before), [0, 1, 4, 6, 8, 9]);

    let compaction = run(Compaction, &lake, TABLE, &everything()).await.unwrap_err();
    let past = json!({"column": "event_time", "retain": "5d", "level": "file"});
    let retention = run(Retention, &lake, TABLE, &past).await.unwrap_err();
    for error in [compaction, retention] {
        assert_eq!(error.kind(), JobErrorKind::Halt);
        let words = ["`version_3.maintained`", "expected format version 2", "found format version 3"];
        assert!(words.iter().all(|word| error.to_string().contains(word)), "{error}");
    }

    // The first deletion vector is part of no snapshot that is left; the second has its rows, too.
    let report = expire(&lake, TABLE).await;
    assert_eq!((report.snapshots_kept, report.data_files, report.delete_files), (1, 10, 1), "{report:?}");
    assert_eq!(row_ids(), before);
    for engine in engines.both() {
        assert_eq!(ids(&engine.rows(TABLE, None).unwrap().rows), ids(&before), "{}", engine.name());
    }
    assert_eq!(deliver(&Batch::new().json(0, 10, &row(10)).event(), &context).await.unwrap().rows_committed, 1);
    assert_eq!(ids(&row_ids()), [0, 1, 4, 6, 8, 9, 10]);
}
