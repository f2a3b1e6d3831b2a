//! Values of a file as the table's type has them: what Iceberg widens, and what Parquet writers spell differently. Nothing else, and
//! nothing that loses a digit.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampMicrosecondType, TimestampMillisecondType};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float32Array, Float64Array,
    Int32Array, Int64Array, LargeBinaryArray, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
    TimestampNanosecondArray, UInt32Array,
};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use arrow_select::take::take;
use iceberg::spec::{Literal, PrimitiveLiteral};

/// Whether values of `from` are values of `to`.
pub(super) fn can_convert(from: &DataType, to: &DataType) -> bool {
    use DataType::{
        Binary, Decimal128, Float32, Float64, Int8, Int16, Int32, Int64, LargeBinary, Time32, Time64, Timestamp, Utf8,
    };
    match (from, to) {
        (Int8 | Int16, Int32 | Int64) | (Int32, Int64) | (Float32, Float64) => true,
        (Decimal128(narrow, scale), Decimal128(wide, same)) => narrow <= wide && scale == same,
        (Timestamp(TimeUnit::Millisecond | TimeUnit::Microsecond, _), Timestamp(TimeUnit::Microsecond, _)) => true,
        (Timestamp(TimeUnit::Nanosecond, _), Timestamp(TimeUnit::Nanosecond, _)) => true,
        (Time32(TimeUnit::Millisecond), Time64(TimeUnit::Microsecond)) => true,
        // Old writers leave out the annotation that tells text from bytes.
        (Binary, Utf8) | (Binary | Utf8, LargeBinary) => true,
        (from, to) => from == to && !to.is_nested(),
    }
}

/// The values as `to`, between types for which [`can_convert`] holds.
///
/// # Errors
/// Values that don't fit: times out of range, bytes that are no text.
pub(super) fn convert(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    match (array.data_type(), to) {
        (from, to) if from == to => Ok(Arc::clone(array)),
        // The zone's name alone differs: both count from the same instant, or from the same wall clock.
        (DataType::Timestamp(TimeUnit::Microsecond, _), DataType::Timestamp(TimeUnit::Microsecond, zone)) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().clone();
            Ok(Arc::new(micros.with_timezone_opt(zone.clone())))
        }
        (DataType::Timestamp(TimeUnit::Nanosecond, _), DataType::Timestamp(TimeUnit::Nanosecond, zone)) => {
            let nanos = array.as_primitive::<arrow_array::types::TimestampNanosecondType>().clone();
            Ok(Arc::new(nanos.with_timezone_opt(zone.clone())))
        }
        (DataType::Timestamp(TimeUnit::Millisecond, _), DataType::Timestamp(TimeUnit::Microsecond, zone)) => {
            let millis = array.as_primitive::<TimestampMillisecondType>();
            let out_of_range = |millis: i64| {
                ArrowError::CastError(format!("expected milliseconds that fit as microseconds, found {millis}"))
            };
            let micros = millis.try_unary::<_, TimestampMicrosecondType, _>(|value| {
                value.checked_mul(1000).ok_or_else(|| out_of_range(value))
            })?;
            Ok(Arc::new(micros.with_timezone_opt(zone.clone())))
        }
        (_, to) => cast_with_options(array, to, &CastOptions { safe: false, ..CastOptions::default() }),
    }
}

