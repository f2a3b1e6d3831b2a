//! Tables that another engine made are fed like our own.

use serde_json::{Value, json};
use tributary_tests::{Batch, GlueLake, deliver};

use crate::ground::engines;

fn rows() -> [Value; 3] {
    let row = |id: i64, instant: &str, kind: Value, device: Value| json!({"id": id, "instant": instant, "kind": kind, "amount": "1.50", "tags": ["a", null], "device": device});
    [
        row(1, "1969-12-31T23:59:59.999999Z", json!("a"), json!({"os": "linux", "version": 6})),
        row(2, "2026-11-21T10:00:00.000001Z", json!("b"), json!({"os": null, "version": null})),
        row(3, "2026-11-21T23:59:59.999999Z", json!(null), json!({"os": "bsd", "version": null})),
    ]
}

async fn feed(lake: &GlueLake, table: &str) {
    let context = lake.context(table);
    for (offset, row) in (0..).zip(rows()) {
        let report = deliver(&Batch::new().json(0, offset, &row).event(), &context).await.unwrap();
        assert_eq!((report.rows_committed, report.fields_ignored), (1, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_spark_made_is_fed() {
    const TABLE: &str = "made_by_spark.events";
    let engines = engines();
    let lake = engines.lake().await;
    engines.in_spark(
        TABLE,
        &[
            "CREATE NAMESPACE IF NOT EXISTS lake.made_by_spark",
            "CREATE TABLE {table} (id bigint NOT NULL, instant timestamp, kind string, amount decimal(12,2), tags array<string>,
                 device struct<os: string, version: int>)
             USING iceberg PARTITIONED BY (days(instant), kind) TBLPROPERTIES ('format-version' = '2')",
        ],
    );
    feed(&lake, TABLE).await;
    assert_eq!(engines.rows_everywhere(&lake, TABLE), rows());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_trino_made_is_fed() {
    const TABLE: &str = "made_by_trino.events";
    let engines = engines();
    let lake = engines.lake().await;
    lake.server().create_database("made_by_trino").unwrap();
    engines.in_trino(
        TABLE,
        &["CREATE TABLE {table} (id bigint NOT NULL, instant timestamp(6) with time zone, kind varchar, amount decimal(12,2), tags array(varchar),
               device row(os varchar, version integer))
           WITH (location = 's3://lake/made_by_trino/events', format_version = 2, partitioning = ARRAY['day(instant)', 'kind'], sorted_by = ARRAY['id'])"],
    );
    feed(&lake, TABLE).await;
    assert_eq!(engines.rows_everywhere(&lake, TABLE), rows());
}
