//! Timestamps of 96 bits, as old writers (Spark, Hive, Impala) have them: read as microseconds, since nanoseconds would wrap around
//! outside the years 1677 to 2262.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Fields, Schema as ArrowSchema, SchemaRef as ArrowSchemaRef, TimeUnit};
use parquet::basic::Type as PhysicalType;
use parquet::schema::types::SchemaDescriptor;

/// The schema with such columns as microseconds; `None` if it has none.
pub(super) fn as_micros(parquet: &SchemaDescriptor, arrow: &ArrowSchema) -> Option<ArrowSchemaRef> {
    let mut is_int96 = parquet.columns().iter().map(|column| column.physical_type() == PhysicalType::INT96);
    if !is_int96.clone().any(|is_int96| is_int96) {
        return None;
    }
    let fields: Fields = arrow.fields().iter().map(|field| coerced(field, &mut is_int96)).collect();
    Some(Arc::new(ArrowSchema::new_with_metadata(fields, arrow.metadata().clone())))
}

/// The field with its leaves coerced, one of `is_int96` each, in the order in which Parquet has them.
fn coerced(field: &FieldRef, is_int96: &mut impl Iterator<Item = bool>) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|field| coerced(field, is_int96)).collect()),
        DataType::List(element) => DataType::List(coerced(element, is_int96)),
        DataType::Map(entries, sorted) => DataType::Map(coerced(entries, is_int96), *sorted),
        leaf => match (is_int96.next(), leaf) {
            (Some(true), DataType::Timestamp(_, zone)) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
            (_, leaf) => leaf.clone(),
        },
    };
    Arc::new(Field::clone(field).with_data_type(data_type))
}
