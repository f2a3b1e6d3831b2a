//! A model of values that shares no code with the decoder: random types and values, their JSON, and what Arrow holds.

use std::fmt::Write as _;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType, TimestampNanosecondType,
};
use arrow_array::{Array, ArrayRef};
use chrono::{DateTime, Days, NaiveDate, NaiveTime};
use iceberg::spec::{NestedField, PrimitiveType, Type};
use proptest::collection::{hash_map, vec};
use proptest::prelude::*;

use crate::support::type_of;

/// One value of any type. Numbers are compared by their bits, so that -0.0 is not 0.0.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    Null,
    Boolean(bool),
    /// Every integer, and dates and times as their count of units.
    Integer(i128),
    Float(u32),
    Double(u64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Struct(Vec<Value>),
}

const SCALARS: [&str; 18] = [
    "boolean",
    "int",
    "long",
    "float",
    "double",
    "decimal(9,2)",
    "decimal(38,10)",
    "decimal(5,0)",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "timestamp_ns",
    "timestamptz_ns",
    "string",
    "uuid",
    "fixed[3]",
    "binary",
];

/// A type up to `levels` of nesting, as the text that [`type_of`] reads.
fn any_type(levels: u32) -> BoxedStrategy<String> {
    let scalar = prop::sample::select(&SCALARS[..]).prop_map(str::to_owned);
    let key =
        prop::sample::select(&SCALARS[..]).prop_filter("no exact text", |name| !matches!(*name, "float" | "double"));
    let marked = |inner: BoxedStrategy<String>| {
        (any::<bool>(), inner).prop_map(|(required, inner)| if required { format!("required {inner}") } else { inner })
    };
    scalar
        .prop_recursive(levels, 12, 3, move |inner| {
            let inner = marked(inner.boxed()).boxed();
            prop_oneof![
                inner.clone().prop_map(|element| format!("list<{element}>")),
                (key.clone(), inner.clone()).prop_map(|(key, value)| format!("map<{key}, {value}>")),
                vec(inner, 1..4).prop_map(|fields| {
                    let fields: Vec<_> =
                        fields.iter().enumerate().map(|(index, field)| format!("f{index}: {field}")).collect();
                    format!("struct<{}>", fields.join(", "))
                }),
            ]
        })
        .boxed()
}

/// Columns of a table.
pub(crate) fn any_columns() -> BoxedStrategy<Vec<NestedField>> {
    vec((any_type(3), any::<bool>()), 1..6)
        .prop_map(|columns| {
            let field = |(index, (text, required)): (usize, (String, bool))| {
                NestedField::new(index as i32 + 1, format!("c{index}"), renumbered(type_of(&text), index), required)
            };
            columns.into_iter().enumerate().map(field).collect()
        })
        .boxed()
}

/// Field ids must differ between columns: each column has its own range.
fn renumbered(mut column: Type, index: usize) -> Type {
    let shift = 1_000 * (index as i32 + 1);
    let field = |field: &NestedField| NestedField {
        id: field.id + shift,
        field_type: Box::new(renumbered((*field.field_type).clone(), index)),
        ..field.clone()
    };
    match &mut column {
        Type::Primitive(_) => {}
        Type::List(list) => list.element_field = field(&list.element_field).into(),
        Type::Map(map) => {
            map.key_field = field(&map.key_field).into();
            map.value_field = field(&map.value_field).into();
        }
        Type::Struct(fields) => {
            column = Type::Struct(iceberg::spec::StructType::new(
                fields.fields().iter().map(|inner| field(inner).into()).collect(),
            ));
        }
    }
    column
}

/// A value for a field: NULL one time in five where it may be.
pub(crate) fn any_value(field: &NestedField) -> BoxedStrategy<Value> {
    let value = any_value_of(&field.field_type);
    if field.required { value } else { prop_oneof![1 => Just(Value::Null), 4 => value].boxed() }
}

