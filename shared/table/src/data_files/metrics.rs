//! Column metrics for the manifest, from the rows themselves (bounds) and the Parquet footer (sizes, counts).
//!
//! iceberg 0.10.1 derives bounds from row-group statistics and skips groups whose statistics are truncated,
//! so that the bounds of the rest wrongly stand for the whole file and filtered reads lose rows. Ours are taken
//! from the Arrow arrays and cut by the table's metrics modes, upper bounds rounded up (Iceberg spec, "Metrics").

use std::collections::HashMap;

use arrow_arith::aggregate;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType, TimestampNanosecondType,
};
use arrow_array::{Array, ArrayRef, RecordBatch, make_array};
use arrow_buffer::NullBuffer;
use iceberg::spec::{Datum, PrimitiveType, Schema, StructType, Type};
use parquet::file::metadata::ParquetMetaData;

use super::DataFileError;
use super::metrics_mode::{MetricsMode, MetricsModes};

/// What a manifest entry says of a file's columns, by field id.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    pub(super) column_sizes: HashMap<i32, u64>,
    pub(super) value_counts: HashMap<i32, u64>,
    pub(super) null_value_counts: HashMap<i32, u64>,
    pub(super) nan_value_counts: HashMap<i32, u64>,
    pub(super) lower_bounds: HashMap<i32, Datum>,
    pub(super) upper_bounds: HashMap<i32, Datum>,
}

/// Metrics of one file.
pub(super) fn collect(
    schema: &Schema,
    modes: &MetricsModes,
    rows: &RecordBatch,
    footer: &ParquetMetaData,
) -> Result<Metrics, DataFileError> {
    let mut metrics = Metrics::default();
    count(modes, footer, &mut metrics);
    bound_struct(schema.as_struct(), modes, rows.columns(), None, &mut metrics)?;
    Ok(metrics)
}

fn count(modes: &MetricsModes, footer: &ParquetMetaData, metrics: &mut Metrics) {
    for chunk in footer.row_groups().iter().flat_map(|group| group.columns()) {
        let info = chunk.column_descr().self_type().get_basic_info();
        if !info.has_id() {
            continue;
        }
        let id = info.id();
        *metrics.column_sizes.entry(id).or_default() += u64::try_from(chunk.compressed_size()).unwrap_or_default();
        if modes.of(id) == MetricsMode::None {
            continue;
        }
        *metrics.value_counts.entry(id).or_default() += u64::try_from(chunk.num_values()).unwrap_or_default();
        if let Some(nulls) = chunk.statistics().and_then(|statistics| statistics.null_count_opt()) {
            *metrics.null_value_counts.entry(id).or_default() += nulls;
        }
    }
}

/// Bounds of the primitive columns of a struct and of structs in it; columns inside lists and maps have none.
fn bound_struct(
    fields: &StructType,
    modes: &MetricsModes,
    columns: &[ArrayRef],
    parent_nulls: Option<&NullBuffer>,
    metrics: &mut Metrics,
) -> Result<(), DataFileError> {
    for (field, column) in fields.fields().iter().zip(columns) {
        // A value below a null struct is no value, whatever the child array holds there.
        let nulls = NullBuffer::union(parent_nulls, column.nulls());
        match field.field_type.as_ref() {
            Type::Struct(inner) => bound_struct(inner, modes, column.as_struct().columns(), nulls.as_ref(), metrics)?,
            Type::Primitive(primitive) => {
                let mode = modes.of(field.id);
                if mode == MetricsMode::None {
                    continue;
                }
                let visible = make_array(column.to_data().into_builder().nulls(nulls).build()?);
                if let Some(nans) = nan_count(&visible) {
                    metrics.nan_value_counts.insert(field.id, nans);
                }
                bound(field.id, primitive, mode, &visible, metrics)?;
            }
            Type::List(_) | Type::Map(_) => {}
        }
    }
    Ok(())
}

fn nan_count(column: &ArrayRef) -> Option<u64> {
    if let Some(floats) = column.as_primitive_opt::<Float32Type>() {
        return Some(floats.iter().flatten().filter(|value| value.is_nan()).count() as u64);
    }
    let doubles = column.as_primitive_opt::<Float64Type>()?;
    Some(doubles.iter().flatten().filter(|value| value.is_nan()).count() as u64)
}

