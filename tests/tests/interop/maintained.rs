//! Tables that our functions compacted, expired and shortened: all four readers find in them what they found before.

use iceberg::spec::Schema;
use serde_json::{Value, json};
use tributary_testkit::read_both;
use tributary_tests::{Batch, GlueLake, definition, deliver, events_schema, ids, partitioned, schema, type_cases};

use crate::ground::{POSITION_DELETES, engines, files_of};
use crate::jobs::{compact, compact_keeps, everything, expire, pairs, retain};

/// Ingests rows into a new table, a batch each.
async fn ingested_each(table: &str, columns: Schema, rows: &[Value]) -> GlueLake {
    let lake = engines().lake_with(table, definition(columns)).await;
    let context = lake.context(table);
    for (offset, row) in (0..).zip(rows) {
        deliver(&Batch::new().json(0, offset, row).event(), &context).await.unwrap();
    }
    lake
}

#[tokio::test(flavor = "multi_thread")]
async fn every_primitive_but_time_is_the_same_to_all_after_compaction_and_expiry() {
    const TABLE: &str = "maintained_types.timeless";
    let all = type_cases::every_primitive();
    let fields = all.as_struct().fields().iter().filter(|field| field.name != "clock").cloned();
    let columns = Schema::builder().with_fields(fields).build().unwrap();
    let mut rows = type_cases::extreme_rows();
    for row in &mut rows {
        row.as_object_mut().unwrap().remove("clock");
    }
    let lake = ingested_each(TABLE, columns, &rows).await;
    let filters = ["flag = true", "small < 0", "big > 0", "name > 'y'", "name IS NULL", "instant IS NULL"];
    let report = compact_keeps(engines(), &lake, TABLE, pairs(), &filters).await;
    assert_eq!((report.files_rewritten, report.files_added), (4, 1));
    assert_eq!(expire(&lake, TABLE).await.data_files, 4);
    assert_eq!(engines().rows_everywhere(&lake, TABLE), rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_and_nested_columns_are_the_same_to_those_who_read_them() {
    const TIMES: &str = "maintained_types.primitives";
    let rows = type_cases::extreme_rows();
    let lake = ingested_each(TIMES, type_cases::every_primitive(), &rows).await;
    compact(&lake, TIMES, pairs()).await;
    expire(&lake, TIMES).await;
    assert_eq!(read_both(&lake.at(TIMES)).unwrap().rows, rows);
    assert_eq!(engines().trino.rows(TIMES, None).unwrap().rows, rows);

    const NESTED: &str = "maintained_types.nested";
    let lake = ingested_each(NESTED, type_cases::nested(), &type_cases::nested_rows()).await;
    compact(&lake, NESTED, pairs()).await;
    expire(&lake, NESTED).await;
    for engine in engines().both() {
        assert_eq!(engine.rows(NESTED, None).unwrap().rows, type_cases::nested_rows_read(), "{}", engine.name());
    }
}

/// A row of a day of 2026, four a month; columns that are not there yet, or no longer, are ignored.
fn dated(id: i64) -> Value {
    let day = format!("2026-{:02}-{:02}", 1 + id / 4 % 4, 1 + 7 * (id % 4));
    let kind = ["ab", "abc", "b"][usize::try_from(id % 3).unwrap()];
    json!({"id": id, "day": day, "kind": kind, "sort": kind, "small": id, "price": "1.25", "colour": "red", "level": id})
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_and_partitions_changed_by_spark_and_trino_come_out_alike_and_old_days_go() {
    const TABLE: &str = "maintained.evolved";
    let columns = schema(&[
        (1, "id", true, json!("long")),
        (2, "day", false, json!("date")),
        (3, "kind", false, json!("string")),
        (4, "small", false, json!("int")),
        (5, "price", false, json!("decimal(9, 2)")),
    ]);
    let engines = engines();
    let lake = engines.lake_with(TABLE, partitioned(columns, &[(2, "day_month", "month")])).await;
    let context = lake.context(TABLE);
    let send = async |numbers: std::ops::Range<i64>| {
        let batch = numbers.fold(Batch::new(), |batch, number| batch.json(0, number, &dated(number)));
        deliver(&batch.event(), &context).await.unwrap()
    };
    send(0..16).await;
    engines.in_spark(
        TABLE,
        &[
            "ALTER TABLE {table} ADD COLUMN colour string AFTER id",
            "ALTER TABLE {table} RENAME COLUMN kind TO sort",
            "ALTER TABLE {table} ALTER COLUMN small TYPE bigint",
            "ALTER TABLE {table} ALTER COLUMN price TYPE decimal(20, 2)",
            "ALTER TABLE {table} REPLACE PARTITION FIELD day_month WITH days(day)",
            "ALTER TABLE {table} ADD PARTITION FIELD bucket(2, id)",
        ],
    );
    send(16..32).await;
    engines.in_trino(
        TABLE,
        &[
            "ALTER TABLE {table} ADD COLUMN level integer",
            "ALTER TABLE {table} DROP COLUMN colour",
            "ALTER TABLE {table} ADD COLUMN colour varchar",
            "ALTER TABLE {table} SET PROPERTIES partitioning = ARRAY['day(day)', 'truncate(sort, 2)']",
        ],
    );
    send(32..48).await;
    let filters = ["id = 17", "small > 40", "sort = 'abc'", "colour IS NULL", "level >= 33 AND id < 40"];
    let before = engines.found_everywhere(&lake, TABLE, &filters);
    let counts: Vec<usize> = before.iter().map(Vec::len).collect();
    assert_eq!(counts, [48, 1, 7, 16, 32, 7]);
    compact_keeps(engines, &lake, TABLE, everything(), &filters).await;

    // The newest day is April 22nd: what is left begins with March 1st.
    let report = retain(&lake, TABLE, &json!({"column": "day", "retain": "52d"})).await;
    assert_eq!((report.rows_expired, report.files_straddling), (24, 0), "{report:?}");
    let left: Vec<Value> = before[0].iter().filter(|row| row["day"].as_str().unwrap() >= "2026-03").cloned().collect();
    assert_eq!(engines.rows_everywhere(&lake, TABLE), left);
    assert!(expire(&lake, TABLE).await.data_files > 0);
    assert_eq!(engines.rows_everywhere(&lake, TABLE), left);

    // Old days that come again are not new, and new ones are.
    assert_eq!(send(0..48).await.rows_redelivered, 48);
    assert_eq!(send(44..52).await.rows_committed, 4);
    let expected: Vec<i64> = ids(&left).into_iter().chain(48..52).collect();
    assert_eq!(ids(&engines.rows_everywhere(&lake, TABLE)), expected);
}

/// Two rows of a day of November 2025.
fn timed(id: i64) -> Value {
    json!({"id": id, "event_time": format!("2025-11-{:02}T12:00:00Z", 1 + id / 2), "kind": "ours"})
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_spark_and_trino_wrote_and_deleted_from_go_when_they_are_past() {
    const TABLE: &str = "maintained.retired";
    let engines = engines();
    let lake = engines.lake_with(TABLE, definition(events_schema())).await;
    let context = lake.context(TABLE);
    for id in (0..40).step_by(2) {
        let batch = Batch::new().json(0, id, &timed(id)).json(0, id + 1, &timed(id + 1));
        deliver(&batch.event(), &context).await.unwrap();
    }
    engines.in_spark(
        TABLE,
        &[
            "INSERT INTO {table} (id, event_time) VALUES (100, TIMESTAMP '2025-11-03 00:00:00.000001Z')",
            "INSERT INTO {table} (id, event_time) VALUES (101, TIMESTAMP '2025-11-19 00:00:00Z'), (102, NULL)",
        ],
    );
    engines.in_trino(
        TABLE,
        &[
            "INSERT INTO {table} (id, event_time) VALUES (200, TIMESTAMP '2025-11-04 23:59:59.999999 UTC')",
            "INSERT INTO {table} (id, event_time) VALUES (201, TIMESTAMP '2025-11-20 11:59:59.999999 UTC')",
        ],
    );
    engines.spark_delete_merge_on_read(&lake, TABLE, "id IN (4, 30)");
    let kept = |id: &i64| ![4, 30].contains(id);
    let before: Vec<i64> = (0..40).chain([100, 101, 102, 200, 201]).filter(kept).collect();
    assert_eq!(ids(&engines.rows_everywhere(&lake, TABLE)), before);

    // Newest is the 20th at noon: what is before the 10th at noon is past.
    let report = retain(&lake, TABLE, &json!({"column": "event_time", "retain": "10d", "level": "file"})).await;
    assert_eq!((report.files_removed, report.files_with_nulls), (11, 1), "{report:?}");
    let left: Vec<i64> = (18..40).chain([101, 102, 201]).filter(kept).collect();
    assert_eq!(ids(&engines.rows_everywhere(&lake, TABLE)), left);
    expire(&lake, TABLE).await;
    assert_eq!(ids(&engines.rows_everywhere(&lake, TABLE)), left);
    compact_keeps(engines, &lake, TABLE, everything(), &["id = 31", "id > 100", "event_time IS NULL"]).await;
    assert_eq!(files_of(&lake, TABLE, POSITION_DELETES), 0);
    expire(&lake, TABLE).await;
    assert_eq!(ids(&engines.rows_everywhere(&lake, TABLE)), left);
}