fn any_value_of(data_type: &Type) -> BoxedStrategy<Value> {
    match data_type {
        Type::Primitive(primitive) => any_scalar(primitive),
        Type::List(list) => vec(any_value(&list.element_field), 0..4).prop_map(Value::List).boxed(),
        Type::Map(map) => hash_map(any_value(&map.key_field), any_value(&map.value_field), 0..4)
            .prop_map(|entries| Value::Map(entries.into_iter().collect()))
            .boxed(),
        Type::Struct(fields) => {
            let values: Vec<_> = fields.fields().iter().map(|field| any_value(field)).collect();
            values.prop_map(Value::Struct).boxed()
        }
    }
}

fn any_scalar(primitive: &PrimitiveType) -> BoxedStrategy<Value> {
    let integers = |low: i64, high: i64| (low..=high).prop_map(|value| Value::Integer(value.into())).boxed();
    const MICROS: i64 = 1_000_000;
    match primitive {
        PrimitiveType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        PrimitiveType::Int => prop_oneof![Just(i32::MIN), Just(i32::MAX), any::<i32>(), -9i32..9]
            .prop_map(|value| Value::Integer(value.into()))
            .boxed(),
        PrimitiveType::Long => prop_oneof![Just(i64::MIN), Just(i64::MAX), any::<i64>(), -9i64..9]
            .prop_map(|value| Value::Integer(value.into()))
            .boxed(),
        PrimitiveType::Float => any::<f32>()
            .prop_filter("no JSON form", |value| value.is_finite())
            .prop_map(|value| Value::Float(value.to_bits()))
            .boxed(),
        PrimitiveType::Double => any::<f64>()
            .prop_filter("no JSON form", |value| value.is_finite())
            .prop_map(|value| Value::Double(value.to_bits()))
            .boxed(),
        PrimitiveType::Decimal { precision, .. } => {
            let end = 10i128.pow(*precision);
            prop_oneof![1 - end..end, -99i128..99].prop_map(Value::Integer).boxed()
        }
        PrimitiveType::Date => integers(-719_162, 2_932_896),
        PrimitiveType::Time => integers(0, 86_400 * MICROS - 1),
        PrimitiveType::Timestamp | PrimitiveType::Timestamptz => {
            integers(-719_162 * 86_400 * MICROS, 2_932_897 * 86_400 * MICROS - 1)
        }
        PrimitiveType::TimestampNs | PrimitiveType::TimestamptzNs => integers(i64::MIN, i64::MAX),
        PrimitiveType::String => any::<String>().prop_map(Value::Text).boxed(),
        PrimitiveType::Uuid => any::<[u8; 16]>().prop_map(|bytes| Value::Bytes(bytes.to_vec())).boxed(),
        PrimitiveType::Fixed(width) => vec(any::<u8>(), *width as usize).prop_map(Value::Bytes).boxed(),
        PrimitiveType::Binary => vec(any::<u8>(), 0..6).prop_map(Value::Bytes).boxed(),
    }
}

/// The JSON object of a row or struct. `spelling` varies what may vary: field order, NULL or no field, fields to ignore.
pub(crate) fn json_of_fields(fields: &[&NestedField], values: &[Value], spelling: u64) -> String {
    let mut parts = Vec::new();
    for (index, (field, value)) in fields.iter().zip(values).enumerate() {
        let bits = spelling.rotate_right(index as u32 * 3);
        if *value == Value::Null && bits & 1 == 0 {
            continue;
        }
        parts.push(format!(
            "{}:{}",
            quote(&field.name, false),
            json_of(&field.field_type, value, spelling.rotate_left(7))
        ));
        if bits & 6 == 6 {
            parts.push(format!("\"ignored {index}\":[{{\"c0\":[1.5e9,null]}},\"]\"]"));
        }
    }
    let turn = spelling as usize % parts.len().max(1);
    parts.rotate_left(turn);
    let space = if spelling & 8 == 0 { "" } else { " \n\t" };
    format!("{space}{{{space}{}{space}}}{space}", parts.join(&format!("{space},{space}")))
}

