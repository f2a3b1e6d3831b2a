//! How an Iceberg table looks as a Glue table entry; pure.
//!
//! Engines read the metadata file; the entry's columns are for people and for consoles. They are kept
//! as Iceberg's Java `IcebergToGlueConverter` writes them, so that both writers agree.

use std::collections::HashMap;

use aws_sdk_glue::types::{Column, StorageDescriptor, Table, TableInput};
use iceberg::spec::{NestedField, PrimitiveType, TableMetadata, Type};

/// Table parameter that names the table format.
pub(super) const TABLE_TYPE: &str = "table_type";
/// Table parameter that holds the current metadata file's location.
pub(super) const METADATA_LOCATION: &str = "metadata_location";
/// Table parameter that holds the location before it.
const PREVIOUS_METADATA_LOCATION: &str = "previous_metadata_location";
/// Glue's own kind for tables whose files it does not manage.
const EXTERNAL_TABLE: &str = "EXTERNAL_TABLE";
/// Glue refuses longer comments, and with them the whole update.
const COMMENT_BYTES_MAX: usize = 255;
const FIELD_ID: &str = "iceberg.field.id";
const FIELD_OPTIONAL: &str = "iceberg.field.optional";
const FIELD_CURRENT: &str = "iceberg.field.current";

/// The entry of a new table.
pub(super) fn created_input(
    name: &str,
    metadata_location: &str,
    metadata: &TableMetadata,
) -> Result<TableInput, String> {
    let parameters = HashMap::from([
        (TABLE_TYPE.to_owned(), "ICEBERG".to_owned()),
        (METADATA_LOCATION.to_owned(), metadata_location.to_owned()),
    ]);
    let descriptor =
        StorageDescriptor::builder().location(metadata.location()).set_columns(Some(columns(metadata, &[])?)).build();
    TableInput::builder()
        .name(name)
        .table_type(EXTERNAL_TABLE)
        .set_parameters(Some(parameters))
        .storage_descriptor(descriptor)
        .build()
        .map_err(|error| error.to_string())
}

/// The entry after a commit: everything foreign in it (parameters, owner, description, comments) stays.
pub(super) fn updated_input(
    entry: &Table,
    metadata_location: &str,
    metadata: &TableMetadata,
) -> Result<TableInput, String> {
    let mut parameters = entry.parameters.clone().unwrap_or_default();
    if let Some(previous) = parameters.insert(METADATA_LOCATION.to_owned(), metadata_location.to_owned()) {
        parameters.insert(PREVIOUS_METADATA_LOCATION.to_owned(), previous);
    }
    let mut descriptor = entry.storage_descriptor.clone().unwrap_or_else(|| StorageDescriptor::builder().build());
    descriptor.columns = Some(columns(metadata, descriptor.columns.as_deref().unwrap_or_default())?);
    descriptor.location = Some(metadata.location().to_owned());
    TableInput::builder()
        .name(&entry.name)
        .set_description(entry.description.clone())
        .set_owner(entry.owner.clone())
        .set_last_access_time(entry.last_access_time)
        .set_last_analyzed_time(entry.last_analyzed_time)
        .retention(entry.retention)
        .storage_descriptor(descriptor)
        .set_partition_keys(entry.partition_keys.clone())
        .set_view_original_text(entry.view_original_text.clone())
        .set_view_expanded_text(entry.view_expanded_text.clone())
        .table_type(entry.table_type.as_deref().unwrap_or(EXTERNAL_TABLE))
        .set_parameters(Some(parameters))
        .set_target_table(entry.target_table.clone())
        .build()
        .map_err(|error| error.to_string())
}

/// The current schema's columns, then those only older schemas have (marked as not current), each name once.
fn columns(metadata: &TableMetadata, existing: &[Column]) -> Result<Vec<Column>, String> {
    let comment_of = |field: &NestedField| {
        let kept =
            || existing.iter().find(|column| column.name == field.name).and_then(|column| column.comment.clone());
        field.doc.as_deref().map(comment).or_else(kept)
    };
    let mut columns: Vec<Column> = Vec::new();
    let current = metadata.current_schema().as_struct().fields().iter().map(|field| (field, true));
    let older = metadata.schemas_iter().filter(|schema| schema.schema_id() != metadata.current_schema_id());
    let older = older.flat_map(|schema| schema.as_struct().fields().iter().map(|field| (field, false)));
    for (field, is_current) in current.chain(older) {
        if columns.iter().any(|column| column.name == field.name) {
            continue;
        }
        let parameters = HashMap::from([
            (FIELD_ID.to_owned(), field.id.to_string()),
            (FIELD_OPTIONAL.to_owned(), (!field.required).to_string()),
            (FIELD_CURRENT.to_owned(), is_current.to_string()),
        ]);
        let column = Column::builder()
            .name(&field.name)
            .r#type(glue_type(&field.field_type))
            .set_comment(comment_of(field))
            .set_parameters(Some(parameters))
            .build();
        columns.push(column.map_err(|error| error.to_string())?);
    }
    Ok(columns)
}

/// A field's doc as Glue takes it: one line of at most 255 bytes. Only consoles show it; the schema keeps the whole.
fn comment(doc: &str) -> String {
    let line: String = doc.chars().map(|one| if one.is_control() { ' ' } else { one }).collect();
    line[..line.floor_char_boundary(COMMENT_BYTES_MAX)].to_owned()
}

/// The Hive type name nearest to an Iceberg type.
fn glue_type(iceberg: &Type) -> String {
    match iceberg {
        Type::Primitive(primitive) => match primitive {
            PrimitiveType::Boolean => "boolean".to_owned(),
            PrimitiveType::Int => "int".to_owned(),
            PrimitiveType::Long => "bigint".to_owned(),
            PrimitiveType::Float => "float".to_owned(),
            PrimitiveType::Double => "double".to_owned(),
            PrimitiveType::Date => "date".to_owned(),
            PrimitiveType::Timestamp
            | PrimitiveType::Timestamptz
            | PrimitiveType::TimestampNs
            | PrimitiveType::TimestamptzNs => "timestamp".to_owned(),
            PrimitiveType::Time | PrimitiveType::String | PrimitiveType::Uuid => "string".to_owned(),
            PrimitiveType::Fixed(_) | PrimitiveType::Binary => "binary".to_owned(),
            PrimitiveType::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
        },
        Type::Struct(fields) => {
            let parts = fields.fields().iter().map(|field| format!("{}:{}", field.name, glue_type(&field.field_type)));
            format!("struct<{}>", parts.collect::<Vec<_>>().join(","))
        }
        Type::List(list) => format!("array<{}>", glue_type(&list.element_field.field_type)),
        Type::Map(map) => {
            format!("map<{},{}>", glue_type(&map.key_field.field_type), glue_type(&map.value_field.field_type))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_one_line_that_glue_takes() {
        assert_eq!(comment("two\nlines"), "two lines");
        let long = comment(&"é".repeat(200));
        assert!(long.len() <= COMMENT_BYTES_MAX && long.starts_with("éé"), "{}", long.len());
    }
}
