//! Field ids for files that have none: by the table's name mapping (Iceberg spec, "Name Mapping Serialization").

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Fields};
use iceberg::spec::{MappedField, NameMapping};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

use super::project::field_id;

/// Whether any top-level column has a field id.
pub(super) fn has_ids(fields: &Fields) -> bool {
    fields.iter().any(|field| field_id(field).is_some())
}

/// The fields with the ids that `mapping` gives their names; a name it does not know gets none.
pub(super) fn with_ids(fields: &Fields, mapping: &NameMapping) -> Fields {
    let mapped: Vec<&MappedField> = mapping.fields().iter().collect();
    fields.iter().map(|field| mapped_field(field, &mapped)).collect()
}

fn mapped_field(field: &FieldRef, mapped: &[&MappedField]) -> FieldRef {
    let Some(found) = mapped.iter().find(|mapped| mapped.names().iter().any(|name| name == field.name())) else {
        return Arc::clone(field);
    };
    let inner: Vec<&MappedField> = found.fields().iter().map(AsRef::as_ref).collect();
    let data_type = match field.data_type() {
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|field| mapped_field(field, &inner)).collect()),
        // Elements, keys and values are found by place, what is inside them by name.
        DataType::List(element) => DataType::List(inside(element, &inner, "element")),
        DataType::Map(entries, sorted) => DataType::Map(mapped_entries(entries, &inner), *sorted),
        other => other.clone(),
    };
    let mut metadata = HashMap::new();
    if let Some(id) = found.field_id() {
        metadata.insert(PARQUET_FIELD_ID_META_KEY.to_owned(), id.to_string());
    }
    Arc::new(Field::new(field.name(), data_type, field.is_nullable()).with_metadata(metadata))
}

fn mapped_entries(entries: &FieldRef, mapped: &[&MappedField]) -> FieldRef {
    let DataType::Struct(fields) = entries.data_type() else { return Arc::clone(entries) };
    let names = ["key", "value"].into_iter();
    let fields: Fields = fields.iter().zip(names).map(|(field, name)| inside(field, mapped, name)).collect();
    Arc::new(Field::new(entries.name(), DataType::Struct(fields), entries.is_nullable()))
}

/// An element, key or value, which the mapping calls `name` whatever the file calls it.
fn inside(field: &FieldRef, mapped: &[&MappedField], name: &str) -> FieldRef {
    let renamed = Arc::new(Field::clone(field).with_name(name));
    let found = mapped_field(&renamed, mapped);
    Arc::new(Field::clone(&found).with_name(field.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_their_ids_also_inside_lists_and_structs() {
        let mapping: NameMapping = serde_json::from_str(
            r#"[{"field-id": 1, "names": ["id", "key"]},
                {"field-id": 2, "names": ["lines"], "fields": [
                    {"field-id": 3, "names": ["element"], "fields": [{"field-id": 4, "names": ["sku"]}]}]}]"#,
        )
        .unwrap();
        let sku: Fields = vec![Field::new("sku", DataType::Utf8, true)].into();
        let element = Arc::new(Field::new("item", DataType::Struct(sku), true));
        let fields: Fields = vec![
            Field::new("key", DataType::Int64, true),
            Field::new("other", DataType::Int64, true),
            Field::new("lines", DataType::List(element), true),
        ]
        .into();
        assert!(!has_ids(&fields));
        let mapped = with_ids(&fields, &mapping);
        assert_eq!(mapped.iter().map(|field| field_id(field)).collect::<Vec<_>>(), [Some(1), None, Some(2)]);
        let DataType::List(element) = mapped[2].data_type() else { panic!("a list") };
        let DataType::Struct(inner) = element.data_type() else { panic!("a struct") };
        assert_eq!((element.name().as_str(), field_id(&inner[0])), ("item", Some(4)));
    }
}
