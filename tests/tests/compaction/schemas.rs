//! Files written under older schemas: each column is what the current schema makes of it.

use serde_json::{Value, json};
use tributary_tests::{definition, evolve_with_pyiceberg, partitioned, schema};

use crate::ground::{Ground, pairs};

fn optional(fields: &[(i32, &str, Value)]) -> iceberg::spec::Schema {
    let mut all = vec![(1, "id", true, json!("long"))];
    all.extend(fields.iter().map(|(id, name, kind)| (*id, *name, false, kind.clone())));
    schema(&all)
}

/// A table of these columns; then, in turn, a row and a change of the schema; then a last row.
async fn evolved(columns: &[(i32, &str, Value)], steps: &[(Value, Value)], last: Value) -> Ground {
    let mut ground = Ground::with(definition(optional(columns))).await;
    for (row, change) in steps {
        ground.ingest(std::slice::from_ref(row)).await;
        evolve_with_pyiceberg(&ground.lake, change);
    }
    ground.ingest(&[last]).await;
    ground
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_added_dropped_and_renamed_keep_their_values() {
    let columns = [(2, "name", json!("string")), (3, "count", json!("int"))];
    let ground = evolved(
        &columns,
        &[
            (json!({"id": 1, "name": "a", "count": 1}), json!({"add": [["extra", "double"]]})),
            (json!({"id": 2, "name": "b", "count": 2, "extra": 0.5}), json!({"rename": [["name", "title"]]})),
            (json!({"id": 3, "title": "c", "count": 3}), json!({"drop": ["count"]})),
        ],
        json!({"id": 4, "title": "d", "extra": 1.5}),
    )
    .await;
    let filters = ["extra IS NULL", "title = 'a'", "extra > 1.0"];
    let report = ground.compact_keeps(pairs(), &filters).await;
    assert_eq!((report.files_rewritten, report.files_added), (4, 1));
    let expected = [
        json!({"id": 1, "title": "a", "extra": null}),
        json!({"id": 2, "title": "b", "extra": 0.5}),
        json!({"id": 3, "title": "c", "extra": null}),
        json!({"id": 4, "title": "d", "extra": 1.5}),
    ];
    assert_eq!(ground.rows().rows, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_dropped_and_added_again_under_its_name_starts_empty() {
    let ground = evolved(
        &[(2, "name", json!("string"))],
        &[
            (json!({"id": 1, "name": "old"}), json!({"drop": ["name"]})),
            (json!({"id": 2}), json!({"add": [["name", "string"]]})),
        ],
        json!({"id": 3, "name": "new"}),
    )
    .await;
    ground.compact_keeps(pairs(), &["name IS NULL", "name = 'new'"]).await;
    let names: Vec<Value> = ground.rows().rows.iter().map(|row| row["name"].clone()).collect();
    assert_eq!(names, [json!(null), json!(null), json!("new")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn widened_columns_keep_their_values_and_get_bounds_of_the_wide_type() {
    let columns = [(2, "small", json!("int")), (3, "ratio", json!("float")), (4, "price", json!("decimal(9, 2)"))];
    let widen = json!({"widen": [["small", "long"], ["ratio", "double"], ["price", "decimal(18, 2)"]]});
    let ground = evolved(
        &columns,
        &[
            (
                json!({"id": 1, "small": i32::MIN, "ratio": 0.1, "price": "-9999999.99"}),
                json!({"properties": {"a": "b"}}),
            ),
            (json!({"id": 2, "small": 7, "ratio": -0.5, "price": "0.01"}), widen),
        ],
        json!({"id": 3, "small": i64::MAX, "ratio": 1e300, "price": "9999999999999999.99"}),
    )
    .await;
    ground.compact_keeps(pairs(), &["small > 1", "small < 0", "ratio > 0.05", "price < 0", "price > 100"]).await;
    let file = ground.inspect()["files"][0].clone();
    assert_eq!((&file["lower_bounds"]["2"], &file["upper_bounds"]["2"]), (&json!(i32::MIN), &json!(i64::MAX)));
    // 0.1 is the nearest 32-bit value still.
    assert_eq!(ground.rows().rows[0]["ratio"], json!(0.100_000_001_490_116_12));
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_of_one_type_do_not_change_places_with_their_order() {
    let columns = [(2, "one", json!("string")), (3, "two", json!("string"))];
    let ground = evolved(
        &columns,
        &[
            (json!({"id": 1, "one": "l1", "two": "r1"}), json!({"first": ["two"]})),
            (json!({"id": 2, "one": "l2", "two": "r2"}), json!({"first": ["one"]})),
        ],
        json!({"id": 3, "one": "l3", "two": "r3"}),
    )
    .await;
    ground.compact_keeps(pairs(), &["one = 'l1'", "two = 'r2'"]).await;
    for row in ground.rows().rows {
        assert_eq!((&row["one"], &row["two"]), (&json!(format!("l{}", row["id"])), &json!(format!("r{}", row["id"]))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_inside_structs_follow_the_schema_too() {
    let place = json!({"type": "struct", "fields": [
        {"id": 20, "name": "city", "required": false, "type": "string"},
        {"id": 21, "name": "street", "required": false, "type": "string"},
        {"id": 22, "name": "floor", "required": false, "type": "int"},
    ]});
    let ground = evolved(
        &[(2, "place", place)],
        &[
            (
                json!({"id": 1, "place": {"city": "c1", "street": "s1", "floor": 1}}),
                json!({"add": [["place.country", "string"]]}),
            ),
            (
                json!({"id": 2, "place": {"city": "c2", "country": "x2"}}),
                json!({"rename": [["place.street", "road"]], "widen": [["place.floor", "long"]]}),
            ),
            (json!({"id": 3, "place": null}), json!({"drop": ["place.city"], "first": ["place.country"]})),
        ],
        json!({"id": 4, "place": {"country": "x4", "road": "s4", "floor": 5_000_000_000_i64}}),
    )
    .await;
    let report = ground.compact(pairs()).await;
    assert_eq!((report.files_rewritten, report.files_added), (4, 1));
    let places: Vec<Value> = ground.rows().rows.iter().map(|row| row["place"].clone()).collect();
    let expected = [
        json!({"country": null, "road": "s1", "floor": 1}),
        json!({"country": "x2", "road": null, "floor": null}),
        json!(null),
        json!({"country": "x4", "road": "s4", "floor": 5_000_000_000_i64}),
    ];
    assert_eq!(places, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_none_of_whose_columns_is_left_keeps_its_number_of_rows() {
    let columns = schema(&[(1, "old", false, json!("long"))]);
    let mut ground = Ground::with(definition(columns)).await;
    ground.ingest(&[json!({"old": 1}), json!({"old": 2}), json!({"old": 3})]).await;
    evolve_with_pyiceberg(&ground.lake, &json!({"add": [["new", "string"]], "drop": ["old"]}));
    ground.ingest(&[json!({"new": "a"})]).await;
    let report = ground.compact(pairs()).await;
    assert_eq!((report.files_rewritten, report.rows_rewritten), (2, 4));
    let news: Vec<Value> = ground.rows().rows.iter().map(|row| row["new"].clone()).collect();
    assert_eq!(news.iter().filter(|new| new.is_null()).count(), 3, "{news:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_stays_keeps_its_bounds_when_its_manifest_is_written_under_a_wider_schema() {
    let columns = schema(&[
        (1, "id", true, json!("long")),
        (2, "kind", false, json!("string")),
        (3, "small", false, json!("int")),
        (4, "ratio", false, json!("float")),
        (5, "price", false, json!("decimal(9, 2)")),
    ]);
    let mut ground = Ground::with(partitioned(columns, &[(2, "kind", "identity")])).await;
    let row = |id: i64, kind: &str| json!({"id": id, "kind": kind, "small": id - 3, "ratio": 0.5, "price": "-1.25"});
    for round in 0..2 {
        // One manifest for both partitions.
        ground.ingest(&[row(round, "a"), row(10 + round, "b")]).await;
    }
    let widen = json!({"widen": [["small", "long"], ["ratio", "double"], ["price", "decimal(18, 2)"]]});
    evolve_with_pyiceberg(&ground.lake, &widen);
    let filters = ["small > 1", "small < 0", "ratio > 0.25", "price < 0", "kind = 'b'"];
    for done in 0..2 {
        let report = ground.compact_keeps(json!({"min-input-files": 2, "max-files-to-rewrite": 2}), &filters).await;
        assert_eq!((report.files_rewritten, report.groups_skipped), (2, 1 - done));
    }
    let files = ground.inspect()["files"].clone();
    let bounds: Vec<&Value> = files.as_array().unwrap().iter().map(|file| &file["lower_bounds"]["3"]).collect();
    assert_eq!(bounds.len(), 2);
    assert!(bounds.contains(&&json!(-3)) && bounds.contains(&&json!(7)), "{bounds:?}");
}
