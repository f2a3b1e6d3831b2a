//! Columns of every type, with rows at the types' extremes.

use iceberg::spec::Schema;
use serde_json::{Value, json};

use crate::schema;

/// `id`, and one column of each primitive type of format version 2.
pub fn every_primitive() -> Schema {
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

/// Rows of [`every_primitive`] in the readers' canonical form, so that each row is its own expectation; sorted.
pub fn extreme_rows() -> Vec<Value> {
    vec![
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
    ]
}

/// `id`, and columns of structs, lists and maps within each other.
pub fn nested() -> Schema {
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
    schema(&[
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
    ])
}

/// Rows of [`nested`] as they are sent.
pub fn nested_rows() -> Vec<Value> {
    vec![
        json!({"id": 1, "lines": [{"sku": "a", "quantity": 2, "price": "1.50"}, null, {"sku": "é"}], "devices": {"d2": null, "d1": {"model": "m", "seen": "1969-12-31T23:59:59.999999Z"}},
               "counts": {"b": i64::MAX, "a": null}, "place": {"city": "Köln", "codes": [1, null], "geo": {"lat": 50.9, "day": "2026-11-21"}}, "grid": [[true, null], [], null]}),
        json!({"id": 2, "lines": [], "devices": {}, "counts": {}, "place": {}, "grid": []}),
        json!({"id": 3}),
        json!({"id": 4, "place": {"geo": {"lat": -0.5}}, "grid": [[false]], "lines": [{"sku": ""}]}),
    ]
}

/// [`nested_rows`] in the readers' canonical form.
pub fn nested_rows_read() -> Vec<Value> {
    let no_place = json!({"city": null, "codes": null, "geo": null});
    vec![
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
    ]
}
