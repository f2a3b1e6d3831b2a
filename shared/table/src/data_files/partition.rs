//! Which partition each row falls into.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampMicrosecondType, TimestampNanosecondType};
use arrow_array::{
    Array, ArrayRef, Date32Array, Int32Array, Int64Array, LargeBinaryArray, RecordBatch, StructArray, UInt32Array,
    make_array,
};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use arrow_select::take::take_record_batch;
use iceberg::arrow::{arrow_struct_to_literal, type_to_arrow_type};
use iceberg::spec::{
    Literal, PartitionField, PartitionSpec, PrimitiveType, Schema, Struct, StructType, Transform, Type,
};
use iceberg::transform::create_transform_function;

use super::DataFileError;

/// The rows of one partition, in the order they arrived.
pub(super) struct PartitionRows {
    /// Partition values in the order of the spec's fields; empty for an unpartitioned spec.
    pub(super) values: Struct,
    pub(super) rows: RecordBatch,
}

/// Groups rows by partition, groups in the order of their first row: one pass, whatever the number of partitions.
pub(super) fn split(
    spec: &PartitionSpec,
    schema: &Schema,
    rows: &RecordBatch,
) -> Result<Vec<PartitionRows>, DataFileError> {
    if spec.fields().is_empty() {
        return Ok(vec![PartitionRows { values: Struct::empty(), rows: rows.clone() }]);
    }
    let mut numbers: HashMap<Struct, usize> = HashMap::new();
    let mut groups: Vec<(Struct, Vec<u32>)> = Vec::new();
    for (row, literal) in (0u32..).zip(partition_values(spec, schema, rows)?) {
        let Some(Literal::Struct(values)) = literal else {
            return Err(DataFileError::Entry(format!("no partition values for row {row}")));
        };
        let number = *numbers.entry(values.clone()).or_insert_with(|| {
            groups.push((values, Vec::new()));
            groups.len() - 1
        });
        groups[number].1.push(row);
    }
    if let [(values, _)] = groups.as_slice() {
        return Ok(vec![PartitionRows { values: values.clone(), rows: rows.clone() }]);
    }
    let taken = groups.into_iter().map(|(values, indices)| {
        let rows = take_record_batch(rows, &UInt32Array::from(indices))?;
        Ok(PartitionRows { values, rows })
    });
    taken.collect()
}

/// The partition of each row, as a struct in the order of the spec's fields.
///
/// Not iceberg's `PartitionValueCalculator` (0.10.1): it refuses a spec of `void` fields alone, which evolution leaves behind in
/// v1 tables, and its truncation does not know the Arrow type that iceberg itself gives to `binary`.
fn partition_values(
    spec: &PartitionSpec,
    schema: &Schema,
    rows: &RecordBatch,
) -> Result<Vec<Option<Literal>>, DataFileError> {
    let partition_type = spec.partition_type(schema).map_err(DataFileError::Partition)?;
    let mut values = Vec::with_capacity(spec.fields().len());
    for (field, typed) in spec.fields().iter().zip(partition_type.fields()) {
        refuse_unwritable(field, &typed.field_type)?;
        let source = column(schema.as_struct(), rows.columns(), field.source_id)?.ok_or_else(|| {
            DataFileError::PartitionField {
                field: field.name.clone(),
                expected: "a source column in the schema, at the top level or inside structs",
                found: format!("none with field id {}", field.source_id),
            }
        })?;
        values.push(transformed(&field.transform, source)?);
    }
    let arrow_type = type_to_arrow_type(&Type::Struct(partition_type.clone())).map_err(DataFileError::Partition)?;
    let DataType::Struct(arrow_fields) = arrow_type else {
        return Err(DataFileError::Entry(format!("partition values of type {arrow_type}")));
    };
    let values: ArrayRef = Arc::new(StructArray::try_new(arrow_fields, values, None)?);
    arrow_struct_to_literal(&values, &partition_type).map_err(DataFileError::Partition)
}

/// Refuses a spec whose values can't be written to a manifest.
pub(crate) fn refuse_unwritable_values(spec: &PartitionSpec, partition_type: &StructType) -> Result<(), DataFileError> {
    spec.fields()
        .iter()
        .zip(partition_type.fields())
        .try_for_each(|(field, typed)| refuse_unwritable(field, &typed.field_type))
}

/// iceberg 0.10.1 gives uuids in manifests another Avro type than the spec (and than the values it writes there itself).
fn refuse_unwritable(field: &PartitionField, value_type: &Type) -> Result<(), DataFileError> {
    if !matches!(value_type, Type::Primitive(PrimitiveType::Uuid)) {
        return Ok(());
    }
    Err(DataFileError::PartitionField {
        field: field.name.clone(),
        expected: "a transform whose result can be written to a manifest, such as `bucket` of this column",
        found: format!("`{}` of a uuid", field.transform),
    })
}

fn transformed(transform: &Transform, source: ArrayRef) -> Result<ArrayRef, DataFileError> {
    if let (Transform::Truncate(length), Some(binaries)) = (transform, source.as_binary_opt::<i64>()) {
        let length = usize::try_from(*length).unwrap_or(usize::MAX);
        let cut = binaries.iter().map(|value| value.map(|bytes| &bytes[..bytes.len().min(length)]));
        return Ok(Arc::new(cut.collect::<LargeBinaryArray>()));
    }
    if let Some(values) = floored(transform, &source) {
        return Ok(values);
    }
    let source = match transform {
        Transform::Bucket(_) => in_micros(source),
        _ => source,
    };
    let function = create_transform_function(transform).map_err(DataFileError::Partition)?;
    function.transform(source).map_err(DataFileError::Partition)
}

