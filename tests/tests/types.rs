//! Every type from JSON to both readers, and INV-3: the table's current schema is the only one, whoever changes it.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use iceberg::spec::{FormatVersion, PrimitiveType, Schema, Type};
use serde_json::{Value, json};
use tributary_testkit::{read_both, read_with_duckdb, read_with_pyiceberg};
use tributary_tests::{Batch, LocalLake, definition, deliver, evolve_with_pyiceberg, far, schema, type_cases};

/// Ingests rows into a new table, one record each.
async fn ingested(columns: Schema, rows: &[Value]) -> LocalLake {
    let lake = LocalLake::new();
    lake.table().create(definition(columns)).await.unwrap();
    let batch = (0..).zip(rows).fold(Batch::new(), |batch, (offset, row)| batch.json(0, offset, row));
    assert_eq!(deliver(&batch.event(), &lake.context()).await.unwrap().rows_committed, rows.len() as u64);
    lake
}

#[tokio::test(flavor = "multi_thread")]
async fn every_primitive_arrives_at_its_extremes_as_both_readers_say() {
    let rows = type_cases::extreme_rows();
    let lake = ingested(type_cases::every_primitive(), &rows).await;
    assert_eq!(read_both(&lake.at()).unwrap().rows, rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_fields_are_null_and_other_spellings_mean_the_same() {
    let rows = [
        json!({"id": 1}),
        // Numbers for decimals, letters in upper case, offsets, short fractions, a space for the T.
        json!({"id": 2, "price": 12.5, "wide": 1e3, "instant": "2026-11-21T12:30:00.5+05:30", "wall": "2026-11-21 12:30:00",
               "clock": "07:08:09.1", "key": "F79C3E09-677C-4BBD-A479-3F349CB785E7", "code": "00FF00FF", "raw": "AB", "amount": 1, "ratio": 0.1}),
    ];
    let lake = ingested(type_cases::every_primitive(), &rows).await;
    let found = read_both(&lake.at()).unwrap().rows;
    assert_eq!(found[0].as_object().unwrap().values().filter(|value| value.is_null()).count(), 16);
    let expected = [
        ("price", json!("12.50")),
        ("wide", json!("1000.0000000000")),
        ("instant", json!("2026-11-21T07:00:00.500000Z")),
        ("wall", json!("2026-11-21T12:30:00.000000")),
        ("clock", json!("07:08:09.100000")),
        ("key", json!("f79c3e09-677c-4bbd-a479-3f349cb785e7")),
        ("code", json!("00ff00ff")),
        ("raw", json!("ab")),
        ("amount", json!(1.0)),
        // The nearest 32-bit value, shown as the double that it is.
        ("ratio", json!(0.100_000_001_490_116_12)),
    ];
    for (column, value) in expected {
        assert_eq!(found[1][column], value, "{column}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn negative_zero_stays_negative() {
    let columns = schema(&[
        (1, "id", true, json!("long")),
        (2, "ratio", false, json!("float")),
        (3, "amount", false, json!("double")),
    ]);
    let lake = LocalLake::new();
    lake.table().create(definition(columns)).await.unwrap();
    let batch = Batch::new().bytes(0, 0, br#"{"id": 1, "ratio": -0.0, "amount": -0.0}"#);
    deliver(&batch.event(), &lake.context()).await.unwrap();
    for found in [read_with_pyiceberg(&lake.at()).unwrap(), read_with_duckdb(&lake.at()).unwrap()] {
        for column in ["ratio", "amount"] {
            let value = found.rows[0][column].as_f64().unwrap();
            assert!(value == 0.0 && value.is_sign_negative(), "{column}: {value}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_columns_of_every_kind_arrive_as_both_readers_say() {
    let lake = ingested(type_cases::nested(), &type_cases::nested_rows()).await;
    let mut expected = type_cases::nested_rows_read();
    assert_eq!(read_with_duckdb(&lake.at()).unwrap().rows, expected);
    // PyIceberg 0.12 shows a NULL list or map of structs as an empty one, also where it wrote it itself.
    for row in &mut expected {
        for column in ["lines", "devices"] {
            if row[column].is_null() {
                row[column] = json!([]);
            }
        }
    }
    assert_eq!(read_with_pyiceberg(&lake.at()).unwrap().rows, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn uuids_below_other_columns_are_read_by_both() {
    let uuid = "f79c3e09-677c-4bbd-a479-3f349cb785e7";
    let columns = schema(&[
        (1, "id", true, json!("long")),
        (
            2,
            "device",
            false,
            json!({"type": "struct", "fields": [{"id": 10, "name": "key", "required": false, "type": "uuid"}]}),
        ),
        (3, "keys", false, json!({"type": "list", "element-id": 11, "element": "uuid", "element-required": false})),
    ]);
    let lake = ingested(columns, &[json!({"id": 1, "device": {"key": uuid}, "keys": [uuid, null]})]).await;
    for found in [read_with_pyiceberg(&lake.at()).unwrap(), read_with_duckdb(&lake.at()).unwrap()] {
        // Below the top level an engine may give the bytes without their type: hex digits without dashes.
        let row = found.rows[0].to_string().replace('-', "");
        assert_eq!(row.matches(&uuid.replace('-', "")).count(), 2, "{row}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_of_five_megabytes_arrives_whole() {
    let text = "0123456789abcde\u{e9}".repeat(320_000);
    let columns = schema(&[(1, "id", true, json!("long")), (2, "name", false, json!("string"))]);
    let lake = ingested(columns, &[json!({"id": 1, "name": text}), json!({"id": 2, "name": "short"})]).await;
    let rows = read_both(&lake.at()).unwrap().rows;
    assert!(rows[0]["name"] == text.as_str(), "the long text came back changed");
    assert_eq!(rows[1], json!({"id": 2, "name": "short"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn nanoseconds_arrive_in_a_table_upgraded_to_version_3() {
    let lake = LocalLake::new();
    lake.table().create(definition(schema(&[(1, "id", true, json!("long"))]))).await.unwrap();
    let context = lake.context();
    deliver(&Batch::new().json(0, 0, &json!({"id": 1})).event(), &context).await.unwrap();
    let upgrade =
        lake.table().update(far(), |_, builder| Ok(builder.upgrade_format_version(FormatVersion::V3).unwrap())).await;
    assert_eq!(upgrade.unwrap().state.metadata().format_version(), FormatVersion::V3);
    let table = lake.table();
    table.add_column("wall", &Type::Primitive(PrimitiveType::TimestampNs), far()).await.unwrap();
    table.add_column("instant", &Type::Primitive(PrimitiveType::TimestamptzNs), far()).await.unwrap();
    let row =
        json!({"id": 2, "wall": "1969-12-31T23:59:59.999999999", "instant": "2026-11-21T12:30:00.123456789+01:00"});
    deliver(&Batch::new().json(0, 1, &row).event(), &context).await.unwrap();
    let rows = read_with_pyiceberg(&lake.at()).unwrap().rows;
    let expected = [
        json!({"id": 1, "wall": null, "instant": null}),
        json!({"id": 2, "wall": "1969-12-31T23:59:59.999999999", "instant": "2026-11-21T11:30:00.123456789Z"}),
    ];
    assert_eq!(rows, expected);
}

/// A table with `id`, `name` and `count`, one row in it, and a warm function.
async fn warm() -> (LocalLake, tributary_ingest::Context) {
    let lake = LocalLake::new();
    let columns = schema(&[
        (1, "id", true, json!("long")),
        (2, "name", false, json!("string")),
        (3, "count", false, json!("int")),
    ]);
    lake.table().create(definition(columns)).await.unwrap();
    let context = lake.context();
    let first = json!({"id": 1, "name": "a", "count": 1, "extra": 1.5, "title": "t", "seen": "2026-11-21T10:00:00Z"});
    deliver(&Batch::new().json(0, 0, &first).event(), &context).await.unwrap();
    (lake, context)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_added_by_another_engine_is_filled_by_the_next_batch() {
    let (lake, context) = warm().await;
    evolve_with_pyiceberg(&lake, &json!({"add": [["extra", "double"], ["seen", "timestamptz"]]}));
    let second = json!({"id": 2, "name": "b", "extra": 2.5, "seen": "2026-11-21T10:00:00Z"});
    deliver(&Batch::new().json(0, 1, &second).event(), &context).await.unwrap();
    let expected = [
        json!({"id": 1, "name": "a", "count": 1, "extra": null, "seen": null}),
        json!({"id": 2, "name": "b", "count": null, "extra": 2.5, "seen": "2026-11-21T10:00:00.000000Z"}),
    ];
    assert_eq!(read_both(&lake.at()).unwrap().rows, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_dropped_by_another_engine_is_gone_and_added_again_starts_empty() {
    let (lake, context) = warm().await;
    evolve_with_pyiceberg(&lake, &json!({"drop": ["name"]}));
    let report = deliver(&Batch::new().json(0, 1, &json!({"id": 2, "name": "b"})).event(), &context).await.unwrap();
    assert_eq!(report.fields_ignored, 1);
    assert_eq!(read_both(&lake.at()).unwrap().rows, [json!({"id": 1, "count": 1}), json!({"id": 2, "count": null})]);
    evolve_with_pyiceberg(&lake, &json!({"add": [["name", "string"]]}));
    deliver(&Batch::new().json(0, 2, &json!({"id": 3, "name": "c"})).event(), &context).await.unwrap();
    let names: Vec<Value> = read_both(&lake.at()).unwrap().rows.iter().map(|row| row["name"].clone()).collect();
    assert_eq!(names, [json!(null), json!(null), json!("c")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_widened_by_another_engine_takes_larger_numbers() {
    let (lake, context) = warm().await;
    let large = Batch::new().json(0, 1, &json!({"id": 2, "count": 3_000_000_000_i64})).event();
    let error = deliver(&large, &context).await.unwrap_err();
    assert!(error.to_string().contains("column `count`: expected int, found number 3000000000"), "{error}");
    evolve_with_pyiceberg(&lake, &json!({"widen": [["count", "long"]]}));
    deliver(&large, &context).await.unwrap();
    let counts: Vec<Value> = read_both(&lake.at()).unwrap().rows.iter().map(|row| row["count"].clone()).collect();
    assert_eq!(counts, [json!(1), json!(3_000_000_000_i64)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_renamed_by_another_engine_is_filled_under_its_new_name() {
    let (lake, context) = warm().await;
    evolve_with_pyiceberg(&lake, &json!({"rename": [["name", "title"]]}));
    let report = deliver(&Batch::new().json(0, 1, &json!({"id": 2, "title": "b", "name": "old"})).event(), &context)
        .await
        .unwrap();
    assert_eq!(report.fields_ignored, 1);
    let expected = [json!({"id": 1, "title": "a", "count": 1}), json!({"id": 2, "title": "b", "count": null})];
    assert_eq!(read_both(&lake.at()).unwrap().rows, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_add_and_drop_take_effect_with_the_next_batch_too() {
    let (lake, context) = warm().await;
    let nested: Type = serde_json::from_value(
        json!({"type": "struct", "fields": [{"id": 1, "name": "model", "required": false, "type": "string"}]}),
    )
    .unwrap();
    lake.table().add_column("device", &nested, far()).await.unwrap();
    lake.table().drop_column("count", far()).await.unwrap();
    deliver(&Batch::new().json(0, 1, &json!({"id": 2, "device": {"model": "m"}, "count": 5})).event(), &context)
        .await
        .unwrap();
    let expected =
        [json!({"id": 1, "name": "a", "device": null}), json!({"id": 2, "name": null, "device": {"model": "m"}})];
    assert_eq!(read_both(&lake.at()).unwrap().rows, expected);
}
