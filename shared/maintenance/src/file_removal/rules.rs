//! Table properties that both jobs obey.

use std::str::FromStr;

use iceberg::spec::TableMetadata;
use tributary_table::{Table, format_table_name};

use super::RemovalError;

const GC_ENABLED: &str = "gc.enabled";

/// A table whose files others may use too says so by `gc.enabled` = `false`: none of them may be deleted.
pub(crate) fn refuse_without_gc(table: &Table, metadata: &TableMetadata) -> Result<(), RemovalError> {
    let is_off = metadata.properties().get(GC_ENABLED).is_some_and(|value| value.eq_ignore_ascii_case("false"));
    match is_off {
        true => Err(RemovalError::GcDisabled { table: format_table_name(table.ident()) }),
        false => Ok(()),
    }
}

/// A property that holds a number; `default` where it is not set.
pub(crate) fn number_property<T: FromStr + PartialOrd + Default>(
    table: &Table,
    metadata: &TableMetadata,
    property: &'static str,
    default: T,
) -> Result<T, RemovalError> {
    let Some(text) = metadata.properties().get(property) else { return Ok(default) };
    let number = text.parse::<T>().ok().filter(|number| *number > T::default());
    number.ok_or_else(|| RemovalError::Property {
        table: format_table_name(table.ident()),
        property,
        found: text.clone(),
    })
}
