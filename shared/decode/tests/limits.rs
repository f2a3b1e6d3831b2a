//! Sizes and depths that would hurt a careless reader.

#![cfg(test)]

mod support;

use arrow_array::cast::AsArray;
use iceberg::spec::{NestedField, Schema};
use support::{schema_of, type_of};
use tributary_decode::{BatchBuilder, Decoder, ROWS_RESERVED_MAX};

fn one_column(type_name: &str) -> BatchBuilder {
    decoder(type_name).batch(4)
}

fn decoder(type_name: &str) -> Decoder {
    Decoder::try_new(&schema_of(vec![NestedField::optional(1, "v", type_of(type_name))])).unwrap()
}

/// Runs on a stack as small as a Lambda worker thread's may be, so that recursion would show.
fn on_a_small_stack(check: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(1 << 20).spawn(check).unwrap().join().unwrap();
}

#[test]
fn deep_nesting_is_rejected_in_columns_and_in_ignored_fields() {
    on_a_small_stack(|| {
        let columns = ["int", "decimal(9,2)", "string", "list<list<int>>", "map<string, int>", "struct<a: int>"];
        for levels in [127, 128, 200, 100_000] {
            for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
                let deep = format!("{}1{}", open.repeat(levels), close.repeat(levels));
                for field in ["v", "ignored"] {
                    for column in columns {
                        let mut batch = one_column(column);
                        assert!(
                            batch.push(format!("{{\"{field}\":{deep}}}").as_bytes()).is_err(),
                            "{levels} in {field}, {column}"
                        );
                        assert_eq!((batch.rows(), batch.fields_ignored()), (0, 0));
                    }
                }
                assert!(levels == 127 || one_column("int").push(deep.as_bytes()).is_err());
                assert!(one_column("int").push(open.repeat(levels).as_bytes()).is_err());
            }
        }
    });
}

#[test]
fn the_deepest_record_that_is_read_is_as_deep_in_an_ignored_field() {
    on_a_small_stack(|| {
        let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        let list = format!("{}int{}", "list<".repeat(126), ">".repeat(126));
        for field in [r#""v""#, r#""v":null,"ignored""#] {
            assert_eq!(one_column(&list).push(format!("{{{field}:{}}}", deep(126)).as_bytes()), Ok(()));
            assert!(one_column(&list).push(format!("{{{field}:{}}}", deep(127)).as_bytes()).is_err());
        }
        let inner = |levels| format!("{{\"v\":{{\"ignored\":{}}}}}", deep(levels));
        assert_eq!(one_column("struct<a: int>").push(inner(125).as_bytes()), Ok(()));
        let rejection = one_column("struct<a: int>").push(inner(126).as_bytes()).unwrap_err();
        assert_eq!(
            rejection.to_string(),
            "column `v`: expected at most 127 levels of objects and arrays, found more, in a field that the schema has no column for"
        );
    });
}

