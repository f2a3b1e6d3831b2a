//! Spark changes rows and columns between our batches, and every reader sees both sides' work.

use std::time::Duration;

use serde_json::{Value, json};
use tributary_ingest::Context;
use tributary_testkit::{read_with_duckdb, read_with_pyiceberg};
use tributary_tests::{Batch, definition, deliver, events_schema, ids, partitioned, row};

use crate::ground::{EQUALITY_DELETES, engines, files_of};

/// How much longer than before each batch of ingest waits in a race with Spark: on any machine the pause then comes to be longer
/// than a commit of Spark's takes.
const BATCH_PAUSE_GROWTH: Duration = Duration::from_millis(10);

/// Delivers rows of partition 0, which must all be new.
async fn deliver_new(context: &Context, offsets: std::ops::Range<i64>) {
    let count = u64::try_from(offsets.end - offsets.start).unwrap();
    let report = deliver(&Batch::new().rows(0, offsets).event(), context).await.unwrap();
    assert_eq!((report.rows_committed, report.rows_healed), (count, 0));
}

fn by_id(rows: &[Value], id: i64) -> &Value {
    rows.iter().find(|row| row["id"] == id).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_spark_deletes_at_their_positions_stay_deleted_while_ingest_goes_on() {
    const TABLE: &str = "spark_writes.deleted";
    let engines = engines();
    let lake = engines.lake_with(TABLE, definition(events_schema())).await;
    let context = lake.context(TABLE);
    deliver_new(&context, 0..20).await;
    engines.spark_delete_merge_on_read(&lake, TABLE, "id % 5 = 0");
    deliver_new(&context, 20..30).await;
    engines.spark_delete_merge_on_read(&lake, TABLE, "id IN (1, 21)");
    // What was deleted is not taken for what never came.
    let again = deliver(&Batch::new().rows(0, 0..30).event(), &lake.context(TABLE)).await.unwrap();
    assert_eq!((again.rows_committed, again.rows_redelivered), (0, 30));
    let kept: Vec<i64> = (0..30).filter(|id| (*id >= 20 || id % 5 != 0) && ![1, 21].contains(id)).collect();
    assert_eq!(ids(&engines.rows_everywhere(&lake, TABLE)), kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_deleted_by_equality_stay_deleted_and_the_same_values_can_come_again() {
    for (table, partition) in
        [("spark_writes.equal", None), ("spark_writes.equal_parts", Some((1, "id_bucket", "bucket[2]")))]
    {
        let engines = engines();
        let lake = engines.lake_with(table, partitioned(events_schema(), partition.as_slice())).await;
        let context = lake.context(table);
        deliver_new(&context, 0..10).await;
        engines.spark.delete_by_equality(table, &["id"], "id % 3 = 0").unwrap();
        deliver_new(&context, 10..14).await;
        assert!(files_of(&lake, table, EQUALITY_DELETES) > 0);
        // A later record with a deleted row's values is a new row.
        let same_values = Batch::new().json(0, 14, &row(0, 3)).event();
        assert_eq!(deliver(&same_values, &context).await.unwrap().rows_committed, 1);
        let expected: Vec<i64> = (0..14).filter(|id| *id >= 10 || id % 3 != 0 || *id == 3).collect();
        let by_duckdb = read_with_duckdb(&lake.at(table)).unwrap();
        assert_eq!(ids(&by_duckdb.rows), expected, "{table}");
        for engine in engines.both() {
            assert_eq!(engine.rows(table, None).unwrap(), by_duckdb, "{table}: {}", engine.name());
        }
        // PyIceberg 0.12 reads no such tables; once it does, all four are to be compared.
        assert!(read_with_pyiceberg(&lake.at(table)).is_err(), "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_spark_appends_updates_and_merges_are_read_beside_ingested_ones() {
    const TABLE: &str = "spark_writes.merged";
    let engines = engines();
    let lake = engines.lake_with(TABLE, partitioned(events_schema(), &[(1, "id_bucket", "bucket[2]")])).await;
    let context = lake.context(TABLE);
    deliver_new(&context, 0..10).await;
    engines.merge_on_read_by_spark(TABLE);
    engines.in_spark(
        TABLE,
        &[
            "INSERT INTO {table} (id, kind, amount, tags, address)
             VALUES (100, 'spark', 2.25, array('a', NULL), named_struct('city', 'Köln', 'zip', NULL))",
            "UPDATE {table} SET kind = 'updated', amount = amount + 1 WHERE id IN (3, 4)",
        ],
    );
    deliver_new(&context, 10..14).await;
    engines.in_spark(
        TABLE,
        &["MERGE INTO {table} t USING (SELECT * FROM VALUES (5L, 'x'), (12L, 'x'), (101L, 'merged') AS s(id, kind)) s ON t.id = s.id
           WHEN MATCHED AND t.id = 5 THEN DELETE
           WHEN MATCHED THEN UPDATE SET kind = 'merged'
           WHEN NOT MATCHED THEN INSERT (id, kind) VALUES (s.id, s.kind)"],
    );
    deliver_new(&context, 14..16).await;
    let rows = engines.rows_everywhere(&lake, TABLE);
    assert_eq!(ids(&rows), (0..16).filter(|id| *id != 5).chain([100, 101]).collect::<Vec<_>>());
    assert_eq!(by_id(&rows, 2)["kind"], row(0, 2)["kind"]);
    assert_eq!((&by_id(&rows, 3)["kind"], &by_id(&rows, 3)["amount"]), (&json!("updated"), &json!("2.50")));
    assert_eq!(by_id(&rows, 12)["kind"], "merged");
    assert_eq!(by_id(&rows, 100)["address"], json!({"city": "Köln", "zip": null}));
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_and_partitions_that_spark_changes_count_from_the_next_batch_on() {
    const TABLE: &str = "spark_writes.evolved";
    let engines = engines();
    let lake = engines.lake_with(TABLE, definition(events_schema())).await;
    let context = lake.context(TABLE);
    let send = async |offset: i64, row: Value| {
        let event = Batch::new().json(0, offset, &row).event();
        assert_eq!(deliver(&event, &context).await.unwrap().rows_committed, 1);
    };
    send(0, json!({"id": 0, "kind": "a", "colour": "too early", "tags": ["t"]})).await;
    engines.in_spark(
        TABLE,
        &["ALTER TABLE {table} ADD COLUMNS (colour string AFTER id, level int, address.geo struct<lat: double>)"],
    );
    send(1, json!({"id": 1, "kind": "b", "colour": "red", "level": 1, "address": {"geo": {"lat": 0.5}}})).await;
    engines.in_spark(
        TABLE,
        &[
            "ALTER TABLE {table} RENAME COLUMN kind TO sort",
            "ALTER TABLE {table} ALTER COLUMN level TYPE bigint",
            "ALTER TABLE {table} ALTER COLUMN amount TYPE decimal(20, 2)",
            "ALTER TABLE {table} DROP COLUMN tags",
            "ALTER TABLE {table} ADD PARTITION FIELD bucket(4, id)",
            "ALTER TABLE {table} WRITE ORDERED BY id",
        ],
    );
    send(
        2,
        json!({"id": 2, "sort": "c", "level": 3_000_000_000_i64, "amount": "123456789012345678.25", "tags": ["t"]}),
    )
    .await;
    engines.in_spark(TABLE, &["ALTER TABLE {table} REPLACE PARTITION FIELD bucket(4, id) WITH truncate(1, sort)"]);
    send(3, json!({"id": 3, "sort": "d"})).await;
    let geo = |value: Value| json!({"city": null, "zip": null, "geo": value});
    let expected = [
        json!({"id": 0, "colour": null, "event_time": null, "account_id": null, "sort": "a", "amount": null, "address": null, "level": null}),
        json!({"id": 1, "colour": "red", "event_time": null, "account_id": null, "sort": "b", "amount": null, "address": geo(json!({"lat": 0.5})), "level": 1}),
        json!({"id": 2, "colour": null, "event_time": null, "account_id": null, "sort": "c", "amount": "123456789012345678.25", "address": null, "level": 3_000_000_000_i64}),
        json!({"id": 3, "colour": null, "event_time": null, "account_id": null, "sort": "d", "amount": null, "address": null, "level": null}),
    ];
    assert_eq!(engines.rows_everywhere(&lake, TABLE), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_of_spark_and_ingest_at_the_same_time_lose_nothing() {
    const TABLE: &str = "spark_writes.raced";
    const INSERTS: i64 = 10;
    let engines = engines();
    let lake = engines.lake_with(TABLE, definition(events_schema())).await;
    let context = lake.context(TABLE);
    let retries = "'commit.retry.num-retries' = '100', 'commit.retry.max-wait-ms' = '500'";
    engines.in_spark(TABLE, &[&format!("ALTER TABLE {{table}} SET TBLPROPERTIES ({retries})")]);
    let spark = tokio::task::spawn_blocking(move || {
        for number in 0..INSERTS {
            engines.in_spark(TABLE, &[&format!("INSERT INTO {{table}} (id, kind) VALUES ({}, 'spark')", -1 - number)]);
        }
    });
    let (mut next, mut healed, mut pause) = (0, 0, Duration::ZERO);
    while !spark.is_finished() {
        pause += BATCH_PAUSE_GROWTH;
        tokio::time::sleep(pause).await;
        healed += deliver(&Batch::new().rows(0, next..next + 2).event(), &context).await.unwrap().rows_healed;
        next += 2;
    }
    spark.await.unwrap();
    assert_eq!(healed, 0, "Spark has overwritten a commit");
    assert_eq!(ids(&engines.rows_everywhere(&lake, TABLE)), (-INSERTS..next).collect::<Vec<_>>());
}