fn json_of(data_type: &Type, value: &Value, spelling: u64) -> String {
    match (data_type, value) {
        (_, Value::Null) => "null".to_owned(),
        (Type::Struct(fields), Value::Struct(values)) => {
            let fields: Vec<&NestedField> = fields.fields().iter().map(|field| &**field).collect();
            json_of_fields(&fields, values, spelling)
        }
        (Type::List(list), Value::List(values)) => {
            let parts: Vec<_> = values
                .iter()
                .map(|value| json_of(&list.element_field.field_type, value, spelling.rotate_left(5)))
                .collect();
            format!("[{}]", parts.join(","))
        }
        (Type::Map(map), Value::Map(entries)) => {
            let parts = entries.iter().map(|(key, value)| {
                let key = text_of(&map.key_field.field_type, key);
                format!(
                    "{}:{}",
                    quote(&key, spelling & 1 == 0),
                    json_of(&map.value_field.field_type, value, spelling.rotate_left(5))
                )
            });
            format!("{{{}}}", parts.collect::<Vec<_>>().join(","))
        }
        (Type::Primitive(PrimitiveType::Decimal { .. }), _) if spelling & 2 == 0 => {
            quote(&text_of(data_type, value), false)
        }
        (_, Value::Integer(_) | Value::Boolean(_) | Value::Float(_) | Value::Double(_)) if is_bare(data_type) => {
            text_of(data_type, value)
        }
        _ => quote(&text_of(data_type, value), spelling & 1 == 0),
    }
}

fn is_bare(data_type: &Type) -> bool {
    use PrimitiveType::{Boolean, Decimal, Double, Float, Int, Long};
    matches!(data_type, Type::Primitive(Boolean | Int | Long | Float | Double | Decimal { .. }))
}

/// The text of a scalar, without quotes.
fn text_of(data_type: &Type, value: &Value) -> String {
    let Type::Primitive(primitive) = data_type else { panic!("{data_type} has no text") };
    match (primitive, value) {
        (PrimitiveType::Decimal { scale, .. }, Value::Integer(unscaled)) => decimal_text(*unscaled, *scale as usize),
        (PrimitiveType::Date, Value::Integer(days)) => day(*days).format("%Y-%m-%d").to_string(),
        (PrimitiveType::Time, Value::Integer(micros)) => {
            let (seconds, nanos) = ((micros / 1_000_000) as u32, (micros % 1_000_000) as u32 * 1_000);
            NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos).unwrap().format("%H:%M:%S%.f").to_string()
        }
        (PrimitiveType::Timestamp, Value::Integer(micros)) => {
            instant(*micros * 1_000).format("%Y-%m-%dT%H:%M:%S%.f").to_string()
        }
        (PrimitiveType::Timestamptz, Value::Integer(micros)) => {
            instant(*micros * 1_000).format("%Y-%m-%d %H:%M:%S%.6fZ").to_string()
        }
        (PrimitiveType::TimestampNs, Value::Integer(nanos)) => {
            instant(*nanos).format("%Y-%m-%d %H:%M:%S%.9f").to_string()
        }
        (PrimitiveType::TimestamptzNs, Value::Integer(nanos)) => {
            instant(*nanos).format("%Y-%m-%dT%H:%M:%S%.f+00:00").to_string()
        }
        (PrimitiveType::Uuid, Value::Bytes(bytes)) => {
            let hex = hex(bytes);
            [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
        }
        (_, Value::Bytes(bytes)) => hex(bytes),
        (_, Value::Boolean(value)) => value.to_string(),
        (_, Value::Integer(value)) => value.to_string(),
        (_, Value::Float(bits)) => format!("{:e}", f32::from_bits(*bits)),
        (_, Value::Double(bits)) => format!("{:?}", f64::from_bits(*bits)),
        (_, Value::Text(text)) => text.clone(),
        other => panic!("{other:?} has no text"),
    }
}