/// One value as an array of length 1; `None` if it is no value of the type.
pub(super) fn constant(value: &Literal, data_type: &DataType) -> Option<ArrayRef> {
    let Literal::Primitive(value) = value else { return None };
    let array: ArrayRef = match (value, data_type) {
        (PrimitiveLiteral::Boolean(value), DataType::Boolean) => Arc::new(BooleanArray::from(vec![*value])),
        (PrimitiveLiteral::Int(value), DataType::Int32) => Arc::new(Int32Array::from(vec![*value])),
        (PrimitiveLiteral::Int(value), DataType::Int64) => Arc::new(Int64Array::from(vec![i64::from(*value)])),
        (PrimitiveLiteral::Int(value), DataType::Date32) => Arc::new(Date32Array::from(vec![*value])),
        (PrimitiveLiteral::Long(value), DataType::Int64) => Arc::new(Int64Array::from(vec![*value])),
        (PrimitiveLiteral::Long(value), DataType::Time64(TimeUnit::Microsecond)) => {
            Arc::new(Time64MicrosecondArray::from(vec![*value]))
        }
        (PrimitiveLiteral::Long(value), DataType::Timestamp(TimeUnit::Microsecond, zone)) => {
            Arc::new(TimestampMicrosecondArray::from(vec![*value]).with_timezone_opt(zone.clone()))
        }
        (PrimitiveLiteral::Long(value), DataType::Timestamp(TimeUnit::Nanosecond, zone)) => {
            Arc::new(TimestampNanosecondArray::from(vec![*value]).with_timezone_opt(zone.clone()))
        }
        (PrimitiveLiteral::Float(value), DataType::Float32) => Arc::new(Float32Array::from(vec![value.0])),
        (PrimitiveLiteral::Float(value), DataType::Float64) => Arc::new(Float64Array::from(vec![f64::from(value.0)])),
        (PrimitiveLiteral::Double(value), DataType::Float64) => Arc::new(Float64Array::from(vec![value.0])),
        (PrimitiveLiteral::String(value), DataType::Utf8) => Arc::new(StringArray::from(vec![value.as_str()])),
        (PrimitiveLiteral::Binary(value), DataType::LargeBinary) => {
            Arc::new(LargeBinaryArray::from(vec![value.as_slice()]))
        }
        (PrimitiveLiteral::Binary(value), DataType::FixedSizeBinary(_)) => {
            Arc::new(FixedSizeBinaryArray::try_from_iter(std::iter::once(value)).ok()?)
        }
        (PrimitiveLiteral::UInt128(value), DataType::FixedSizeBinary(16)) => {
            Arc::new(FixedSizeBinaryArray::try_from_iter(std::iter::once(value.to_be_bytes())).ok()?)
        }
        (PrimitiveLiteral::Int128(value), DataType::Decimal128(precision, scale)) => {
            Arc::new(Decimal128Array::from(vec![*value]).with_precision_and_scale(*precision, *scale).ok()?)
        }
        _ => return None,
    };
    (array.data_type() == data_type).then_some(array)
}

/// The one value of an array, so many times.
pub(super) fn repeated(value: &ArrayRef, rows: usize) -> Result<ArrayRef, ArrowError> {
    take(value, &UInt32Array::from(vec![0; rows]), None)
}

#[cfg(test)]
mod tests {
    use arrow_array::types::Int64Type;
    use arrow_array::{BinaryArray, TimestampMillisecondArray};

    use super::*;

    #[test]
    fn what_iceberg_widens_is_widened_and_nothing_else() {
        let decimal = |precision, scale| DataType::Decimal128(precision, scale);
        for (from, to) in [
            (DataType::Int32, DataType::Int64),
            (DataType::Float32, DataType::Float64),
            (decimal(9, 2), decimal(18, 2)),
        ] {
            assert!(can_convert(&from, &to) && can_convert(&to, &to), "{from} to {to}");
            assert!(!can_convert(&to, &from), "{to} to {from}");
        }
        for (from, to) in [
            (decimal(9, 2), decimal(18, 3)),
            (DataType::Int64, DataType::Float64),
            (DataType::Utf8, DataType::Int64),
            (DataType::Int32, DataType::Date32),
            (DataType::FixedSizeBinary(3), DataType::FixedSizeBinary(4)),
            (DataType::Timestamp(TimeUnit::Nanosecond, None), DataType::Timestamp(TimeUnit::Microsecond, None)),
        ] {
            assert!(!can_convert(&from, &to), "{from} to {to}");
        }
    }

    #[test]
    fn a_time_out_of_range_and_bytes_that_are_no_text_are_errors() {
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        let millis: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![i64::MAX]));
        assert!(convert(&millis, &micros).unwrap_err().to_string().contains("expected milliseconds"));
        let millis: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![Some(-1), None]));
        let converted = convert(&millis, &micros).unwrap();
        assert_eq!(
            converted.as_primitive::<TimestampMicrosecondType>().iter().collect::<Vec<_>>(),
            [Some(-1000), None]
        );
        let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![&[0xFF_u8][..]]));
        assert!(convert(&bytes, &DataType::Utf8).is_err());
    }

    #[test]
    fn a_constant_of_another_type_is_none() {
        assert!(constant(&Literal::string("a"), &DataType::Int32).is_none());
        let widened = constant(&Literal::int(7), &DataType::Int64).unwrap();
        let repeated = repeated(&widened, 3).unwrap();
        assert_eq!(repeated.as_primitive::<Int64Type>().values()[..], [7, 7, 7]);
    }
}
