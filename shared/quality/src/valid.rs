//! Valid values as Arrow has them: literals of the rules in the column's own type, and what bounds decide about them.

use std::cmp::Ordering;

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType, TimestampNanosecondType,
};
use iceberg::spec::{Datum, NestedField, PrimitiveLiteral, PrimitiveType, Schema};
use regex::Regex;
use serde_json::{Value, json};
use tributary_decode::Decoder;

use crate::facts::Column;
use crate::rules::ValidValues;

/// Valid values of one column. Each array has one row.
#[derive(Debug, Clone)]
pub(crate) struct Valid {
    pub(crate) min: Option<ArrayRef>,
    pub(crate) max: Option<ArrayRef>,
    pub(crate) values: Option<Vec<ArrayRef>>,
    pub(crate) regex: Option<Regex>,
}

/// What bounds decide about a file's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decided {
    AllValid,
    NoneValid,
    Open,
}

impl Valid {
    /// The error is the message of a result.
    pub(crate) fn of(rule: &ValidValues, column: &Column) -> Result<Self, String> {
        if rule.regex.is_some() && column.primitive != PrimitiveType::String {
            let (name, found) = (&column.field.name, &column.primitive);
            return Err(format!("expected column `{name}` to be a string, which a pattern can match, found {found}"));
        }
        let literal = |value: &Value| literal(column, value);
        Ok(Self {
            min: rule.min.as_ref().map(literal).transpose()?,
            max: rule.max.as_ref().map(literal).transpose()?,
            values: rule.values.as_ref().map(|values| values.iter().map(literal).collect()).transpose()?,
            regex: rule.regex.clone(),
        })
    }

    /// What a file's bounds decide. They may be cut, but only outwards: the least value is not less than the lower bound.
    pub(crate) fn decide(&self, lower: Option<&Datum>, upper: Option<&Datum>, has_no_nan: bool) -> Decided {
        if self.values.is_some() || self.regex.is_some() || !has_no_nan {
            return Decided::Open;
        }
        let (Some(lower), Some(upper)) = (lower.and_then(Key::of_datum), upper.and_then(Key::of_datum)) else {
            return Decided::Open;
        };
        let key = |literal: &Option<ArrayRef>| literal.as_ref().map(Key::of_literal);
        let (min, max) = (key(&self.min), key(&self.max));
        let holds = |limit: &Option<Option<Key>>, bound: &Key, wanted: Ordering| match limit {
            None => true,
            Some(limit) => limit.as_ref().and_then(|limit| bound.order(limit)).is_some_and(|order| order != wanted),
        };
        let beyond = |limit: &Option<Option<Key>>, bound: &Key, wanted: Ordering| {
            limit.as_ref().and_then(|limit| bound.order(limit.as_ref()?)) == Some(wanted)
        };
        if holds(&min, &lower, Ordering::Less) && holds(&max, &upper, Ordering::Greater) {
            Decided::AllValid
        } else if beyond(&min, &upper, Ordering::Less) || beyond(&max, &lower, Ordering::Greater) {
            Decided::NoneValid
        } else {
            Decided::Open
        }
    }
}

/// A literal as an array of one row, of the column's own type: read by the decoder of ingest, and so as strictly as a record.
fn literal(column: &Column, value: &Value) -> Result<ArrayRef, String> {
    let name = &column.field.name;
    let (field, primitive) = (&column.field, &column.primitive);
    let alone = NestedField::required(field.id, name.clone(), primitive.clone().into());
    let schema = Schema::builder().with_fields([alone.into()]).build().map_err(|error| error.to_string())?;
    let mut batch = Decoder::try_new(&schema).map_err(|error| error.to_string())?.batch(1);
    let record = json!({name.as_str(): value}).to_string();
    batch.push(record.as_bytes()).map_err(|error| format!("valid values of {error}"))?;
    let batch = batch.finish().map_err(|error| error.to_string())?;
    Ok(batch.column(0).clone())
}

/// A value in an order that bounds and literals share.
#[derive(Debug, Clone, PartialEq)]
enum Key {
    Whole(i128),
    Real(f64),
    Text(String),
}

impl Key {
    /// A bound. Files written before a column's type was widened have bounds of the narrower type.
    fn of_datum(datum: &Datum) -> Option<Self> {
        match (datum.literal(), datum.data_type()) {
            (PrimitiveLiteral::Int(value), _) => Some(Self::Whole((*value).into())),
            (PrimitiveLiteral::Long(value), _) => Some(Self::Whole((*value).into())),
            (PrimitiveLiteral::Int128(value), _) => Some(Self::Whole(*value)),
            (PrimitiveLiteral::Float(value), _) if !value.is_nan() => Some(Self::Real(f64::from(value.0))),
            (PrimitiveLiteral::Double(value), _) if !value.is_nan() => Some(Self::Real(value.0)),
            (PrimitiveLiteral::String(value), _) => Some(Self::Text(value.clone())),
            _ => None,
        }
    }

    fn of_literal(array: &ArrayRef) -> Option<Self> {
        macro_rules! whole {
            ($($type:ty),*) => {
                $(if let Some(values) = array.as_primitive_opt::<$type>() {
                    return Some(Self::Whole(values.value(0).into()));
                })*
            };
        }
        whole!(Int32Type, Int64Type, Date32Type, Decimal128Type, Time64MicrosecondType, TimestampMicrosecondType);
        whole!(TimestampNanosecondType);
        if let Some(values) = array.as_primitive_opt::<Float32Type>() {
            return Some(Self::Real(values.value(0).into()));
        }
        if let Some(values) = array.as_primitive_opt::<Float64Type>() {
            return Some(Self::Real(values.value(0)));
        }
        array.as_string_opt::<i32>().map(|values| Self::Text(values.value(0).to_owned()))
    }

    fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => Some(a.cmp(b)),
            (Self::Real(a), Self::Real(b)) => a.partial_cmp(b),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}