fn decimal_text(unscaled: i128, scale: usize) -> String {
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (integer, fraction) = digits.split_at(digits.len() - scale);
    if fraction.is_empty() { format!("{sign}{integer}") } else { format!("{sign}{integer}.{fraction}") }
}

fn day(days: i128) -> NaiveDate {
    let first = NaiveDate::from_ymd_opt(1, 1, 1).unwrap();
    first.checked_add_days(Days::new((days + 719_162) as u64)).unwrap()
}

fn instant(nanos: i128) -> DateTime<chrono::Utc> {
    DateTime::from_timestamp(nanos.div_euclid(1_000_000_000) as i64, nanos.rem_euclid(1_000_000_000) as u32).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A JSON string; `escaped` writes every UTF-16 unit as `\u....`.
fn quote(text: &str, escaped: bool) -> String {
    if !escaped {
        return serde_json::to_string(text).unwrap();
    }
    let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    format!("\"{units}\"")
}

/// What an Arrow array holds in `row`.
pub(crate) fn value_at(array: &ArrayRef, data_type: &Type, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match data_type {
        Type::Primitive(primitive) => scalar_at(array, primitive, row),
        Type::List(list) => {
            let elements = array.as_list::<i32>().value(row);
            Value::List(
                (0..elements.len()).map(|index| value_at(&elements, &list.element_field.field_type, index)).collect(),
            )
        }
        Type::Map(map) => {
            let entries = array.as_map().value(row);
            let entry = |index| {
                (
                    value_at(entries.column(0), &map.key_field.field_type, index),
                    value_at(entries.column(1), &map.value_field.field_type, index),
                )
            };
            Value::Map((0..entries.len()).map(entry).collect())
        }
        Type::Struct(fields) => {
            let columns = array.as_struct().columns();
            Value::Struct(
                fields
                    .fields()
                    .iter()
                    .zip(columns)
                    .map(|(field, column)| value_at(column, &field.field_type, row))
                    .collect(),
            )
        }
    }
}

fn scalar_at(array: &ArrayRef, primitive: &PrimitiveType, row: usize) -> Value {
    match primitive {
        PrimitiveType::Boolean => Value::Boolean(array.as_boolean().value(row)),
        PrimitiveType::Int => Value::Integer(array.as_primitive::<Int32Type>().value(row).into()),
        PrimitiveType::Long => Value::Integer(array.as_primitive::<Int64Type>().value(row).into()),
        PrimitiveType::Float => Value::Float(array.as_primitive::<Float32Type>().value(row).to_bits()),
        PrimitiveType::Double => Value::Double(array.as_primitive::<Float64Type>().value(row).to_bits()),
        PrimitiveType::Decimal { .. } => Value::Integer(array.as_primitive::<Decimal128Type>().value(row)),
        PrimitiveType::Date => Value::Integer(array.as_primitive::<Date32Type>().value(row).into()),
        PrimitiveType::Time => Value::Integer(array.as_primitive::<Time64MicrosecondType>().value(row).into()),
        PrimitiveType::Timestamp | PrimitiveType::Timestamptz => {
            Value::Integer(array.as_primitive::<TimestampMicrosecondType>().value(row).into())
        }
        PrimitiveType::TimestampNs | PrimitiveType::TimestamptzNs => {
            Value::Integer(array.as_primitive::<TimestampNanosecondType>().value(row).into())
        }
        PrimitiveType::String => Value::Text(array.as_string::<i32>().value(row).to_owned()),
        PrimitiveType::Uuid | PrimitiveType::Fixed(_) => Value::Bytes(array.as_fixed_size_binary().value(row).to_vec()),
        PrimitiveType::Binary => Value::Bytes(array.as_binary::<i64>().value(row).to_vec()),
    }
}
