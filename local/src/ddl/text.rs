//! Columns and types back to text, in the form that the parser reads.

use iceberg::spec::{NestedField, Schema, Type};

/// The schema's columns as a column list that reads back as the same columns.
pub fn columns_text(schema: &Schema) -> String {
    let columns: Vec<String> = schema.as_struct().fields().iter().map(|column| field_text(column, " ")).collect();
    columns.join(", ")
}

/// The type as text that reads back as the same type.
pub fn type_text(field_type: &Type) -> String {
    match field_type {
        Type::Primitive(primitive) => primitive.to_string(),
        Type::List(list) => format!("list<{}>", element_text(&list.element_field)),
        Type::Map(map) => {
            format!("map<{}, {}>", type_text(&map.key_field.field_type), element_text(&map.value_field))
        }
        Type::Struct(fields) => {
            let fields: Vec<String> = fields.fields().iter().map(|field| field_text(field, ": ")).collect();
            format!("struct<{}>", fields.join(", "))
        }
    }
}

fn field_text(field: &NestedField, separator: &str) -> String {
    let comment = field.doc.as_ref().map(|doc| format!(" comment '{}'", doc.replace('\'', "''")));
    format!("{}{separator}{}{}", name_text(&field.name), element_text(field), comment.unwrap_or_default())
}

fn element_text(field: &NestedField) -> String {
    let required = if field.required { " not null" } else { "" };
    format!("{}{required}", type_text(&field.field_type))
}

/// The name, in backticks where it is not one word.
fn name_text(name: &str) -> String {
    let begins_as_word = name.starts_with(|first: char| first.is_alphabetic() || first == '_');
    if begins_as_word && name.chars().all(|next| next.is_alphanumeric() || next == '_') {
        return name.to_owned();
    }
    format!("`{}`", name.replace('`', "``"))
}
