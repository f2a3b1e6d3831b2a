//! What holds for every schema and every input.

#![cfg(test)]

mod model;
#[path = "../support/mod.rs"]
mod support;

use iceberg::spec::NestedField;
use model::{Value, any_columns, any_value, json_of_fields, value_at};
use proptest::prelude::*;
use support::{schema_of, type_of};
use tributary_decode::{Decoder, FOUND_CHARS_MAX};

/// A table's columns and rows for it, each with a number that varies its JSON.
type Table = (Vec<NestedField>, Vec<(Vec<Value>, u64)>);

fn any_table() -> impl Strategy<Value = Table> {
    any_columns().prop_flat_map(|columns| {
        let row: Vec<_> = columns.iter().map(any_value).collect();
        (Just(columns), prop::collection::vec((row, any::<u64>()), 1..6))
    })
}

/// Ways to spoil a record.
#[derive(Debug, Clone)]
enum Damage {
    None,
    Cut(prop::sample::Index),
    Overwrite(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
}

/// Pieces of JSON, and of what is not.
const TOKENS: [&[u8]; 16] = [
    b"null",
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b":",
    b"\"",
    b"0",
    b"-",
    b".5",
    b"e9",
    b"true",
    b"\\",
    b"\xff",
    b"\"a\":1,",
];

fn any_damage() -> impl Strategy<Value = Damage> {
    let token = prop::sample::select(&TOKENS[..]);
    prop_oneof![
        1 => Just(Damage::None),
        1 => any::<prop::sample::Index>().prop_map(Damage::Cut),
        2 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Overwrite(at, byte)),
        3 => (any::<prop::sample::Index>(), token).prop_map(|(at, token)| Damage::Insert(at, token.to_vec())),
    ]
}

fn damaged(json: &str, damage: &Damage) -> Vec<u8> {
    let mut bytes = json.as_bytes().to_vec();
    match damage {
        Damage::None => {}
        Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
        Damage::Overwrite(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Damage::Insert(at, token) => {
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..at, token.iter().copied());
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_value_that_json_can_carry_comes_back_unchanged((columns, rows) in any_table()) {
        let decoder = Decoder::try_new(&schema_of(columns.clone())).unwrap();
        let mut batch = decoder.batch(rows.len());
        let fields: Vec<_> = columns.iter().collect();
        for (row, spelling) in &rows {
            let json = json_of_fields(&fields, row, *spelling);
            prop_assert_eq!(batch.push(json.as_bytes()), Ok(()), "{}", json);
        }
        prop_assert_eq!(batch.rows(), rows.len());
        let batch = batch.finish().unwrap();
        prop_assert_eq!(&batch.schema(), decoder.arrow_schema());
        for (index, (row, _)) in rows.iter().enumerate() {
            let found: Vec<_> = columns.iter().zip(batch.columns()).map(|(field, column)| value_at(column, &field.field_type, index)).collect();
            prop_assert_eq!(&found, row);
        }
    }

    #[test]
    fn bad_records_between_good_ones_leave_no_trace((columns, rows) in any_table(), damages in prop::collection::vec((any_damage(), any_damage()), 5)) {
        let decoder = Decoder::try_new(&schema_of(columns.clone())).unwrap();
        let fields: Vec<_> = columns.iter().collect();
        let (mut mixed, mut good) = (decoder.batch(0), decoder.batch(rows.len()));
        for ((row, spelling), damage) in rows.iter().zip(&damages) {
            let json = json_of_fields(&fields, row, *spelling);
            for record in [damaged(&json, &damage.0), json.clone().into_bytes(), damaged(&json, &damage.1)] {
                // A batch of its own says whether the record is good, whatever came before it in the mixed batch.
                let alone = decoder.batch(1).push(&record);
                let (rows_before, ignored_before) = (mixed.rows(), mixed.fields_ignored());
                prop_assert_eq!(&mixed.push(&record), &alone);
                match alone {
                    Ok(()) => prop_assert_eq!(good.push(&record), Ok(())),
                    Err(rejection) => {
                        prop_assert_eq!((mixed.rows(), mixed.fields_ignored()), (rows_before, ignored_before));
                        prop_assert!(rejection.found().chars().count() <= FOUND_CHARS_MAX + 60, "{}", rejection);
                    }
                }
            }
        }
        prop_assert_eq!((mixed.rows(), mixed.fields_ignored()), (good.rows(), good.fields_ignored()));
        prop_assert_eq!(mixed.finish().unwrap(), good.finish().unwrap());
    }

    #[test]
    fn no_bytes_panic(columns in any_columns(), records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 1..20)) {
        let mut batch = Decoder::try_new(&schema_of(columns)).unwrap().batch(0);
        let accepted = records.iter().filter(|record| batch.push(record).is_ok()).count();
        prop_assert_eq!(batch.finish().unwrap().num_rows(), accepted);
    }

    #[test]
    fn no_json_like_text_panics(records in prop::collection::vec("[\\[\\]{}:,\"a-c0-9.eE\\\\ tnul-]{0,60}", 1..20)) {
        let columns = [("a", "long"), ("b", "list<struct<a: required int>>"), ("c", "map<long, list<string>>")];
        // The texts' nested ids would meet: one table a column.
        for (name, text) in columns {
            let field = NestedField::optional(1, name, type_of(text));
            let mut batch = Decoder::try_new(&schema_of(vec![field])).unwrap().batch(0);
            let accepted = records.iter().filter(|record| batch.push(record.as_bytes()).is_ok()).count();
            prop_assert_eq!(batch.finish().unwrap().num_rows(), accepted);
        }
    }

    #[test]
    fn what_is_accepted_is_what_the_json_library_calls_an_object(record in "\\{(\"(x|b|)\":(1|-0|0\\.5|\"\"|\\[\\]|\\{\"\":null\\}|true|nul|01|\"\\\\x\"|\"\\\\n\")(,|, |))*\\}( |\\{)?") {
        let decoder = Decoder::try_new(&schema_of(vec![NestedField::optional(1, "v", type_of("int"))])).unwrap();
        // Whatever follows, the record has one field of the table.
        let record = record.replacen('{', "{\"v\":1,", 1).replacen(",}", "}", 1);
        let is_object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&record).is_ok();
        prop_assert_eq!(decoder.batch(1).push(record.as_bytes()).is_ok(), is_object, "{}", record);
    }
}
