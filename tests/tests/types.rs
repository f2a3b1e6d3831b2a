//! Every type from JSON to both readers, and INV-3: the table's current schema is the only one, whoever changes it.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use iceberg::spec::{FormatVersion, PrimitiveType, Schema, Type};
use serde_json::{Value, json};
use tributary_testkit::{read_both, read_with_duckdb, read_with_pyiceberg};
use tributary_tests::{Batch, LocalLake, definition, deliver, evolve_with_pyiceberg, far, schema};

/// Ingests rows into a new table, one record each.
async fn ingested(columns: Schema, rows: &[Value]) -> LocalLake {
    let lake = LocalLake::new();
    lake.table().create(definition(columns)).await.unwrap();
    let batch = (0..).zip(rows).fold(Batch::new(), |batch, (offset, row)| batch.json(0, offset, row));
    assert_eq!(deliver(&batch.event(), &lake.context()).await.unwrap().rows_committed, rows.len() as u64);
    lake
}

fn every_primitive() -> Schema {
    schema(&[
        (1, "id", true, json!("long")),
        (2, "flag", false, json!("boolean")),
        (3, "small", false, json!("int")),
        (4, "big", false, json!("long")),
        (5, "ratio", false, json!("float")),
        (6, "amount", false, json!("double")),
        (7, "price", false, json!("decimal(9, 2)")),
        (8, "sum", false, json!("decimal(18, 6)")),
        (9, "wide", false, json!("decimal(38, 10)")),
        (10, "day", false, json!("date")),
        (11, "clock", false, json!("time")),
        (12, "wall", false, json!("timestamp")),
        (13, "instant", false, json!("timestamptz")),
        (14, "name", false, json!("string")),
        (15, "key", false, json!("uuid")),
        (16, "code", false, json!("fixed[4]")),
        (17, "raw", false, json!("binary")),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_primitive_arrives_at_its_extremes_as_both_readers_say() {
    // In the readers' canonical form, so that each row is its own expectation.
    let rows = [
        json!({
            "id": i64::MIN, "flag": false, "small": i32::MIN, "big": i64::MIN, "ratio": -0.25, "amount": f64::MIN, "price": "-9999999.99",
            "sum": "-999999999999.999999", "wide": "-9999999999999999999999999999.9999999999", "day": "0001-01-01", "clock": "00:00:00.000000",
            "wall": "0001-01-01T00:00:00.000000", "instant": "0001-01-01T00:00:00.000000Z", "name": "",
            "key": "00000000-0000-0000-0000-000000000000", "code": "00000000", "raw": "",
        }),
        json!({
            "id": -1, "flag": true, "small": -1, "big": -1, "ratio": 0.5, "amount": 5e-324, "price": "-0.01", "sum": "-0.000001",
            "wide": "-0.0000000001", "day": "1969-12-31", "clock": "12:30:15.000001", "wall": "1969-12-31T23:59:59.999999",
            "instant": "1969-12-31T23:59:59.999999Z", "name": "näïve 😀 \u{0} \u{10FFFF} 'quoted' \"twice\" \\ \n\t",
            "key": "f79c3e09-677c-4bbd-a479-3f349cb785e7", "code": "00ff7f80", "raw": "00ff",
        }),
        json!({
            "id": 0, "flag": null, "small": null, "big": null, "ratio": null, "amount": null, "price": null, "sum": null, "wide": null,
            "day": null, "clock": null, "wall": null, "instant": null, "name": null, "key": null, "code": null, "raw": null,
        }),
        json!({
            "id": i64::MAX, "flag": true, "small": i32::MAX, "big": i64::MAX, "ratio": 16_777_216.0, "amount": f64::MAX, "price": "9999999.99",
            "sum": "999999999999.999999", "wide": "9999999999999999999999999999.9999999999", "day": "9999-12-31", "clock": "23:59:59.999999",
            "wall": "9999-12-31T23:59:59.999999", "instant": "9999-12-31T23:59:59.999999Z", "name": "z",
            "key": "ffffffff-ffff-ffff-ffff-ffffffffffff", "code": "ffffffff", "raw": "ffffffffffffffffffffffffffffffffffff",
        }),
    ];
    let lake = ingested(every_primitive(), &rows).await;
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
    let lake = ingested(every_primitive(), &rows).await;
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
    let field = |id: i32, name: &str, kind: Value| json!({"id": id, "name": name, "required": false, "type": kind});
    let line = json!({"type": "struct", "fields": [
        {"id": 20, "name": "sku", "required": true, "type": "string"},
        field(21, "quantity", json!("int")),
        field(22, "price", json!("decimal(9, 2)")),
    ]});
    let device = json!({"type": "struct", "fields": [field(23, "model", json!("string")), field(24, "seen", json!("timestamptz"))]});
    let counts =
        json!({"type": "map", "key-id": 25, "key": "string", "value-id": 26, "value": "long", "value-required": false});
    let place = json!({"type": "struct", "fields": [
        field(27, "city", json!("string")),
        field(28, "codes", json!({"type": "list", "element-id": 29, "element": "int", "element-required": false})),
        field(30, "geo", json!({"type": "struct", "fields": [field(31, "lat", json!("double")), field(32, "day", json!("date"))]})),
    ]});
    let grid = json!({"type": "list", "element-id": 33, "element-required": false,
        "element": {"type": "list", "element-id": 34, "element": "boolean", "element-required": false}});
    let columns = schema(&[
        (1, "id", true, json!("long")),
        (2, "lines", false, json!({"type": "list", "element-id": 10, "element": line, "element-required": false})),
        (
            3,
            "devices",
            false,
            json!({"type": "map", "key-id": 11, "key": "string", "value-id": 12, "value": device, "value-required": false}),
        ),
        (4, "counts", false, counts),
        (5, "place", false, place),
        (6, "grid", false, grid),
    ]);
    let rows = [
        json!({"id": 1, "lines": [{"sku": "a", "quantity": 2, "price": "1.50"}, null, {"sku": "é"}], "devices": {"d2": null, "d1": {"model": "m", "seen": "1969-12-31T23:59:59.999999Z"}},
               "counts": {"b": i64::MAX, "a": null}, "place": {"city": "Köln", "codes": [1, null], "geo": {"lat": 50.9, "day": "2026-11-21"}}, "grid": [[true, null], [], null]}),
        json!({"id": 2, "lines": [], "devices": {}, "counts": {}, "place": {}, "grid": []}),
        json!({"id": 3}),
        json!({"id": 4, "place": {"geo": {"lat": -0.5}}, "grid": [[false]], "lines": [{"sku": ""}]}),
    ];
    let lake = ingested(columns, &rows).await;
    let no_place = json!({"city": null, "codes": null, "geo": null});
    let expected = [
        json!({"id": 1,
               "lines": [{"sku": "a", "quantity": 2, "price": "1.50"}, null, {"sku": "é", "quantity": null, "price": null}],
               "devices": [["d1", {"model": "m", "seen": "1969-12-31T23:59:59.999999Z"}], ["d2", null]],
               "counts": [["a", null], ["b", i64::MAX]],
               "place": {"city": "Köln", "codes": [1, null], "geo": {"lat": 50.9, "day": "2026-11-21"}},
               "grid": [[true, null], [], null]}),
        json!({"id": 2, "lines": [], "devices": [], "counts": [], "place": no_place, "grid": []}),
        json!({"id": 3, "lines": null, "devices": null, "counts": null, "place": null, "grid": null}),
        json!({"id": 4, "lines": [{"sku": "", "quantity": null, "price": null}], "devices": null, "counts": null,
               "place": {"city": null, "codes": null, "geo": {"lat": -0.5, "day": null}}, "grid": [[false]]}),
    ];
    assert_eq!(read_with_duckdb(&lake.at()).unwrap().rows, expected);
    // PyIceberg 0.12 shows a NULL list or map of structs as an empty one, also where it wrote it itself.
    let as_pyiceberg = expected.map(|mut row| {
        for column in ["lines", "devices"] {
            if row[column].is_null() {
                row[column] = json!([]);
            }
        }
        row
    });
    assert_eq!(read_with_pyiceberg(&lake.at()).unwrap().rows, as_pyiceberg);
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
