//! Which partition each row falls into.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, LargeBinaryArray, RecordBatch, StructArray, UInt32Array, make_array};
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
    let function = create_transform_function(transform).map_err(DataFileError::Partition)?;
    function.transform(source).map_err(DataFileError::Partition)
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
