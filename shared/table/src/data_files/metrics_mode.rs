//! Which metrics of a column go into the manifest: the table's `write.metadata.metrics.*` properties.

use std::collections::{HashMap, HashSet};

use iceberg::spec::{Schema, TableMetadata, Type};

use super::DataFileError;

const DEFAULT_MODE: &str = "write.metadata.metrics.default";
const COLUMN_MODE_PREFIX: &str = "write.metadata.metrics.column.";
const INFERRED_COLUMNS_MAX: &str = "write.metadata.metrics.max-inferred-column-defaults";
/// Iceberg's own default for the number of columns that get metrics unasked.
const INFERRED_COLUMNS_MAX_DEFAULT: usize = 100;
/// Iceberg's own default bound length, in characters (strings) or bytes (binary).
const TRUNCATE_DEFAULT: usize = 16;

/// How much a manifest tells of one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetricsMode {
    None,
    Counts,
    /// Bounds cut to this many characters or bytes.
    Truncate(usize),
    Full,
}

/// The mode of every column.
#[derive(Debug)]
pub(super) struct MetricsModes {
    default: MetricsMode,
    by_field_id: HashMap<i32, MetricsMode>,
    /// Set when only the first columns get the default.
    limited_to: Option<HashSet<i32>>,
}

impl MetricsModes {
    pub(super) fn of_table(metadata: &TableMetadata) -> Result<Self, DataFileError> {
        let properties = metadata.properties();
        let schema = metadata.current_schema();
        let explicit = properties.get(DEFAULT_MODE);
        let default =
            explicit.map_or(Ok(MetricsMode::Truncate(TRUNCATE_DEFAULT)), |text| parsed(DEFAULT_MODE, text))?;
        let mut by_field_id = HashMap::new();
        for (property, text) in properties {
            if let Some(column) = property.strip_prefix(COLUMN_MODE_PREFIX)
                && let Some(field_id) = schema.field_id_by_name(column)
            {
                by_field_id.insert(field_id, parsed(property, text)?);
            }
        }
        let limited_to = match explicit {
            Some(_) => None,
            None => first_columns(properties, schema)?,
        };
        Ok(Self { default, by_field_id, limited_to })
    }

    pub(super) fn of(&self, field_id: i32) -> MetricsMode {
        if let Some(mode) = self.by_field_id.get(&field_id) {
            return *mode;
        }
        match &self.limited_to {
            Some(first) if !first.contains(&field_id) => MetricsMode::None,
            _ => self.default,
        }
    }
}

/// The first primitive columns in schema order, up to the table's limit; `None` when all of them fit.
fn first_columns(properties: &HashMap<String, String>, schema: &Schema) -> Result<Option<HashSet<i32>>, DataFileError> {
    let limit = properties.get(INFERRED_COLUMNS_MAX).map_or(Ok(INFERRED_COLUMNS_MAX_DEFAULT), |text| {
        text.parse().map_err(|_| DataFileError::Property {
            property: INFERRED_COLUMNS_MAX.to_owned(),
            expected: "a number of columns",
            found: text.clone(),
        })
    })?;
    let mut ids = Vec::new();
    for field in schema.as_struct().fields() {
        primitive_ids(field.id, &field.field_type, &mut ids);
    }
    Ok((ids.len() > limit).then(|| ids.into_iter().take(limit).collect()))
}

fn primitive_ids(id: i32, field_type: &Type, ids: &mut Vec<i32>) {
    match field_type {
        Type::Primitive(_) => ids.push(id),
        Type::Struct(fields) => {
            fields.fields().iter().for_each(|field| primitive_ids(field.id, &field.field_type, ids))
        }
        Type::List(list) => primitive_ids(list.element_field.id, &list.element_field.field_type, ids),
        Type::Map(map) => {
            primitive_ids(map.key_field.id, &map.key_field.field_type, ids);
            primitive_ids(map.value_field.id, &map.value_field.field_type, ids);
        }
    }
}

fn parsed(property: &str, text: &str) -> Result<MetricsMode, DataFileError> {
    let error = || DataFileError::Property {
        property: property.to_owned(),
        expected: "`none`, `counts`, `truncate(N)` with N > 0, or `full`",
        found: text.to_owned(),
    };
    let lower = text.to_ascii_lowercase();
    match lower.as_str() {
        "none" => Ok(MetricsMode::None),
        "counts" => Ok(MetricsMode::Counts),
        "full" => Ok(MetricsMode::Full),
        other => {
            let length = other.strip_prefix("truncate(").and_then(|rest| rest.strip_suffix(')')).ok_or_else(error)?;
            let length: usize = length.trim().parse().map_err(|_| error())?;
            if length == 0 { Err(error()) } else { Ok(MetricsMode::Truncate(length)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_reads_as_iceberg_writes_it() {
        assert_eq!(parsed("p", "truncate(24)").unwrap(), MetricsMode::Truncate(24));
        assert_eq!(parsed("p", "Full").unwrap(), MetricsMode::Full);
        for text in ["truncate(0)", "truncate", "all", ""] {
            assert!(parsed("p", text).unwrap_err().to_string().contains("`p`"), "{text}");
        }
    }
}