#[test]
fn a_record_of_another_table_is_no_row_of_nulls() {
    let mut batch = one_column("int");
    let rejection = batch.push(br#"{"other":1,"more":{"v":2}}"#).unwrap_err();
    assert_eq!(
        rejection.to_string(),
        "record: expected a field of the table, found only fields that it has no column for"
    );
    assert_eq!(batch.push(br#"{"other":1,"v":null}"#), Ok(()));
    assert_eq!(batch.push(b"{}"), Ok(()));
    assert_eq!((batch.rows(), batch.fields_ignored()), (2, 1));
}

#[test]
fn a_string_of_5_mb_is_stored_whole() {
    let long = "é\\n".repeat(1_700_000);
    let mut batch = one_column("string");
    assert_eq!(batch.push(format!("{{\"v\":\"{long}\"}}").as_bytes()), Ok(()));
    assert_eq!(batch.push(br#"{"v":"short"}"#), Ok(()));
    let rows = batch.finish().unwrap();
    assert_eq!(rows.column(0).as_string::<i32>().value(0), "é\n".repeat(1_700_000));
    assert_eq!(rows.column(0).as_string::<i32>().value(1), "short");
}

#[test]
fn a_rejection_of_a_huge_value_stays_small() {
    let long = "x".repeat(5_000_000);
    for record in [format!("{{\"v\":\"{long}\"}}"), format!("{{\"v\":{}}}", "1".repeat(5_000_000))] {
        let message = one_column("int").push(record.as_bytes()).unwrap_err().to_string();
        assert!(message.len() < 200, "{} bytes", message.len());
    }
    let message = one_column("map<string, int>")
        .push(format!("{{\"v\":{{\"{long}\":true}}}}").as_bytes())
        .unwrap_err()
        .to_string();
    assert!(message.len() < 200 && message.starts_with("column `v[\"xxx"), "{message}");
}

#[test]
fn a_map_of_many_entries_is_checked_for_repeats_in_time() {
    let entries: Vec<_> = (0..200_000).map(|key| format!("\"{key}\":1")).collect();
    let record = |entries: &str| format!("{{\"v\":{{{entries}}}}}");
    let mut batch = one_column("map<long, int>");
    assert_eq!(batch.push(record(&entries.join(",")).as_bytes()), Ok(()));
    let repeated = format!("{},\"7\":2", entries.join(","));
    let rejection = batch.push(record(&repeated).as_bytes()).unwrap_err();
    assert_eq!(rejection.to_string(), "column `v`: expected each key once, found one key in entries 7 and 200000");
    assert_eq!(batch.finish().unwrap().num_rows(), 1);
}

#[test]
fn a_wrong_number_of_expected_rows_takes_no_memory() {
    let mut batch = decoder("long").batch(usize::MAX);
    for row in 0..=ROWS_RESERVED_MAX {
        assert_eq!(batch.push(format!("{{\"v\":{row}}}").as_bytes()), Ok(()));
    }
    assert_eq!(batch.finish().unwrap().num_rows(), ROWS_RESERVED_MAX + 1);
}

#[test]
fn an_empty_batch_has_the_schema_and_no_rows() {
    let decoder = decoder("map<string, list<struct<a: required fixed[3]>>>");
    let batch = decoder.batch(0).finish().unwrap();
    assert_eq!((&batch.schema(), batch.num_rows()), (decoder.arrow_schema(), 0));
}

#[test]
fn bytes_that_are_no_utf8_are_named_by_position() {
    let rejection = one_column("string").push(b"{\"v\":\"\xff\"}").unwrap_err();
    assert_eq!(rejection.to_string(), "record: expected UTF-8, found byte 0xff at position 6, counted from 0");
    // A surrogate written as UTF-8 bytes, in an ignored field: still no UTF-8.
    let rejection = one_column("string").push(b"{\"w\":\"\xed\xa0\x80\"}").unwrap_err();
    assert_eq!((rejection.column(), rejection.expected()), (None, "UTF-8"));
}

#[test]
fn ignored_fields_are_counted_in_accepted_records_only() {
    let mut batch = one_column("struct<a: int>");
    assert_eq!(batch.push(br#"{"x":1,"v":{"a":1,"y":[2],"y":3},"z":{"a":{"b":1}}}"#), Ok(()));
    assert_eq!(batch.fields_ignored(), 4);
    assert!(batch.push(br#"{"x":1,"v":{"y":1,"a":"no"}}"#).is_err());
    assert_eq!(batch.push(br#"{"v":null}"#), Ok(()));
    assert_eq!((batch.rows(), batch.fields_ignored()), (2, 4));
}

#[test]
fn the_schema_id_is_that_of_the_schema() {
    let field = NestedField::optional(1, "v", type_of("int"));
    let schema = Schema::builder().with_schema_id(7).with_fields([field.into()]).build().unwrap();
    assert_eq!(Decoder::try_new(&schema).unwrap().schema_id(), 7);
}

#[test]
fn a_decoder_is_shared_between_threads() {
    let decoder = decoder("long");
    let rows: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let decoder = decoder.clone();
                scope.spawn(move || {
                    let mut batch = decoder.batch(1);
                    batch.push(br#"{"v":1}"#).unwrap();
                    batch.finish().unwrap().num_rows()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(rows, 4);
}
