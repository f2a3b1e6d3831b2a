//! Finished columns to Arrow arrays, without copying values.

use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type,
    Time64MicrosecondType, TimestampMicrosecondType, TimestampNanosecondType,
};
use arrow_array::{
    ArrayRef, BooleanArray, FixedSizeBinaryArray, LargeBinaryArray, ListArray, MapArray, PrimitiveArray, RecordBatch,
    StringArray, StructArray,
};
use arrow_buffer::{ArrowNativeType, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Fields as ArrowFields, SchemaRef, TimeUnit};

use crate::column::{Column, MapValues, Values};
use crate::structs::Fields;

/// All columns as one batch.
pub(crate) fn batch(fields: Fields, schema: SchemaRef) -> Result<RecordBatch, ArrowError> {
    let arrays = children(fields, schema.fields())?;
    RecordBatch::try_new(schema, arrays)
}

fn children(fields: Fields, types: &ArrowFields) -> Result<Vec<ArrayRef>, ArrowError> {
    fields.fields.into_iter().zip(types).map(|(field, arrow)| array(field.column, arrow.data_type())).collect()
}

fn array(column: Column, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    let nulls = column.validity.into_nulls();
    Ok(match (column.values, data_type) {
        (Values::Boolean(bits), _) => Arc::new(BooleanArray::new(bits.into_buffer(), nulls)),
        (Values::Int(values), _) => primitive::<Int32Type>(values, nulls)?,
        (Values::Long(values), _) => primitive::<Int64Type>(values, nulls)?,
        (Values::Float(values), _) => primitive::<Float32Type>(values, nulls)?,
        (Values::Double(values), _) => primitive::<Float64Type>(values, nulls)?,
        (Values::Date(values), _) => primitive::<Date32Type>(values, nulls)?,
        (Values::Time(values), _) => primitive::<Time64MicrosecondType>(values, nulls)?,
        (Values::Decimal { unscaled, .. }, DataType::Decimal128(precision, scale)) => {
            let array = PrimitiveArray::<Decimal128Type>::try_new(unscaled.into(), nulls)?;
            Arc::new(array.with_precision_and_scale(*precision, *scale)?)
        }
        (Values::Timestamp { values, .. }, DataType::Timestamp(TimeUnit::Microsecond, zone)) => {
            let array = PrimitiveArray::<TimestampMicrosecondType>::try_new(values.into(), nulls)?;
            Arc::new(array.with_timezone_opt(zone.clone()))
        }
        (Values::Timestamp { values, .. }, DataType::Timestamp(TimeUnit::Nanosecond, zone)) => {
            let array = PrimitiveArray::<TimestampNanosecondType>::try_new(values.into(), nulls)?;
            Arc::new(array.with_timezone_opt(zone.clone()))
        }
        (Values::String(strings), _) => {
            Arc::new(StringArray::try_new(offsets(strings.offsets), Buffer::from_vec(strings.bytes), nulls)?)
        }
        (Values::Binary(binaries), _) => {
            Arc::new(LargeBinaryArray::try_new(offsets(binaries.offsets), Buffer::from_vec(binaries.bytes), nulls)?)
        }
        (Values::Uuid(values), DataType::FixedSizeBinary(width)) => {
            Arc::new(FixedSizeBinaryArray::try_new(*width, Buffer::from_vec(values.into_flattened()), nulls)?)
        }
        (Values::Fixed { bytes, .. }, DataType::FixedSizeBinary(width)) => {
            Arc::new(FixedSizeBinaryArray::try_new(*width, Buffer::from_vec(bytes), nulls)?)
        }
        (Values::Struct(fields), DataType::Struct(types)) => {
            Arc::new(StructArray::try_new(types.clone(), children(fields, types)?, nulls)?)
        }
        (Values::List { offsets: ends, elements }, DataType::List(element)) => {
            let elements = array(*elements, element.data_type())?;
            Arc::new(ListArray::try_new(Arc::clone(element), offsets(ends), elements, nulls)?)
        }
        (Values::Map(map), DataType::Map(..)) => map_array(*map, data_type, nulls)?,
        (_, other) => return Err(unlike(other)),
    })
}

fn primitive<T: ArrowPrimitiveType>(values: Vec<T::Native>, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
    Ok(Arc::new(PrimitiveArray::<T>::try_new(values.into(), nulls)?))
}

fn map_array(map: MapValues, data_type: &DataType, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
    let DataType::Map(entry, ordered) = data_type else {
        return Err(unlike(data_type));
    };
    let DataType::Struct(types) = entry.data_type() else {
        return Err(unlike(entry.data_type()));
    };
    let [key, value] = &types[..] else {
        return Err(unlike(entry.data_type()));
    };
    let columns = vec![array(map.keys, key.data_type())?, array(map.values, value.data_type())?];
    let entries = StructArray::try_new(types.clone(), columns, None)?;
    Ok(Arc::new(MapArray::try_new(Arc::clone(entry), offsets(map.offsets), entries, nulls, *ordered)?))
}

fn unlike(found: &DataType) -> ArrowError {
    ArrowError::SchemaError(format!("expected the Arrow type of the column's plan, found {found}"))
}

/// Offsets start at 0 and never fall: the columns append ends only.
fn offsets<O: ArrowNativeType + arrow_array::OffsetSizeTrait>(ends: Vec<O>) -> OffsetBuffer<O> {
    OffsetBuffer::new(ScalarBuffer::from(ends))
}
