//! What becomes of a file's columns under another schema: matched by field id, widened, reordered, filled (Iceberg spec, "Column
//! Projection" and "Schema Evolution").
//!
//! Our own, since iceberg 0.10.1 compares columns by place and type alone (reordered columns of one type change places) and leaves
//! what is inside structs, lists and maps as the file has it.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, MapArray, RecordBatch, RecordBatchOptions, StructArray, new_null_array};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields, Schema as ArrowSchema};
use iceberg::arrow::type_to_arrow_type;
use iceberg::spec::{Literal, NestedField, StructType, Type};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

use super::convert::{can_convert, constant, convert, repeated};

/// A column that can't be had from a file.
#[derive(Debug, thiserror::Error)]
#[error("column `{column}`: expected {expected}, found {found}")]
pub(crate) struct ColumnError {
    column: String,
    expected: String,
    found: String,
}

/// How batches of one file become batches of another schema.
#[derive(Debug)]
pub(super) struct Projection {
    schema: Arc<ArrowSchema>,
    columns: Vec<Column>,
}

/// Where a column's values are from.
#[derive(Debug)]
enum Column {
    /// The file has none: NULL in every row.
    Null(DataType),
    /// The file has none: this one value in every row.
    Constant(ArrayRef),
    /// The file's column at this place, among those read or those of its struct.
    Read { at: usize, shape: Shape },
}

#[derive(Debug)]
enum Shape {
    Primitive(DataType),
    Struct { fields: Fields, columns: Vec<Column> },
    List { element: FieldRef, shape: Box<Shape> },
    Map { entries: FieldRef, key: Box<Shape>, value: Box<Shape> },
}

/// The field id that a file's schema gives a column.
pub(super) fn field_id(field: &Field) -> Option<i32> {
    field.metadata().get(PARQUET_FIELD_ID_META_KEY)?.parse().ok()
}

impl Projection {
    /// From columns `file` to `target`. `constants` stand for columns the file does not have, by field id.
    pub(super) fn plan(
        file: &Fields,
        target: &StructType,
        constants: &HashMap<i32, Literal>,
    ) -> Result<Self, ColumnError> {
        let fields = arrow_fields(target)?;
        let columns = plan_struct("", file, target, &fields, constants)?;
        Ok(Self { schema: Arc::new(ArrowSchema::new(fields)), columns })
    }

    /// The top-level columns of the file it reads.
    pub(super) fn reads(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().filter_map(|column| match column {
            Column::Read { at, .. } => Some(*at),
            Column::Null(_) | Column::Constant(_) => None,
        })
    }

    /// The same for batches that hold only the columns `read`, in that order.
    pub(super) fn among(mut self, read: &[usize]) -> Self {
        for column in &mut self.columns {
            if let Column::Read { at, .. } = column {
                *at = read.iter().position(|index| index == at).unwrap_or(usize::MAX);
            }
        }
        self
    }

    /// A batch as the target has it.
    pub(super) fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let columns = apply_all(&self.columns, batch.columns(), batch.num_rows())?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
    }
}

fn arrow_fields(target: &StructType) -> Result<Fields, ColumnError> {
    let unknown = |found: String| ColumnError {
        column: target.to_string(),
        expected: "columns of types that Arrow has".to_owned(),
        found,
    };
    match type_to_arrow_type(&Type::Struct(target.clone())) {
        Ok(DataType::Struct(fields)) => Ok(fields),
        Ok(other) => Err(unknown(other.to_string())),
        Err(error) => Err(unknown(error.to_string())),
    }
}

fn plan_struct(
    path: &str,
    file: &Fields,
    target: &StructType,
    arrow: &Fields,
    constants: &HashMap<i32, Literal>,
) -> Result<Vec<Column>, ColumnError> {
    let one = |(field, arrow): (&Arc<NestedField>, &FieldRef)| {
        let path = if path.is_empty() { field.name.clone() } else { format!("{path}.{}", field.name) };
        match file.iter().position(|candidate| field_id(candidate) == Some(field.id)) {
            Some(at) => {
                let shape = plan_shape(&path, file[at].data_type(), &field.field_type, arrow.data_type(), constants)?;
                Ok(Column::Read { at, shape })
            }
            None => plan_missing(&path, field, arrow, constants),
        }
    };
    target.fields().iter().zip(arrow).map(one).collect()
}

