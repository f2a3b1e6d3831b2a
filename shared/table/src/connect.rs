//! From settings to a catalog and a store: what a cold start builds, and the command line too.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use aws_config::SdkConfig;
use iceberg::TableIdent;

use crate::catalog::{Catalog, CatalogError, GlueCatalog, SqliteCatalog};
use crate::storage::ObjectStore;

/// Which catalog: `glue`, `glue:ACCOUNT`, or `sqlite:/path/catalog.db`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogUri {
    /// AWS Glue, of the given account or the caller's own.
    Glue {
        /// The AWS account that owns the catalog.
        catalog_id: Option<String>,
    },
    /// A SQLite file in the layout of Iceberg's JDBC catalog.
    Sqlite {
        /// Path of the file.
        file: String,
    },
}

/// A text that names no catalog.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected a catalog `glue`, `glue:ACCOUNT` or `sqlite:/path/catalog.db`, found `{found}`")]
pub struct CatalogUriError {
    found: String,
}

impl FromStr for CatalogUri {
    type Err = CatalogUriError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || CatalogUriError { found: text.to_owned() };
        match text.split_once(':') {
            None if text == "glue" => Ok(Self::Glue { catalog_id: None }),
            Some(("glue", id)) if !id.is_empty() => Ok(Self::Glue { catalog_id: Some(id.to_owned()) }),
            // Both `sqlite:/path` and SQLAlchemy's `sqlite:////path` are in use.
            Some(("sqlite", path)) if !path.trim_start_matches('/').is_empty() => {
                let file = path.strip_prefix("///").unwrap_or(path).to_owned();
                Ok(Self::Sqlite { file })
            }
            _ => Err(error()),
        }
    }
}

/// A table name `namespace.name`; the namespace may have several levels.
pub fn parse_table_name(text: &str) -> Result<TableIdent, TableNameError> {
    let levels: Vec<&str> = text.split('.').collect();
    if levels.len() < 2 || levels.iter().any(|level| level.is_empty()) {
        return Err(TableNameError { found: text.to_owned() });
    }
    TableIdent::from_strs(levels).map_err(|_| TableNameError { found: text.to_owned() })
}

/// A text that names no table.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected a table name `namespace.name`, found `{found}`")]
pub struct TableNameError {
    found: String,
}

/// How to reach the catalog and the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogSettings {
    /// Which catalog.
    pub catalog: CatalogUri,
    /// Name of the catalog inside a SQLite file.
    pub name: String,
    /// Location below which new tables go when neither they nor their namespace name one.
    pub warehouse: Option<String>,
    /// Whether S3 requests name the bucket in the path, as local S3 servers need.
    pub s3_path_style: bool,
}

/// A catalog and the store its tables' files are in.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The catalog.
    pub catalog: Arc<dyn Catalog>,
    /// The store.
    pub store: ObjectStore,
}

/// Builds catalog and store. `aws` is needed for Glue and for tables in S3; no request is sent here.
pub fn connect(settings: &CatalogSettings, aws: Option<&SdkConfig>) -> Result<Connection, CatalogError> {
    let store = aws.map_or_else(ObjectStore::local, |aws| {
        let config = aws_sdk_s3::config::Builder::from(aws).force_path_style(settings.s3_path_style).build();
        ObjectStore::with_s3(aws_sdk_s3::Client::from_conf(config))
    });
    let warehouse = settings.warehouse.as_deref();
    let catalog: Arc<dyn Catalog> = match (&settings.catalog, aws) {
        (CatalogUri::Sqlite { file }, _) => Arc::new(SqliteCatalog::open(Path::new(file), &settings.name, warehouse)?),
        (CatalogUri::Glue { catalog_id }, Some(aws)) => {
            Arc::new(GlueCatalog::new(aws_sdk_glue::Client::new(aws), catalog_id.clone(), warehouse))
        }
        (CatalogUri::Glue { .. }, None) => {
            return Err(CatalogError::Refused {
                operation: "connect",
                table: "*".to_owned(),
                catalog: "the Glue catalog".to_owned(),
                reason: "no AWS configuration was loaded".to_owned(),
            });
        }
    };
    Ok(Connection { catalog, store })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalog_is_named_in_one_word_or_two() {
        let sqlite = |file: &str| CatalogUri::Sqlite { file: file.to_owned() };
        assert_eq!("glue".parse(), Ok(CatalogUri::Glue { catalog_id: None }));
        assert_eq!("glue:123".parse(), Ok(CatalogUri::Glue { catalog_id: Some("123".to_owned()) }));
        assert_eq!("sqlite:/a/b.db".parse(), Ok(sqlite("/a/b.db")));
        assert_eq!("sqlite:////a/b.db".parse(), Ok(sqlite("/a/b.db")));
        assert_eq!("sqlite:demo/b.db".parse(), Ok(sqlite("demo/b.db")));
        for text in ["", "glue:", "sqlite:", "sqlite:///", "rest:http://x"] {
            assert!(text.parse::<CatalogUri>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_table_name_has_a_namespace() {
        assert_eq!(parse_table_name("a.b.c").unwrap().name(), "c");
        for text in ["", "a", ".a", "a.", "a..b"] {
            assert!(parse_table_name(text).is_err(), "{text}");
        }
    }
}
