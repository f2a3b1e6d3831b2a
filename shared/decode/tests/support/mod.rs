//! Schemas from short texts, as `docs/semantics.md` writes types.

use std::sync::Arc;

use iceberg::spec::{ListType, MapType, NestedField, NestedFieldRef, PrimitiveType, Schema, StructType, Type};

/// A schema of these columns; ids of nested fields are unique from 100 on.
pub(crate) fn schema_of(columns: Vec<NestedField>) -> Schema {
    Schema::builder().with_fields(columns.into_iter().map(Arc::new)).build().unwrap()
}

/// `long`, `list<required int>`, `map<string, int>`, `struct<a: required string, b: int>`.
pub(crate) fn type_of(text: &str) -> Type {
    parse(text, &mut 100)
}

fn parse(text: &str, next_id: &mut i32) -> Type {
    let inner = |prefix: &str| text.strip_prefix(prefix).and_then(|rest| rest.strip_suffix('>'));
    if let Some(inner) = inner("list<") {
        return Type::List(ListType::new(field(inner, "element", next_id)));
    }
    if let Some(inner) = inner("map<") {
        let [key, value] = split(inner)[..] else { panic!("{text}") };
        let key = field(&format!("required {key}"), "key", next_id);
        return Type::Map(MapType::new(key, field(value, "value", next_id)));
    }
    if let Some(inner) = inner("struct<") {
        let fields = split(inner).into_iter().filter(|part| !part.is_empty()).map(|part| {
            let (name, rest) = part.split_once(": ").expect(part);
            field(rest, name, next_id)
        });
        return Type::Struct(StructType::new(fields.collect()));
    }
    Type::Primitive(serde_json::from_str::<PrimitiveType>(&format!("\"{text}\"")).expect(text))
}

fn field(text: &str, name: &str, next_id: &mut i32) -> NestedFieldRef {
    *next_id += 1;
    let id = *next_id;
    let (required, text) = text.strip_prefix("required ").map_or((false, text), |rest| (true, rest));
    NestedField::new(id, name, parse(text, next_id), required).into()
}

/// Parts at commas outside of brackets.
fn split(text: &str) -> Vec<&str> {
    let mut level = 0;
    let is_border = |char| {
        level += match char {
            '<' | '(' => 1,
            '>' | ')' => -1,
            _ => 0,
        };
        char == ',' && level == 0
    };
    text.split(is_border).map(str::trim).collect()
}
