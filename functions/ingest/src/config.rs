//! The function's settings.

use iceberg::TableIdent;
use tributary_function::{CATALOG, CATALOG_NAME, CommonSettings, LOG, S3_PATH_STYLE};
use tributary_runtime::{ConfigError, Environment, Setting};
use tributary_table::CatalogSettings;

const TABLE: Setting = Setting {
    name: "TRIBUTARY_TABLE",
    meaning: "the Iceberg table rows go to",
    values: "a table name `namespace.name`",
    default: None,
};
const CLUSTER: Setting = Setting {
    name: "TRIBUTARY_CLUSTER",
    meaning: "identity of the Kafka cluster in the checkpoint; set it for self-managed clusters, and never change it: the records would count as new",
    values: "a name; by default the MSK cluster's ARN, else the bootstrap servers",
    default: Some(""),
};
/// Every setting of the function, in the order its documentation shows them. AWS credentials, region and endpoints come from
/// the standard AWS variables.
pub const SETTINGS: &[Setting] = &[TABLE, CATALOG, CATALOG_NAME, CLUSTER, S3_PATH_STYLE, LOG];

/// The settings, read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The table rows go to.
    pub table: TableIdent,
    /// How to reach it.
    pub catalog: CatalogSettings,
    /// Identity of the Kafka cluster; `None`: as the event says.
    pub cluster: Option<String>,
}

impl Config {
    /// Reads the function's own settings, beside the common ones.
    ///
    /// # Errors
    /// The first one that is missing or wrong.
    pub fn try_new(common: CommonSettings, environment: &Environment) -> Result<Self, ConfigError> {
        let missing = ConfigError::Missing { name: TABLE.name, meaning: TABLE.meaning, values: TABLE.values };
        let table = common.table.ok_or(missing)?;
        Ok(Self { table, catalog: common.catalog, cluster: environment.optional(&CLUSTER)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(environment: &Environment) -> Result<Config, ConfigError> {
        Config::try_new(CommonSettings::from_environment(environment)?, environment)
    }

    #[test]
    fn a_table_is_all_that_must_be_set() {
        let set = config(&Environment::of([("TRIBUTARY_TABLE", "analytics.events")])).unwrap();
        assert_eq!((set.table.name(), set.cluster), ("events", None));
        let error = config(&Environment::default()).unwrap_err().to_string();
        assert!(
            error.starts_with("set environment variable `TRIBUTARY_TABLE` (the Iceberg table rows go to)"),
            "{error}"
        );
    }

    #[test]
    fn the_table_is_declared_under_the_name_that_is_read() {
        assert_eq!(TABLE.name, tributary_function::TABLE.name);
    }
}
