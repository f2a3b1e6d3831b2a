//! Every type goes through a rewrite as it is.

use serde_json::{Value, json};
use tributary_tests::{definition, schema};

use crate::ground::{Ground, pairs};

/// Types, and for each a row of values: in the middle, the greatest, none, the least.
fn extremes() -> (Vec<&'static str>, [Value; 4]) {
    let kinds = vec![
        "boolean",
        "int",
        "long",
        "float",
        "double",
        "decimal(9, 2)",
        "decimal(18, 6)",
        "decimal(38, 10)",
        "date",
        "time",
        "timestamp",
        "timestamptz",
        "string",
        "uuid",
        "fixed[4]",
        "binary",
    ];
    let least = json!([
        false,
        i32::MIN,
        i64::MIN,
        -0.25,
        f64::MIN,
        "-9999999.99",
        "-999999999999.999999",
        "-9999999999999999999999999999.9999999999",
        "0001-01-01",
        "00:00:00.000000",
        "0001-01-01T00:00:00.000000",
        "0001-01-01T00:00:00.000000Z",
        "",
        "00000000-0000-0000-0000-000000000000",
        "00000000",
        "",
    ]);
    let middle = json!([
        true,
        -1,
        -1,
        -0.0,
        5e-324,
        "-0.01",
        "-0.000001",
        "-0.0000000001",
        "1969-12-31",
        "12:30:15.000001",
        "1969-12-31T23:59:59.999999",
        "1969-12-31T23:59:59.999999Z",
        "näïve 😀 \u{0} \u{10FFFF}",
        "f79c3e09-677c-4bbd-a479-3f349cb785e7",
        "00ff7f80",
        "00ff",
    ]);
    let greatest = json!([
        true,
        i32::MAX,
        i64::MAX,
        16_777_216.0,
        f64::MAX,
        "9999999.99",
        "999999999999.999999",
        "9999999999999999999999999999.9999999999",
        "9999-12-31",
        "23:59:59.999999",
        "9999-12-31T23:59:59.999999",
        "9999-12-31T23:59:59.999999Z",
        "z".repeat(300),
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "ffffffff",
        "ff".repeat(90),
    ]);
    (kinds, [middle, greatest, json!([]), least])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_primitive_at_its_extremes_is_the_same_in_the_new_file() {
    let (kinds, rows) = extremes();
    let names: Vec<String> = (0..kinds.len()).map(|index| format!("c{index}")).collect();
    let mut fields = vec![(1, "id", true, json!("long"))];
    fields.extend((2..).zip(names.iter().zip(kinds)).map(|(id, (name, kind))| (id, name.as_str(), false, json!(kind))));
    let mut ground = Ground::with(definition(schema(&fields))).await;
    for (id, values) in (0..).zip(&rows) {
        let mut row = json!({"id": id});
        for (name, value) in names.iter().zip(values.as_array().unwrap()) {
            row[name] = value.clone();
        }
        ground.ingest(&[row]).await;
    }
    let filters =
        ["c0 = true", "c1 < 0", "c2 > 0", "c4 > 1.0", "c5 < 0", "c8 < '1970-01-01'", "c12 > 'z'", "c12 IS NULL"];
    let report = ground.compact_keeps(pairs(), &filters).await;
    assert_eq!((report.files_rewritten, report.files_added, report.rows_rewritten), (4, 1, 4));
    let file = ground.inspect()["files"][0].clone();
    assert_eq!((&file["lower_bounds"]["4"], &file["upper_bounds"]["4"]), (&json!(i64::MIN), &json!(i64::MAX)));
    assert_eq!(
        (&file["lower_bounds"]["8"], &file["upper_bounds"]["8"]),
        (&json!("-999999999999.999999"), &json!("999999999999.999999"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_columns_are_the_same_in_the_new_file() {
    let field = |id: i32, name: &str, kind: Value| json!({"id": id, "name": name, "required": false, "type": kind});
    let list =
        |id: i32, kind: Value| json!({"type": "list", "element-id": id, "element": kind, "element-required": false});
    let line = json!({"type": "struct", "fields": [
        {"id": 20, "name": "sku", "required": true, "type": "string"},
        field(21, "price", json!("decimal(9, 2)")),
    ]});
    let place = json!({"type": "struct", "fields": [
        field(22, "city", json!("string")),
        field(23, "codes", list(24, json!("int"))),
        field(25, "geo", json!({"type": "struct", "fields": [field(26, "lat", json!("double")), field(27, "key", json!("uuid"))]})),
    ]});
    let counts =
        json!({"type": "map", "key-id": 28, "key": "string", "value-id": 29, "value": "long", "value-required": false});
    let columns = schema(&[
        (1, "id", true, json!("long")),
        (2, "lines", false, list(10, line)),
        (3, "place", false, place),
        (4, "counts", false, counts),
        (5, "grid", false, list(30, list(31, json!("boolean")))),
    ]);
    let mut ground = Ground::with(definition(columns)).await;
    for row in [
        json!({"id": 1, "lines": [{"sku": "a", "price": "1.50"}, null, {"sku": "é"}], "counts": {"b": i64::MAX, "a": null}, "grid": [[true, null], [], null],
               "place": {"city": "Köln", "codes": [1, null], "geo": {"lat": 50.9, "key": "f79c3e09-677c-4bbd-a479-3f349cb785e7"}}}),
        json!({"id": 2, "lines": [], "place": {}, "counts": {}, "grid": []}),
        json!({"id": 3}),
        json!({"id": 4, "place": {"geo": {"lat": -0.5}}, "grid": [[false]], "lines": [{"sku": ""}]}),
    ] {
        ground.ingest(&[row]).await;
    }
    // Each by itself: the two readers show NULL lists of structs, and uuids inside structs, in different ways.
    let read = || {
        (
            tributary_testkit::read_with_pyiceberg(&ground.lake.at()).unwrap(),
            tributary_testkit::read_with_duckdb(&ground.lake.at()).unwrap(),
        )
    };
    let before = read();
    let report = ground.compact(pairs()).await;
    assert_eq!((report.files_rewritten, report.files_added), (4, 1));
    assert_eq!(read(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_of_nulls_and_rows_of_a_megabyte_are_rewritten() {
    let columns = schema(&[
        (1, "id", true, json!("long")),
        (2, "text", false, json!("string")),
        (3, "none", false, json!("date")),
    ]);
    let mut ground = Ground::with(definition(columns)).await;
    let mut random = fastrand::Rng::with_seed(3);
    for id in 0..26 {
        let text: String = (0..1 << 20).map(|_| random.alphanumeric()).collect();
        ground.ingest(&[json!({"id": id, "text": text})]).await;
    }
    let report = ground.compact_keeps(json!({}), &[]).await;
    assert_eq!((report.files_rewritten, report.files_added, report.rows_rewritten), (26, 1, 26));
    // Now too long to be read by one request.
    assert!(report.bytes_added > 17 << 20, "{report:?}");
    let report = ground.compact_keeps(json!({"rewrite-all": true}), &[]).await;
    assert_eq!((report.files_rewritten, report.files_added, report.rows_rewritten), (1, 1, 26));
}
