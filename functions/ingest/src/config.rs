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
    /// Whether AWS clients are needed, or at least can be had.
    pub uses_aws: bool,
}

impl Config {
    /// Reads the settings; the first one that is missing or wrong is the error.
    pub fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let table = environment.read(&TABLE, |text| parse_table_name(text).map_err(|error| error.to_string()))?;
        let table =
            table.ok_or(ConfigError::Missing { name: TABLE.name, meaning: TABLE.meaning, values: TABLE.values })?;
        let catalog = CatalogSettings {
            catalog: environment.required(&CATALOG)?,
            name: environment.required(&CATALOG_NAME)?,
            // The function creates no tables, so no warehouse is needed.
            warehouse: None,
            s3_path_style: environment.required(&PATH_STYLE)?,
        };
        // A table of a SQLite catalog may have its files in S3 too; without a region, looking for one would hold up a start
        // that needs none for seconds.
        let uses_aws = matches!(catalog.catalog, CatalogUri::Glue { .. }) || environment.has_aws_region();
        let (cluster, log) = (environment.optional(&CLUSTER)?, environment.required(&LOG)?);
        Ok(Self { table, catalog, cluster, log, uses_aws })
    }
}

#[cfg(test)]
mod tests {
    use tributary_runtime::settings_table;

    use super::*;

    #[test]
    fn a_table_is_all_that_must_be_set() {
        let config = Config::from_environment(&Environment::of([("TRIBUTARY_TABLE", "analytics.events")])).unwrap();
        assert_eq!(config.catalog.catalog, CatalogUri::Glue { catalog_id: None });
        assert_eq!((config.cluster, config.uses_aws), (None, true));
        let error = Config::from_environment(&Environment::default()).unwrap_err().to_string();
        assert!(error.starts_with("set environment variable `TRIBUTARY_TABLE`"), "{error}");
    }

    #[test]
    fn a_wrong_setting_is_named() {
        for (name, value) in
            [("TRIBUTARY_TABLE", "events"), ("TRIBUTARY_CATALOG", "hive"), ("TRIBUTARY_S3_PATH_STYLE", "maybe")]
        {
            let environment = Environment::of([("TRIBUTARY_TABLE", "a.b"), (name, value)]);
            let error = Config::from_environment(&environment).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("correct environment variable `{name}`")) && error.contains(value),
                "{error}"
            );
        }
    }

    /// `docs/configuration.md` is generated from the settings above; `TRIBUTARY_BLESS=1 cargo test -p tributary-ingest` writes it.
    #[test]
    fn the_configuration_page_is_fresh() {
        let page = format!(
            "# Settings\n\nGenerated from the settings' declarations in the code; a test fails when this page is stale.\n\n\
             ## ingest\n\nAWS credentials, region and endpoints come from the standard AWS variables.\n\n{}",
            settings_table(SETTINGS)
        );
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        if Environment::of_process().is_set("TRIBUTARY_BLESS") {
            std::fs::write(path, &page).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(path).unwrap_or_default(),
            page,
            "run with TRIBUTARY_BLESS=1 to write the page"
        );
    }
}
