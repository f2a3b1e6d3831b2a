//! The settings every function has.

use iceberg::TableIdent;
use tributary_runtime::{ConfigError, Environment, Setting};
use tributary_table::{CatalogSettings, CatalogUri, parse_table_name};

/// The table a scheduled function works on. (The ingest function declares its own of this name, which is required.)
pub const TABLE: Setting = Setting {
    name: "TRIBUTARY_TABLE",
    meaning: "the Iceberg table to work on when the event names none",
    values: "a table name `namespace.name`",
    default: Some(""),
};

/// The catalog.
pub const CATALOG: Setting = Setting {
    name: "TRIBUTARY_CATALOG",
    meaning: "the catalog the table is in",
    values: "`glue`, `glue:ACCOUNT` or `sqlite:/path/catalog.db`",
    default: Some("glue"),
};

/// The catalog's name inside a SQLite file.
pub const CATALOG_NAME: Setting = Setting {
    name: "TRIBUTARY_CATALOG_NAME",
    meaning: "name of the catalog inside a SQLite file",
    values: "a name",
    default: Some("local"),
};

/// How S3 requests name the bucket.
pub const S3_PATH_STYLE: Setting = Setting {
    name: "TRIBUTARY_S3_PATH_STYLE",
    meaning: "whether S3 requests name the bucket in the path, as local S3 servers need",
    values: "`true` or `false`",
    default: Some("false"),
};

/// What is logged.
pub const LOG: Setting = Setting {
    name: "TRIBUTARY_LOG",
    meaning: "what is logged",
    values: "`tracing` directives, such as `info` or `tributary_table=debug,warn`",
    default: Some("info"),
};

/// Where new tables go. Read for jobs whose [`crate::ScheduledJob::SETTINGS`] list it, since the others create no tables.
pub const WAREHOUSE: Setting = Setting {
    name: "TRIBUTARY_WAREHOUSE",
    meaning: "location below which new tables go when their namespace names none",
    values: "a location, such as `s3://bucket/lake`",
    default: Some(""),
};

/// The common settings, read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommonSettings {
    /// The table; `None` when none is set.
    pub table: Option<TableIdent>,
    /// How to reach the catalog and the files.
    pub catalog: CatalogSettings,
    /// Log directives.
    pub log: String,
    /// Whether AWS clients are needed, or at least can be had.
    pub uses_aws: bool,
}

impl CommonSettings {
    /// Reads the settings; the first one that is wrong is the error.
    pub fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let table = environment.read(&TABLE, |text| parse_table_name(text).map_err(|error| error.to_string()))?;
        let catalog = CatalogSettings {
            catalog: environment.required(&CATALOG)?,
            name: environment.required(&CATALOG_NAME)?,
            warehouse: None,
            s3_path_style: environment.required(&S3_PATH_STYLE)?,
        };
        // A table of a SQLite catalog may have its files in S3 too; without a region, looking for one would hold up a start
        // that needs none for seconds.
        let uses_aws = matches!(catalog.catalog, CatalogUri::Glue { .. }) || environment.has_aws_region();
        Ok(Self { table, catalog, log: environment.required(&LOG)?, uses_aws })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_must_be_set() {
        let settings = CommonSettings::from_environment(&Environment::default()).unwrap();
        assert_eq!(settings.catalog.catalog, CatalogUri::Glue { catalog_id: None });
        assert_eq!((settings.table, settings.uses_aws, settings.log.as_str()), (None, true, "info"));
    }

    #[test]
    fn a_wrong_setting_is_named() {
        for (name, value) in
            [("TRIBUTARY_TABLE", "events"), ("TRIBUTARY_CATALOG", "hive"), ("TRIBUTARY_S3_PATH_STYLE", "maybe")]
        {
            let error = CommonSettings::from_environment(&Environment::of([(name, value)])).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("correct environment variable `{name}`")) && error.contains(value),
                "{error}"
            );
        }
    }
}
