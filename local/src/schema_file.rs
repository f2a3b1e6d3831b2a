//! A table's schema from a file, in Iceberg's own JSON.

use std::path::{Path, PathBuf};

use iceberg::spec::Schema;

/// A file that holds no schema.
#[derive(Debug, thiserror::Error)]
pub enum SchemaFileError {
    /// The file can't be read.
    #[error("correct the path of the schema file `{}`: expected a readable file", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The file is no schema.
    #[error(
        "correct the schema file `{}`: expected a schema as in the Iceberg specification, appendix C \
         (`{{\"type\":\"struct\",\"fields\":[{{\"id\":1,\"name\":...,\"required\":...,\"type\":...}}]}}`)",
        path.display()
    )]
    NoSchema {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        #[source]
        source: serde_json::Error,
    },
}

/// Reads a schema: JSON as in the Iceberg specification, appendix C, "Schemas".
///
/// # Errors
/// [`SchemaFileError`] if the file can't be read or holds something else.
pub fn read_schema(path: &Path) -> Result<Schema, SchemaFileError> {
    let unreadable = |source| SchemaFileError::Unreadable { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    serde_json::from_str(&text).map_err(|source| SchemaFileError::NoSchema { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ddl::columns_text;

    fn read(text: &str) -> Result<Schema, SchemaFileError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("schema.json");
        std::fs::write(&path, text).unwrap();
        read_schema(&path)
    }

    #[test]
    fn icebergs_own_json_is_read_with_nested_types_and_identifier_fields() {
        let schema = read(
            r#"{"type":"struct","schema-id":0,"identifier-field-ids":[1],"fields":[
                {"id":1,"name":"id","required":true,"type":"long"},
                {"id":2,"name":"amount","required":false,"type":"decimal(12, 2)","doc":"in euro"},
                {"id":3,"name":"tags","required":false,"type":
                    {"type":"list","element-id":4,"element":"string","element-required":true}}]}"#,
        )
        .unwrap();
        assert_eq!(
            columns_text(&schema),
            "id long not null, amount decimal(12, 2) comment 'in euro', tags list<string not null>"
        );
        assert_eq!(schema.identifier_field_ids().collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_file_that_is_no_schema_is_refused_by_name() {
        for text in ["", "{}", "[]", r#"{"type":"struct","fields":[{"id":1,"name":"a","required":true,"type":"lng"}]}"#]
        {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with("correct the schema file `"), "{text}: {error}");
        }
        let error = read_schema(Path::new("no/such.json")).unwrap_err().to_string();
        assert!(error.starts_with("correct the path of the schema file `no/such.json`"), "{error}");
    }
}
