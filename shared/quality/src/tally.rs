//! Counting in rows that were read.

use std::sync::Arc;

use arrow_arith::boolean::{and, is_null, not, or};
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float32Type, Float64Type, TimestampMicrosecondType, TimestampNanosecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, Scalar};
use arrow_ord::cmp;

use crate::facts::{Column, DAY_US};
use crate::measure::{Counted, Measure, Scope, Tally};
use crate::valid::Valid;

/// Why rows could not be counted: the message of a result.
type Counting<T> = Result<T, String>;

/// Counts in a batch that has the measure's columns by their names.
pub(crate) fn tally(measure: &Measure, batch: &RecordBatch) -> Counting<Tally> {
    let in_scope = match &measure.scope {
        Scope::Whole | Scope::New { .. } => None,
        Scope::Time { column, start_us, end_us } => Some(in_time(named(batch, column)?, *start_us, *end_us)?),
    };
    let hits = match &measure.of {
        Counted::Rows => None,
        Counted::Missing(column) => Some(is_null(named(batch, column)?).map_err(text)?),
        Counted::Invalid(column, valid) => Some(invalid(named(batch, column)?, valid)?),
    };
    let hits = match (&in_scope, hits) {
        (Some(scope), Some(hits)) => Some(and(scope, &hits).map_err(text)?),
        (_, hits) => hits,
    };
    let rows = in_scope.map_or(batch.num_rows(), |scope| scope.true_count());
    // A null in a mask counts as false: no time is in no window, no value is not invalid.
    Ok(Tally { rows: rows as u64, hits: hits.map_or(0, |hits| hits.true_count()) as u64 })
}

fn named<'a>(batch: &'a RecordBatch, column: &Column) -> Counting<&'a ArrayRef> {
    let name = &column.field.name;
    batch.column_by_name(name).ok_or_else(|| format!("expected column `{name}` among those read, found none"))
}

fn in_time(column: &ArrayRef, start_us: i64, end_us: i64) -> Counting<BooleanArray> {
    let times = times_us(column)?;
    let scalar = |us| Scalar::new(Int64Array::from(vec![us]));
    let (from, before) = (cmp::gt_eq(&times, &scalar(start_us)), cmp::lt(&times, &scalar(end_us)));
    and(&from.map_err(text)?, &before.map_err(text)?).map_err(text)
}

/// Microseconds since the epoch; times without a zone are taken for UTC.
fn times_us(column: &ArrayRef) -> Counting<Int64Array> {
    if let Some(us) = column.as_primitive_opt::<TimestampMicrosecondType>() {
        return Ok(us.unary(|us| us));
    }
    if let Some(ns) = column.as_primitive_opt::<TimestampNanosecondType>() {
        return Ok(ns.unary(|ns: i64| ns.div_euclid(1000)));
    }
    if let Some(days) = column.as_primitive_opt::<Date32Type>() {
        return Ok(days.unary(|days| i64::from(days).saturating_mul(DAY_US)));
    }
    Err(format!("expected a column of times or dates, found {}", column.data_type()))
}

fn invalid(column: &ArrayRef, valid: &Valid) -> Counting<BooleanArray> {
    let column = &one_zero(column);
    let mut invalid = BooleanArray::from(vec![false; column.len()]);
    let mut also = |mask: BooleanArray| -> Counting<()> {
        invalid = or(&invalid, &mask).map_err(text)?;
        Ok(())
    };
    let scalar = |literal: &ArrayRef| Scalar::new(one_zero(literal));
    if let Some(min) = &valid.min {
        also(cmp::lt(column, &scalar(min)).map_err(text)?)?;
    }
    if let Some(max) = &valid.max {
        also(cmp::gt(column, &scalar(max)).map_err(text)?)?;
    }
    if (valid.min.is_some() || valid.max.is_some())
        && let Some(nan) = nan(column)
    {
        // NaN lies in no range; Arrow's order puts it above all numbers.
        also(nan)?;
    }
    if let Some(values) = &valid.values {
        let mut known = BooleanArray::from(vec![false; column.len()]);
        for value in values {
            known = or(&known, &cmp::eq(column, &scalar(value)).map_err(text)?).map_err(text)?;
        }
        also(not(&known).map_err(text)?)?;
    }
    if let Some(regex) = &valid.regex {
        let Some(strings) = column.as_string_opt::<i32>() else {
            return Err(format!("expected a column of strings, found {}", column.data_type()));
        };
        also(strings.iter().map(|value| value.map(|value| !regex.is_match(value))).collect())?;
    }
    Ok(invalid)
}

/// Arrow's order tells -0 from 0; a rule does not.
fn one_zero(column: &ArrayRef) -> ArrayRef {
    if let Some(floats) = column.as_primitive_opt::<Float32Type>() {
        return Arc::new(floats.unary::<_, Float32Type>(|value| value + 0.0));
    }
    match column.as_primitive_opt::<Float64Type>() {
        Some(doubles) => Arc::new(doubles.unary::<_, Float64Type>(|value| value + 0.0)),
        None => column.clone(),
    }
}

fn nan(column: &ArrayRef) -> Option<BooleanArray> {
    if let Some(floats) = column.as_primitive_opt::<Float32Type>() {
        return Some(floats.iter().map(|value| value.map(f32::is_nan)).collect());
    }
    let doubles = column.as_primitive_opt::<Float64Type>()?;
    Some(doubles.iter().map(|value| value.map(f64::is_nan)).collect())
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
