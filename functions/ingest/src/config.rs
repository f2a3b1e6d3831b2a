//! The function's settings.

use iceberg::TableIdent;
use tributary_runtime::{ConfigError, Environment, Setting};
use tributary_table::{CatalogSettings, CatalogUri, parse_table_name};

const TABLE: Setting = Setting {
    name: "TRIBUTARY_TABLE",
    meaning: "the Iceberg table rows go to",
    values: "a table name `namespace.name`",
    default: None,
};
const CATALOG: Setting = Setting {
    name: "TRIBUTARY_CATALOG",
    meaning: "the catalog the table is in",
    values: "`glue`, `glue:ACCOUNT` or `sqlite:/path/catalog.db`",
    default: Some("glue"),
};
const CATALOG_NAME: Setting = Setting {
    name: "TRIBUTARY_CATALOG_NAME",
    meaning: "name of the catalog inside a SQLite file",
    values: "a name",
    default: Some("local"),
};
const CLUSTER: Setting = Setting {
    name: "TRIBUTARY_CLUSTER",
    meaning: "identity of the Kafka cluster in the checkpoint; set it for self-managed clusters, and never change it: the records would count as new",
    values: "a name; by default the MSK cluster's ARN, else the bootstrap servers",
    default: Some(""),
};
const PATH_STYLE: Setting = Setting {
    name: "TRIBUTARY_S3_PATH_STYLE",
    meaning: "whether S3 requests name the bucket in the path, as local S3 servers need",
    values: "`true` or `false`",
    default: Some("false"),
};
const LOG: Setting = Setting {
    name: "TRIBUTARY_LOG",
    meaning: "what is logged",
    values: "`tracing` directives, such as `info` or `tributary_table=debug,warn`",
    default: Some("info"),
};

/// Every setting of the function, in the order its documentation shows them. AWS credentials, region and endpoints come from
/// the standard AWS variables.
pub const SETTINGS: &[Setting] = &[TABLE, CATALOG, CATALOG_NAME, CLUSTER, PATH_STYLE, LOG];

/// The settings, read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The table rows go to.
    pub table: TableIdent,
    /// How to reach it.
    pub catalog: CatalogSettings,
    /// Identity of the Kafka cluster; `None`: as the event says.
    pub cluster: Option<String>,
    /// Log directives.
    pub log: String,
}

impl Config {
    /// Reads the settings; the first one that is missing or wrong is the error.
    pub fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let table = environment.read(&TABLE, |text| parse_table_name(text).map_err(|error| error.to_string()))?;
        let table = table.ok_or(ConfigError::Missing { name: TABLE.name, meaning: TABLE.meaning, values: TABLE.values })?;
        let catalog = CatalogSettings {
            catalog: environment.required(&CATALOG)?,
            name: environment.required(&CATALOG_NAME)?,
            // The function creates no tables, so no warehouse is needed.
            warehouse: None,
            s3_path_style: environment.required(&PATH_STYLE)?,
        };
        Ok(Self { table, catalog, cluster: environment.optional(&CLUSTER)?, log: environment.required(&LOG)? })
    }

    /// Whether AWS clients are needed: a table in a SQLite catalog may have its files in S3 all the same, which its
    /// settings tell by path-style access; Glue always does.
    pub fn needs_aws(&self) -> bool {
        matches!(self.catalog.catalog, CatalogUri::Glue { .. }) || self.catalog.s3_path_style
    }
}
