//! `docs/semantics.md`, executed: each example row of its tables, and each type's Arrow type.

#![cfg(test)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_array::{Array, ArrayRef, StringArray};
use iceberg::spec::{Literal, NestedField, Schema};
use support::{schema_of, type_of};
use tributary_decode::{BatchBuilder, Decoder};

const PAGE: &str = include_str!("../../../docs/semantics.md");

/// The cells of each row of the table whose header starts with `columns`.
fn rows<const N: usize>(columns: [&str; N]) -> Vec<[&str; N]> {
    let cells = |line: &'static str| -> Option<[&'static str; N]> {
        let inner = line.strip_prefix("| ")?.strip_suffix(" |")?;
        inner.split(" | ").map(str::trim).collect::<Vec<_>>().try_into().ok()
    };
    let table = PAGE.lines().skip_while(|line| cells(line) != Some(columns)).skip(2);
    let rows: Vec<_> = table.take_while(|line| line.starts_with('|')).map(|line| cells(line).expect(line)).collect();
    assert!(!rows.is_empty(), "no table {columns:?}");
    rows
}

/// A cell's text without the back-ticks of a code span.
fn code(cell: &str) -> &str {
    cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`')).unwrap_or(cell)
}

/// One value as the page writes it; strings of their own with quotes, so that an empty one can be seen.
fn shown(array: &ArrayRef, row: usize) -> String {
    if let Some(strings) = array.as_any().downcast_ref::<StringArray>()
        && strings.is_valid(row)
    {
        return format!("{:?}", strings.value(row));
    }
    let options = FormatOptions::default().with_null("NULL");
    ArrayFormatter::try_new(array.as_ref(), &options).unwrap().value(row).to_string()
}

/// Decodes `record` and holds the outcome against the page's `result` cell.
fn check(mut batch: BatchBuilder, record: &str, result: &str, show: impl Fn(&[ArrayRef]) -> String) {
    match (batch.push(record.as_bytes()), result.strip_prefix("rejected: ")) {
        (Err(rejection), Some(fragment)) => {
            assert!(rejection.to_string().contains(fragment), "{record}\n said: {rejection}\n page: {fragment}");
            assert_eq!(batch.rows(), 0);
        }
        (Ok(()), None) => {
            let rows = batch.finish().unwrap();
            assert_eq!(show(rows.columns()), code(result), "{record}");
        }
        (outcome, _) => panic!("{record}\n said: {outcome:?}\n page: {result}"),
    }
}

#[test]
fn every_value_example_holds() {
    for [type_name, json, result] in rows(["Iceberg type", "JSON", "result"]) {
        let schema = schema_of(vec![NestedField::optional(1, "v", type_of(code(type_name)))]);
        let batch = Decoder::try_new(&schema).unwrap().batch(1);
        check(batch, &format!("{{\"v\": {}}}", code(json)), result, |columns| shown(&columns[0], 0));
    }
}

#[test]
fn every_record_example_holds() {
    let schema = schema_of(vec![
        NestedField::required(1, "id", type_of("long")),
        NestedField::optional(2, "name", type_of("string")),
        NestedField::required(3, "level", type_of("int")).with_write_default(Literal::int(3)),
    ]);
    let decoder = Decoder::try_new(&schema).unwrap();
    for [record, result] in rows(["record", "result"]) {
        check(decoder.batch(1), code(record), result, |columns| {
            columns.iter().map(|column| shown(column, 0).replace('"', "")).collect::<Vec<_>>().join(", ")
        });
    }
}

#[test]
fn every_type_has_its_arrow_type_and_examples_of_both_kinds() {
    let mut examples: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for [type_name, _, result] in rows(["Iceberg type", "JSON", "result"]) {
        examples.entry(code(type_name)).or_default()[usize::from(result.starts_with("rejected: "))] += 1;
    }
    for [type_name, _, arrow] in rows(["Iceberg type", "accepted JSON", "Arrow type"]) {
        let type_name = code(type_name);
        let schema = schema_of(vec![NestedField::optional(1, "v", type_of(type_name))]);
        let decoder = Decoder::try_new(&schema).unwrap();
        assert_eq!(brief(decoder.arrow_schema().field(0).data_type()), code(arrow));
        let [accepted, rejected] = examples.get(type_name).copied().unwrap_or_default();
        assert!(accepted > 0 && rejected > 0, "{type_name} lacks an example: {accepted} accepted, {rejected} rejected");
    }
}

/// An Arrow type without field names and metadata.
fn brief(data_type: &DataType) -> String {
    let children = |fields: &arrow::datatypes::Fields| {
        fields.iter().map(|field| brief(field.data_type())).collect::<Vec<_>>().join(", ")
    };
    match data_type {
        DataType::List(element) => format!("List({})", brief(element.data_type())),
        DataType::Struct(fields) => format!("Struct({})", children(fields)),
        DataType::Map(entry, _) => match entry.data_type() {
            DataType::Struct(fields) => format!("Map({})", children(fields)),
            other => brief(other),
        },
        other => other.to_string(),
    }
}

#[test]
fn every_schema_that_the_page_refuses_is_refused_by_column() {
    let refused = [
        ("map<float, int>", "column `v.key`: expected a map key"),
        ("map<double, int>", "column `v.key`: expected a map key"),
        ("map<struct<a: int>, int>", "column `v.key`: expected a map key"),
        ("list<map<list<int>, int>>", "column `v.element.key`: expected a map key"),
        ("struct<>", "column `v`: expected a struct of at least one field"),
        ("struct<a: fixed[0]>", "column `v.a`: expected fixed of 1 to 1048576 bytes"),
        ("fixed[1048577]", "column `v`: expected fixed of 1 to 1048576 bytes"),
    ];
    for (type_name, message) in refused {
        let schema = schema_of(vec![NestedField::optional(1, "v", type_of(type_name))]);
        let error = Decoder::try_new(&schema).unwrap_err().to_string();
        assert!(error.contains(message), "{type_name}: {error}");
    }
    let empty = Schema::builder().with_schema_id(3).build().unwrap();
    assert_eq!(
        Decoder::try_new(&empty).unwrap_err().to_string(),
        "schema 3: expected at least one column: add one, found none"
    );
    let nested_default = NestedField::optional(1, "v", type_of("list<int>")).with_write_default(Literal::List(vec![]));
    let error = Decoder::try_new(&schema_of(vec![nested_default])).unwrap_err();
    assert!(error.to_string().contains("column `v`: expected no write-default on a struct, list or map"));
    let wrong_default =
        NestedField { write_default: Some(Literal::long(1)), ..NestedField::optional(1, "v", type_of("string")) };
    let schema = Schema::builder().with_fields([Arc::new(wrong_default)]).build().unwrap();
    assert!(Decoder::try_new(&schema).unwrap_err().to_string().contains("a write-default that is a value of string"));
}

#[test]
fn a_schema_deeper_than_any_record_is_refused() {
    let nested = |levels: usize| {
        let deep = format!("{}int{}", "list<".repeat(levels), ">".repeat(levels));
        Decoder::try_new(&schema_of(vec![NestedField::optional(1, "v", type_of(&deep))]))
    };
    let mut batch = nested(126).unwrap().batch(1);
    let record = format!("{{\"v\":{}1{}}}", "[".repeat(126), "]".repeat(126));
    assert_eq!(batch.push(record.as_bytes()), Ok(()));
    assert!(nested(127).unwrap_err().to_string().ends_with("expected at most 127 levels of nesting, found more"));
}