const MICROS_PER_HOUR: i64 = 3_600_000_000;
const MICROS_PER_DAY: i64 = 24 * MICROS_PER_HOUR;

/// The transforms that round down, also before 1970 and next to the least number: iceberg 0.10.1 puts the last second of a day
/// before 1970 into the next one, knows no hour of nanoseconds, and overflows in truncation.
fn floored(transform: &Transform, source: &ArrayRef) -> Option<ArrayRef> {
    let part = |value: i64, unit: i64| i32::try_from(value.div_euclid(unit)).unwrap_or_default();
    if let (Transform::Day | Transform::Hour, Some((times, per_micro))) = (transform, times(source)) {
        let hours = matches!(transform, Transform::Hour);
        let unit = per_micro * if hours { MICROS_PER_HOUR } else { MICROS_PER_DAY };
        let parts = times.iter().map(|time| time.map(|time| part(time, unit)));
        return Some(match hours {
            true => Arc::new(parts.collect::<Int32Array>()),
            false => Arc::new(parts.collect::<Date32Array>()),
        });
    }
    let Transform::Truncate(width) = transform else { return None };
    // Wraps below the least number, as Java's writers do.
    if let Some(ints) = source.as_primitive_opt::<Int32Type>() {
        let width = i32::try_from(*width).ok().filter(|width| *width > 0)?;
        return Some(Arc::new(ints.unary::<_, Int32Type>(|value| value.wrapping_sub(value.rem_euclid(width)))));
    }
    let longs = source.as_primitive_opt::<Int64Type>()?;
    let width = i64::from(*width).max(1);
    Some(Arc::new(longs.unary::<_, Int64Type>(|value| value.wrapping_sub(value.rem_euclid(width)))))
}

/// Timestamps as plain numbers, and how many of their units make a microsecond.
fn times(source: &ArrayRef) -> Option<(Int64Array, i64)> {
    if let Some(micros) = source.as_primitive_opt::<TimestampMicrosecondType>() {
        return Some((micros.reinterpret_cast::<Int64Type>(), 1));
    }
    let nanos = source.as_primitive_opt::<TimestampNanosecondType>()?;
    Some((nanos.reinterpret_cast::<Int64Type>(), 1000))
}

/// Nanoseconds as microseconds, rounded down: buckets of both must be the same (spec, Appendix B).
fn in_micros(source: ArrayRef) -> ArrayRef {
    match source.as_primitive_opt::<TimestampNanosecondType>() {
        Some(nanos) => Arc::new(nanos.unary::<_, TimestampMicrosecondType>(|nanos| nanos.div_euclid(1000))),
        None => source,
    }
}

/// The column of a field id, also inside structs; NULL where a struct around it is.
fn column(fields: &StructType, columns: &[ArrayRef], id: i32) -> Result<Option<ArrayRef>, DataFileError> {
    for (field, values) in fields.fields().iter().zip(columns) {
        if field.id == id {
            return Ok(Some(Arc::clone(values)));
        }
        let Type::Struct(inner) = field.field_type.as_ref() else { continue };
        if let Some(found) = column(inner, values.as_struct().columns(), id)? {
            let nulls = NullBuffer::union(values.nulls(), found.nulls());
            return Ok(Some(make_array(found.to_data().into_builder().nulls(nulls).build()?)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use arrow_array::{TimestampMicrosecondArray, TimestampNanosecondArray};

    use super::*;

    fn day_of(source: ArrayRef) -> i32 {
        transformed(&Transform::Day, source).unwrap().as_primitive::<arrow_array::types::Date32Type>().value(0)
    }

    #[test]
    fn the_last_second_of_a_day_before_1970_belongs_to_that_day() {
        for (micros, day) in [
            (-1, -1),
            (-86_400_500_000, -2),
            (-172_800_001_000, -3),
            (-86_400_000_001, -2),
            (0, 0),
            (86_400_000_000, 1),
        ] {
            assert_eq!(day_of(Arc::new(TimestampMicrosecondArray::from(vec![micros]))), day, "{micros}");
            assert_eq!(day_of(Arc::new(TimestampNanosecondArray::from(vec![micros * 1000]))), day, "{micros}");
        }
    }

    #[test]
    fn truncation_next_to_the_least_number_wraps_and_does_not_panic() {
        let values: ArrayRef = Arc::new(Int64Array::from(vec![i64::MIN + 3, -1, 0, 17]));
        let cut = transformed(&Transform::Truncate(10), values).unwrap();
        assert_eq!(cut.as_primitive::<Int64Type>().values()[1..], [-10, 0, 10]);
        let values: ArrayRef = Arc::new(Int32Array::from(vec![i32::MIN, -11]));
        let cut = transformed(&Transform::Truncate(10), values).unwrap();
        assert_eq!(cut.as_primitive::<Int32Type>().value(1), -20);
    }

    #[test]
    fn nanoseconds_fall_into_the_bucket_of_their_microsecond() {
        let bucket = |source| transformed(&Transform::Bucket(1000), source).unwrap();
        let nanos: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![-1, -1_001, 1_999]));
        let micros: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![-1, -2, 1]));
        assert_eq!(&bucket(nanos), &bucket(micros));
    }
}
