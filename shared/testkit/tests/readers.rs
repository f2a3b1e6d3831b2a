//! The two readers, on a table of every type that PyIceberg wrote.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in test functions, but does not see that their helpers are tests as well"
)]

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use tributary_testkit::readers::{count_ids, inspect, read_both, read_where, read_with_duckdb, read_with_pyiceberg};
use tributary_testkit::{AwsServer, GroundError, TableAt, tools};

fn write_table(arguments: &[&str]) {
    let output = tools::script("write_table.py").unwrap().args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A table in an SQLite catalog, written with the further `arguments`.
fn in_sqlite(arguments: &[&str]) -> (TempDir, TableAt) {
    let folder = tempfile::tempdir().unwrap();
    let catalog_db = folder.path().join("catalog.db");
    write_table(&[&["sqlite", text(&catalog_db), text(folder.path())], arguments].concat());
    let at = TableAt::Sqlite { catalog_db, catalog_name: "sample".into(), table: "db.sample".into() };
    (folder, at)
}

fn ids(rows: &[Value]) -> Vec<i64> {
    rows.iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

/// Row 1 of `write_table.py`, in the canonical form.
fn first_row() -> Value {
    json!({
        "id": 1, "flag": false, "small": -1, "ratio": 0.25, "amount": 0.1, "price": "1.50", "day": "2026-01-02",
        "clock": "12:30:15.000001", "wall": "2026-01-31T23:59:59.000001", "instant": "2026-01-31T23:59:59.000001Z",
        "name": "näme 1", "key": "00000000-0000-0000-0000-000000000001", "raw": "01ff", "code": "616231", "tags": ["a"],
        "scores": [["a", null], ["z", 1]], "device": {"model": "m", "version": 1},
    })
}

#[test]
fn both_readers_give_every_type_in_one_form() {
    let (_folder, at) = in_sqlite(&[]);
    let found = read_both(&at).unwrap();
    assert_eq!(found.columns.len(), 17);
    assert_eq!(ids(&found.rows), [1, 2, 3, 4]);
    assert_eq!(found.rows[0], first_row());
    let nulls = found.rows[3].as_object().unwrap().values().filter(|value| value.is_null()).count();
    assert_eq!(nulls, 16);
}

#[test]
fn a_table_in_glue_and_s3_is_read_by_both() {
    let server = AwsServer::start().unwrap();
    server.create_bucket("lake").unwrap();
    write_table(&["glue", server.endpoint(), "s3://lake/warehouse"]);
    let at = TableAt::Glue { endpoint: server.endpoint().into(), table: "db.sample".into() };
    assert_eq!(read_both(&at).unwrap().rows[0], first_row());

    let seen = inspect(&at).unwrap();
    let past = TableAt::Metadata {
        location: seen["metadata_location"].as_str().unwrap().into(),
        endpoint: Some(server.endpoint().into()),
    };
    assert_eq!(read_both(&past).unwrap(), read_both(&at).unwrap());
    assert!(server.objects("lake", "warehouse/").unwrap().len() > 5);
}

#[test]
fn ids_are_counted_without_their_rows() {
    let (_folder, at) = in_sqlite(&[]);
    let by_id = count_ids(&at, "id").unwrap();
    assert_eq!((by_id.rows, by_id.distinct, by_id.min, by_id.max), (4, 4, json!(1), json!(4)));
    // Row 4 has nothing but its id.
    let by_name = count_ids(&at, "name").unwrap();
    assert_eq!((by_name.rows, by_name.distinct, by_name.min), (4, 3, json!("näme 1")));
}

#[test]
fn a_filter_keeps_the_same_rows_in_both() {
    let (_folder, at) = in_sqlite(&[]);
    for (filter, expected) in [
        ("id >= 2 AND id < 4", vec![2, 3]),
        ("name IS NULL", vec![4]),
        ("instant >= '2026-01-31T23:59:59.000002+00:00'", vec![2, 3]),
        ("name = 'näme 1' OR flag = true", vec![1, 2]),
        ("id > 100", vec![]),
    ] {
        assert_eq!(ids(&read_where(&at, filter).unwrap().rows), expected, "{filter}");
    }
}

#[test]
fn a_wrong_bound_is_noticed() {
    let (_folder, at) = in_sqlite(&["--wrong-bounds"]);
    // A full read needs no bounds.
    assert_eq!(read_both(&at).unwrap().rows.len(), 4);
    let error = read_where(&at, "id >= 3").unwrap_err();
    assert!(matches!(error, GroundError::Disagree { .. }), "{error}");
    assert!(error.to_string().contains("a full read filtered afterwards has more: 2 rows [{"), "{error}");
}

#[test]
fn inspection_tells_of_files_snapshots_and_bounds() {
    let (_folder, at) = in_sqlite(&[]);
    let seen = inspect(&at).unwrap();
    assert_eq!(seen["snapshots"].as_array().unwrap().len(), 2);
    assert_eq!(seen["snapshots"][0]["summary"]["added-records"], "3");
    let files = seen["files"].as_array().unwrap();
    assert_eq!(files.len(), 2);
    let counted: u64 = files.iter().map(|file| file["record_count"].as_u64().unwrap()).sum();
    assert_eq!(counted, 4);
    let of_three = files.iter().find(|file| file["record_count"] == 3).unwrap();
    assert_eq!((&of_three["lower_bounds"]["1"], &of_three["upper_bounds"]["1"]), (&json!(1), &json!(3)));
}

#[test]
fn a_missing_table_is_an_error_of_either_reader_and_stops_no_later_read() {
    let (_folder, at) = in_sqlite(&[]);
    let TableAt::Sqlite { catalog_db, catalog_name, .. } = at.clone() else { unreachable!() };
    let missing = TableAt::Sqlite { catalog_db, catalog_name, table: "db.none".into() };
    for error in [read_with_pyiceberg(&missing).unwrap_err(), read_with_duckdb(&missing).unwrap_err()] {
        assert!(error.to_string().contains("db.none"), "{error}");
    }
    assert_eq!(read_both(&at).unwrap().rows.len(), 4);
}