fn plan_missing(
    path: &str,
    field: &NestedField,
    arrow: &Field,
    constants: &HashMap<i32, Literal>,
) -> Result<Column, ColumnError> {
    let error =
        |expected: &str, found: String| ColumnError { column: path.to_owned(), expected: expected.to_owned(), found };
    match constants.get(&field.id).or(field.initial_default.as_ref()) {
        Some(value) => constant(value, arrow.data_type())
            .map(Column::Constant)
            .ok_or_else(|| error("a constant of the column's type", format!("{value:?}"))),
        None if field.required => Err(error("a value in every row, since it is required", "no such column".to_owned())),
        None => Ok(Column::Null(arrow.data_type().clone())),
    }
}

fn plan_shape(
    path: &str,
    file: &DataType,
    target: &Type,
    arrow: &DataType,
    constants: &HashMap<i32, Literal>,
) -> Result<Shape, ColumnError> {
    match (target, file, arrow) {
        (Type::Primitive(_), file, arrow) if can_convert(file, arrow) => Ok(Shape::Primitive(arrow.clone())),
        (Type::Struct(inner), DataType::Struct(file), DataType::Struct(fields)) => {
            let columns = plan_struct(path, file, inner, fields, constants)?;
            Ok(Shape::Struct { fields: fields.clone(), columns })
        }
        (Type::List(list), DataType::List(file), DataType::List(element)) => {
            let path = format!("{path}.element");
            let inner = &list.element_field.field_type;
            let shape = plan_shape(&path, file.data_type(), inner, element.data_type(), constants)?;
            Ok(Shape::List { element: Arc::clone(element), shape: Box::new(shape) })
        }
        (Type::Map(map), DataType::Map(file, _), DataType::Map(entries, _)) => {
            let (Some([file_key, file_value]), Some([key, value])) = (pair(file), pair(entries)) else {
                return Err(mismatch(path, file.data_type(), arrow));
            };
            let plan = |name: &str, file: &FieldRef, target: &Type, arrow: &FieldRef| {
                plan_shape(&format!("{path}.{name}"), file.data_type(), target, arrow.data_type(), constants)
            };
            let key = plan("key", file_key, &map.key_field.field_type, key)?;
            let value = plan("value", file_value, &map.value_field.field_type, value)?;
            Ok(Shape::Map { entries: Arc::clone(entries), key: Box::new(key), value: Box::new(value) })
        }
        _ => Err(mismatch(path, file, arrow)),
    }
}

fn mismatch(path: &str, file: &DataType, arrow: &DataType) -> ColumnError {
    ColumnError {
        column: path.to_owned(),
        expected: format!("{arrow}, or a type that Iceberg widens to it"),
        found: file.to_string(),
    }
}

/// Key and value of a map's entries.
fn pair(entries: &Field) -> Option<[&FieldRef; 2]> {
    match entries.data_type() {
        DataType::Struct(fields) => match fields.as_ref() {
            [key, value] => Some([key, value]),
            _ => None,
        },
        _ => None,
    }
}

fn apply_all(columns: &[Column], read: &[ArrayRef], rows: usize) -> Result<Vec<ArrayRef>, ArrowError> {
    let one = |column: &Column| match column {
        Column::Null(data_type) => Ok(new_null_array(data_type, rows)),
        Column::Constant(value) => repeated(value, rows),
        Column::Read { at, shape } => match read.get(*at) {
            Some(array) => apply_shape(shape, array),
            None => Err(ArrowError::SchemaError(format!("expected column {at}, found {} columns", read.len()))),
        },
    };
    columns.iter().map(one).collect()
}

fn apply_shape(shape: &Shape, array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match shape {
        Shape::Primitive(target) => convert(array, target),
        Shape::Struct { fields, columns } => {
            let array = array.as_struct();
            let columns = apply_all(columns, array.columns(), array.len())?;
            let nulls = array.nulls().cloned();
            Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls, array.len())?))
        }
        Shape::List { element, shape } => {
            let array = array.as_list::<i32>();
            let values = apply_shape(shape, array.values())?;
            let (offsets, nulls) = (array.offsets().clone(), array.nulls().cloned());
            Ok(Arc::new(ListArray::try_new(Arc::clone(element), offsets, values, nulls)?))
        }
        Shape::Map { entries, key, value } => {
            let array = array.as_map();
            let columns = vec![apply_shape(key, array.keys())?, apply_shape(value, array.values())?];
            let DataType::Struct(fields) = entries.data_type() else {
                return Err(ArrowError::SchemaError(format!("expected entries of a map, found {entries}")));
            };
            let pairs = StructArray::try_new(fields.clone(), columns, array.entries().nulls().cloned())?;
            let (offsets, nulls) = (array.offsets().clone(), array.nulls().cloned());
            Ok(Arc::new(MapArray::try_new(Arc::clone(entries), offsets, pairs, nulls, false)?))
        }
    }
}