fn bound(
    id: i32,
    primitive: &PrimitiveType,
    mode: MetricsMode,
    column: &ArrayRef,
    metrics: &mut Metrics,
) -> Result<(), DataFileError> {
    let length = match mode {
        MetricsMode::None | MetricsMode::Counts => return Ok(()),
        MetricsMode::Truncate(length) => Some(length),
        MetricsMode::Full => None,
    };
    let Some((lower, upper)) = extremes(primitive, column) else { return Ok(()) };
    let datum = |bytes: &[u8]| {
        Datum::try_from_bytes(bytes, primitive.clone()).map_err(|error| DataFileError::Entry(error.to_string()))
    };
    let (lower, upper) = match length {
        Some(length) => cut(primitive, length, lower, upper),
        None => (lower, Some(upper)),
    };
    metrics.lower_bounds.insert(id, datum(&lower)?);
    if let Some(upper) = upper {
        metrics.upper_bounds.insert(id, datum(&upper)?);
    }
    Ok(())
}

/// Least and greatest value in the spec's single-value binary form; `None` where there is none (or a NaN).
fn extremes(primitive: &PrimitiveType, column: &ArrayRef) -> Option<(Vec<u8>, Vec<u8>)> {
    macro_rules! little_endian {
        ($type:ty) => {{
            let values = column.as_primitive_opt::<$type>()?;
            let (least, greatest) = (aggregate::min(values)?, aggregate::max(values)?);
            Some((least.to_le_bytes().to_vec(), greatest.to_le_bytes().to_vec()))
        }};
    }
    match primitive {
        PrimitiveType::Boolean => {
            let values = column.as_boolean_opt()?;
            let (least, greatest) = (aggregate::min_boolean(values)?, aggregate::max_boolean(values)?);
            Some((vec![u8::from(least)], vec![u8::from(greatest)]))
        }
        PrimitiveType::Int => little_endian!(Int32Type),
        PrimitiveType::Long => little_endian!(Int64Type),
        PrimitiveType::Float => {
            let values = column.as_primitive_opt::<Float32Type>()?;
            let (least, greatest) = (aggregate::min(values)?, aggregate::max(values)?);
            // NaN sorts above everything here; a file with one has no usable upper bound, so it has none at all.
            let numbers = !least.is_nan() && !greatest.is_nan();
            numbers.then(|| (least.to_le_bytes().to_vec(), greatest.to_le_bytes().to_vec()))
        }
        PrimitiveType::Double => {
            let values = column.as_primitive_opt::<Float64Type>()?;
            let (least, greatest) = (aggregate::min(values)?, aggregate::max(values)?);
            let numbers = !least.is_nan() && !greatest.is_nan();
            numbers.then(|| (least.to_le_bytes().to_vec(), greatest.to_le_bytes().to_vec()))
        }
        PrimitiveType::Date => little_endian!(Date32Type),
        PrimitiveType::Time => little_endian!(Time64MicrosecondType),
        PrimitiveType::Timestamp | PrimitiveType::Timestamptz => little_endian!(TimestampMicrosecondType),
        PrimitiveType::TimestampNs | PrimitiveType::TimestamptzNs => little_endian!(TimestampNanosecondType),
        PrimitiveType::Decimal { .. } => {
            let values = column.as_primitive_opt::<Decimal128Type>()?;
            let (least, greatest) = (aggregate::min(values)?, aggregate::max(values)?);
            Some((unscaled_bytes(least), unscaled_bytes(greatest)))
        }
        PrimitiveType::String => {
            let values = column.as_string_opt::<i32>()?;
            let (least, greatest) = (aggregate::min_string(values)?, aggregate::max_string(values)?);
            Some((least.as_bytes().to_vec(), greatest.as_bytes().to_vec()))
        }
        PrimitiveType::Binary => {
            let values = column.as_binary_opt::<i64>()?;
            let (least, greatest) = (aggregate::min_binary(values)?, aggregate::max_binary(values)?);
            Some((least.to_vec(), greatest.to_vec()))
        }
        PrimitiveType::Uuid | PrimitiveType::Fixed(_) => {
            let values = column.as_fixed_size_binary_opt()?;
            let (least, greatest) = (values.iter().flatten().min()?, values.iter().flatten().max()?);
            Some((least.to_vec(), greatest.to_vec()))
        }
    }
}

