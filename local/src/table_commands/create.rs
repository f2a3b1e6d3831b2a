//! `tributary table create`.

use std::collections::HashMap;
use std::path::PathBuf;
use std::str::FromStr;

use iceberg::TableIdent;
use iceberg::spec::Schema;
use tributary_table::{TableDefinition, format_table_name};

use super::show;
use crate::cli::table_name;
use crate::connection::CatalogArgs;
use crate::ddl::{ColumnList, PartitionTerms};
use crate::error::CliError;
use crate::render::Out;
use crate::schema_file::read_schema;

/// The table to create.
#[derive(Debug, Clone, clap::Args)]
pub struct Create {
    /// The table
    #[arg(value_name = "NAMESPACE.NAME", value_parser = table_name)]
    pub table: TableIdent,

    /// Its columns, from a file with a schema in Iceberg's own JSON
    #[arg(long, value_name = "FILE", required_unless_present = "ddl", conflicts_with = "ddl")]
    pub schema: Option<PathBuf>,

    /// Its columns, such as `id long not null, ts timestamptz, tags list<string>, address struct<city: string>`
    #[arg(long, value_name = "COLUMNS")]
    pub ddl: Option<ColumnList>,

    /// Its partitioning, such as `day(ts), bucket(16, id), truncate(4, city), identity country`
    #[arg(long, value_name = "TERMS")]
    pub partition: Option<PartitionTerms>,

    /// Where its files go, such as `s3://bucket/lake/orders`; by default below the warehouse
    #[arg(long)]
    pub location: Option<String>,

    /// A table property, such as `write.parquet.compression-codec=zstd`; may be repeated
    #[arg(long = "property", value_name = "KEY=VALUE")]
    pub properties: Vec<Property>,
}

/// A table property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    key: String,
    value: String,
}

/// Text that is no `key=value`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected a table property as `key=value`, found `{found}`")]
pub struct PropertyError {
    found: String,
}

impl FromStr for Property {
    type Err = PropertyError;

    fn from_str(text: &str) -> Result<Self, PropertyError> {
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                Ok(Self { key: key.trim().to_owned(), value: value.to_owned() })
            }
            _ => Err(PropertyError { found: text.to_owned() }),
        }
    }
}

impl Create {
    pub(super) async fn run(self, catalog: &CatalogArgs, out: &mut Out<'_>) -> Result<(), CliError> {
        let table = catalog.open_new(self.table.clone(), self.location.as_deref()).await?;
        let name = format_table_name(&self.table);
        let state = table.create(self.definition()?).await?;
        out.line(format!("created table `{name}` at {}", state.metadata().location()))?;
        show::definition(&state, out)?;
        Ok(())
    }

    fn definition(self) -> Result<TableDefinition, CliError> {
        let schema = match (self.ddl, self.schema) {
            (Some(columns), _) => columns.schema,
            (None, Some(file)) => read_schema(&file)?,
            // The command line requires one of the two; a caller that gives none means no columns.
            (None, None) => Schema::builder().build().map_err(|error| std::io::Error::other(error.to_string()))?,
        };
        let partition_spec = self.partition.unwrap_or_default().bind(&schema).map_err(CliError::Partition)?;
        let properties = self.properties.into_iter().map(|property| (property.key, property.value));
        let properties: HashMap<String, String> = properties.collect();
        Ok(TableDefinition { schema, partition_spec, properties, location: self.location })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_splits_at_its_first_equals_sign() {
        let property: Property = "a.b=c=d".parse().unwrap();
        assert_eq!((property.key.as_str(), property.value.as_str()), ("a.b", "c=d"));
        for text in ["", "a", "=b"] {
            assert!(text.parse::<Property>().is_err(), "{text}");
        }
    }
}
