//! SQLite in the layout of Iceberg's JDBC catalog, so that PyIceberg's `SqlCatalog` and Spark's
//! `JdbcCatalog` open the same tables.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use iceberg::TableIdent;
use iceberg::spec::TableMetadata;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::{Catalog, CatalogError, Pointer, Swap, display, namespace};

/// How long a writer waits for another process's write lock before it gives up.
const BUSY_WAIT: Duration = Duration::from_secs(10);

/// Tables as `org.apache.iceberg.jdbc.JdbcUtil` names them (schema V1). `iceberg_type` is left NULL, which means
/// a table, so that files made by older catalogs, which lack the column, work too.
const LAYOUT: &str = "
    CREATE TABLE IF NOT EXISTS iceberg_tables (
        catalog_name VARCHAR(255) NOT NULL,
        table_namespace VARCHAR(255) NOT NULL,
        table_name VARCHAR(255) NOT NULL,
        metadata_location VARCHAR(1000),
        previous_metadata_location VARCHAR(1000),
        iceberg_type VARCHAR(5),
        PRIMARY KEY (catalog_name, table_namespace, table_name)
    );
    CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (
        catalog_name VARCHAR(255) NOT NULL,
        namespace VARCHAR(255) NOT NULL,
        property_key VARCHAR(255) NOT NULL,
        property_value VARCHAR(1000) NOT NULL,
        PRIMARY KEY (catalog_name, namespace, property_key)
    );";

/// A catalog in one SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteCatalog {
    file: PathBuf,
    name: String,
    warehouse: Option<String>,
}

impl SqliteCatalog {
    /// The catalog `name` in `file` (made with its tables where missing). New tables go below `warehouse`, a
    /// location such as `file:///data/warehouse`.
    pub fn open(file: &Path, name: &str, warehouse: Option<&str>) -> Result<Self, CatalogError> {
        let warehouse = warehouse.map(|location| location.trim_end_matches('/').to_owned());
        let catalog = Self { file: file.to_owned(), name: name.to_owned(), warehouse };
        if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| catalog.refused("open", "*", &error))?;
        }
        let connection = catalog.connect().map_err(|error| catalog.refused("open", "*", &error))?;
        connection.execute_batch(LAYOUT).map_err(|error| catalog.refused("open", "*", &error))?;
        Ok(catalog)
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open(&self.file)?;
        connection.busy_timeout(BUSY_WAIT)?;
        Ok(connection)
    }

    fn described(&self) -> String {
        format!("SQLite catalog `{}` in `{}`", self.name, self.file.display())
    }

    fn refused(&self, operation: &'static str, table: &str, reason: &dyn std::fmt::Display) -> CatalogError {
        let (table, catalog) = (table.to_owned(), self.described());
        CatalogError::Refused { operation, table, catalog, reason: reason.to_string() }
    }

    fn unavailable(&self, operation: &'static str, table: &TableIdent, reason: &dyn std::fmt::Display) -> CatalogError {
        let (table, catalog) = (display(table), self.described());
        CatalogError::Unavailable { operation, table, catalog, reason: reason.to_string() }
    }

    /// Runs blocking SQLite work off the async threads.
    async fn run<T, F>(&self, operation: &'static str, table: &TableIdent, work: F) -> Result<T, CatalogError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &str) -> rusqlite::Result<T> + Send + 'static,
    {
        let catalog = self.clone();
        let task = tokio::task::spawn_blocking(move || work(&catalog.connect()?, &catalog.name));
        let done = task.await.map_err(|error| self.unavailable(operation, table, &error))?;
        done.map_err(|error| self.unavailable(operation, table, &error))
    }
}

#[async_trait]
impl Catalog for SqliteCatalog {
    async fn pointer(&self, table: &TableIdent) -> Result<Pointer, CatalogError> {
        let (space, name) = (namespace(table), table.name().to_owned());
        let found = self.run("load", table, move |connection, catalog| {
            let mut query = connection.prepare(
                "SELECT metadata_location FROM iceberg_tables
                 WHERE catalog_name = ?1 AND table_namespace = ?2 AND table_name = ?3",
            )?;
            query.query_row(params![catalog, space, name], |row| row.get::<_, Option<String>>(0)).optional()
        });
        match found.await? {
            Some(Some(location)) => Ok(Pointer { version: location.clone(), metadata_location: location }),
            Some(None) => Err(CatalogError::NotIceberg {
                table: display(table),
                catalog: self.described(),
                found: "a row without metadata location".to_owned(),
            }),
            None => Err(CatalogError::NotFound { table: display(table), catalog: self.described() }),
        }
    }

    async fn swap(
        &self,
        table: &TableIdent,
        base: &Pointer,
        metadata_location: &str,
        _metadata: &TableMetadata,
    ) -> Result<Swap, CatalogError> {
        let (space, name) = (namespace(table), table.name().to_owned());
        let (old, new) = (base.version.clone(), metadata_location.to_owned());
        let updated = self.run("swap", table, move |connection, catalog| {
            connection.execute(
                "UPDATE iceberg_tables SET metadata_location = ?1, previous_metadata_location = ?2
                 WHERE catalog_name = ?3 AND table_namespace = ?4 AND table_name = ?5 AND metadata_location = ?2",
                params![new, old, catalog, space, name],
            )
        });
        match updated.await {
            Ok(0) => Ok(Swap::Conflict),
            Ok(_) => Ok(Swap::Swapped),
            // A busy or failing file may have taken the write all the same.
            Err(error) => Ok(Swap::Unknown { reason: error.to_string() }),
        }
    }

    async fn create(
        &self,
        table: &TableIdent,
        metadata_location: &str,
        _metadata: &TableMetadata,
    ) -> Result<(), CatalogError> {
        let (space, name, location) = (namespace(table), table.name().to_owned(), metadata_location.to_owned());
        let inserted = self.run("create", table, move |connection, catalog| {
            let done = connection.execute(
                "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location)
                 VALUES (?1, ?2, ?3, ?4)",
                params![catalog, space, name, location],
            );
            match done {
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => Ok(false),
                done => done.map(|_| true),
            }
        });
        if inserted.await? {
            return Ok(());
        }
        Err(CatalogError::AlreadyExists { table: display(table), catalog: self.described() })
    }

    async fn ensure_namespace(&self, table: &TableIdent) -> Result<(), CatalogError> {
        let space = namespace(table);
        let done = self.run("create the namespace", table, move |connection, catalog| {
            // JdbcCatalog and SqlCatalog take a namespace as existing when it has the property `exists`.
            connection.execute(
                "INSERT OR IGNORE INTO iceberg_namespace_properties VALUES (?1, ?2, 'exists', 'true')",
                params![catalog, space],
            )
        });
        done.await.map(|_| ())
    }

    async fn default_location(&self, table: &TableIdent) -> Result<Option<String>, CatalogError> {
        let below = |warehouse: &String| format!("{warehouse}/{}/{}", table.namespace().join("/"), table.name());
        Ok(self.warehouse.as_ref().map(below))
    }
}
