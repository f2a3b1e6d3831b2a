//! Every type goes through a rewrite as it is.

use serde_json::json;
use tributary_testkit::{read_with_duckdb, read_with_pyiceberg};
use tributary_tests::type_cases::{every_primitive, extreme_rows, nested, nested_rows};
use tributary_tests::{definition, schema};

use crate::ground::{Ground, pairs};

#[tokio::test(flavor = "multi_thread")]
async fn every_primitive_at_its_extremes_is_the_same_in_the_new_file() {
    let mut ground = Ground::with(definition(every_primitive())).await;
    for row in extreme_rows() {
        ground.ingest(&[row]).await;
    }
    let filters = [
        "flag = true",
        "small < 0",
        "big > 0",
        "amount > 1.0",
        "price < 0",
        "day < '1970-01-01'",
        "name > 'y'",
        "name IS NULL",
    ];
    let report = ground.compact_keeps(pairs(), &filters).await;
    assert_eq!((report.files_rewritten, report.files_added, report.rows_rewritten), (4, 1, 4));
    assert_eq!(ground.rows().rows, extreme_rows());
    let file = ground.inspect()["files"][0].clone();
    assert_eq!((&file["lower_bounds"]["4"], &file["upper_bounds"]["4"]), (&json!(i64::MIN), &json!(i64::MAX)));
    let sums = (&file["lower_bounds"]["8"], &file["upper_bounds"]["8"]);
    assert_eq!(sums, (&json!("-999999999999.999999"), &json!("999999999999.999999")));
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_columns_are_the_same_in_the_new_file() {
    let mut ground = Ground::with(definition(nested())).await;
    for row in nested_rows() {
        ground.ingest(&[row]).await;
    }
    // Each by itself: the two readers show NULL lists of structs in different ways.
    let at = ground.lake.at();
    let read = || (read_with_pyiceberg(&at).unwrap(), read_with_duckdb(&at).unwrap());
    let before = read();
    let report = ground.compact(pairs()).await;
    assert_eq!((report.files_rewritten, report.files_added), (nested_rows().len() as u64, 1));
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
