//! Partitioned tables, several to a lake, and what PyIceberg's own transforms say of their files.

use std::collections::HashMap;

use iceberg::spec::{Schema, Transform, UnboundPartitionSpec};
use serde::Deserialize;
use serde_json::{Map, Value};
use tributary_ingest::Context;
use tributary_table::{ObjectStore, Table, TableDefinition, parse_table_name};
use tributary_testkit::TableAt;

use crate::LocalLake;

/// A partition spec from rows of `(source field id, name, transform)`, the transform as the Iceberg spec writes it.
pub fn partition_spec(fields: &[(i32, &str, &str)]) -> UnboundPartitionSpec {
    let parsed = |text: &str| text.parse::<Transform>().unwrap();
    let add = |builder: iceberg::spec::UnboundPartitionSpecBuilder, (id, name, transform): &(i32, &str, &str)| {
        builder.add_partition_field(*id, *name, parsed(transform)).unwrap()
    };
    fields.iter().fold(UnboundPartitionSpec::builder(), add).build()
}

/// A definition with partitions.
pub fn partitioned(schema: Schema, fields: &[(i32, &str, &str)]) -> TableDefinition {
    TableDefinition { partition_spec: partition_spec(fields), ..crate::definition(schema) }
}

/// One data file, as the manifest and as PyIceberg's transforms have it.
#[derive(Debug, Deserialize)]
pub struct FilePartitions {
    /// The partition spec the file was written by.
    pub spec_id: i32,
    /// Its rows.
    pub rows: u64,
    /// The manifest's partition, by the names of the spec's fields.
    pub claimed: Map<String, Value>,
    /// The distinct partitions of the file's rows.
    pub computed: Vec<Map<String, Value>>,
}

impl LocalLake {
    /// A handle of a table beside the usual one.
    pub fn table_named(&self, name: &str) -> Table {
        Table::new(parse_table_name(&format!("test.{name}")).unwrap(), self.catalog(), ObjectStore::local())
    }

    /// A cold function instance that feeds such a table.
    pub fn context_of(&self, name: &str) -> Context {
        Context::new(self.table_named(name), None)
    }

    /// Where the readers find such a table.
    pub fn at_named(&self, name: &str) -> TableAt {
        TableAt::Sqlite {
            catalog_db: self.folder().join("catalog.db"),
            catalog_name: "local".to_owned(),
            table: format!("test.{name}"),
        }
    }

    /// The data files of every table, by the table's name without its namespace.
    pub fn partitions(&self) -> HashMap<String, Vec<FilePartitions>> {
        let catalog_db = self.folder().join("catalog.db");
        let done = tributary_testkit::tools::script("partition_values.py").unwrap().arg(catalog_db).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).unwrap()
    }
}