/// Two's complement, big-endian, in the fewest bytes (spec, Appendix D).
fn unscaled_bytes(value: i128) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let sign: u8 = if value < 0 { 0xFF } else { 0 };
    let redundant = |index: &usize| bytes[*index] == sign && (bytes[index + 1] & 0x80) == (sign & 0x80);
    let skip = (0..bytes.len() - 1).take_while(redundant).count();
    bytes[skip..].to_vec()
}

/// Cuts strings and binaries: a lower bound may be shorter (and so smaller), an upper bound must be rounded up.
fn cut(primitive: &PrimitiveType, length: usize, lower: Vec<u8>, upper: Vec<u8>) -> (Vec<u8>, Option<Vec<u8>>) {
    match primitive {
        PrimitiveType::String => {
            // The arrays hold valid UTF-8, so nothing is replaced here.
            let (low, high) = (String::from_utf8_lossy(&lower), String::from_utf8_lossy(&upper));
            (low.chars().take(length).collect::<String>().into_bytes(), rounded_up_text(&high, length))
        }
        PrimitiveType::Binary => (lower.into_iter().take(length).collect(), rounded_up_bytes(upper, length)),
        _ => (lower, Some(upper)),
    }
}

/// At most `length` characters that sort at or after `text`; `None` when there are none.
fn rounded_up_text(text: &str, length: usize) -> Option<Vec<u8>> {
    let Some((end, _)) = text.char_indices().nth(length) else { return Some(text.as_bytes().to_vec()) };
    let mut kept: Vec<char> = text[..end].chars().collect();
    while let Some(last) = kept.pop() {
        if let Some(next) = following(last) {
            kept.push(next);
            return Some(kept.into_iter().collect::<String>().into_bytes());
        }
    }
    None
}

/// The next code point, over the gap that UTF-16 surrogates leave.
fn following(character: char) -> Option<char> {
    match u32::from(character) + 1 {
        0xD800 => Some('\u{E000}'),
        next => char::from_u32(next),
    }
}

/// At most `length` bytes that sort at or after `bytes`; `None` when there are none.
fn rounded_up_bytes(mut bytes: Vec<u8>, length: usize) -> Option<Vec<u8>> {
    if bytes.len() <= length {
        return Some(bytes);
    }
    bytes.truncate(length);
    while let Some(last) = bytes.pop() {
        if let Some(next) = last.checked_add(1) {
            bytes.push(next);
            return Some(bytes);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_upper_bound_steps_over_surrogates_and_gives_up_at_the_top() {
        assert_eq!(rounded_up_text("ab\u{D7FF}z", 3).unwrap(), "ab\u{E000}".as_bytes());
        assert_eq!(rounded_up_text("a\u{10FFFF}z", 2).unwrap(), b"b");
        assert_eq!(rounded_up_text("\u{10FFFF}\u{10FFFF}z", 2), None);
        assert_eq!(rounded_up_bytes(vec![1, 0xFF, 9], 2), Some(vec![2]));
        assert_eq!(rounded_up_bytes(vec![0xFF, 0xFF, 9], 2), None);
    }

    proptest! {
        #[test]
        fn cut_bounds_still_enclose_every_string(text in "\\PC{0,40}", length in 1..20usize) {
            let (lower, upper) = cut(&PrimitiveType::String, length, text.clone().into_bytes(), text.clone().into_bytes());
            prop_assert!(lower.as_slice() <= text.as_bytes());
            if let Some(upper) = upper {
                prop_assert!(text.as_bytes() <= upper.as_slice());
            }
        }

        #[test]
        fn unscaled_bytes_are_the_shortest_that_read_back(value in any::<i128>(), shift in 0..127u32) {
            let value = value >> shift;
            let bytes = unscaled_bytes(value);
            let sign = if value < 0 { 0xFF } else { 0 };
            let mut wide = [sign; 16];
            wide[16 - bytes.len()..].copy_from_slice(&bytes);
            prop_assert_eq!(i128::from_be_bytes(wide), value);
            if bytes.len() > 1 {
                let shorter = &bytes[1..];
                let mut wide = [if shorter[0] & 0x80 == 0 { 0 } else { 0xFF }; 16];
                wide[16 - shorter.len()..].copy_from_slice(shorter);
                prop_assert_ne!(i128::from_be_bytes(wide), value);
            }
        }
    }
}
