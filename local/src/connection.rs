//! Which catalog the commands work on, and opening a table there.

use aws_config::SdkConfig;
use clap::builder::FalseyValueParser;
use iceberg::TableIdent;
use tributary_table::{CatalogError, CatalogSettings, CatalogUri, Connection, Table, connect};

/// The options that name the catalog; the ingest function has them as environment variables of the
/// same names.
#[derive(Debug, Clone, clap::Args)]
pub struct CatalogArgs {
    /// Catalog: `glue`, `glue:ACCOUNT` or `sqlite:/path/catalog.db`
    #[arg(long, global = true, env = "TRIBUTARY_CATALOG", default_value = "glue", help_heading = "Catalog")]
    pub catalog: CatalogUri,

    /// Name of the catalog inside a SQLite file
    #[arg(
        long,
        global = true,
        env = "TRIBUTARY_CATALOG_NAME",
        default_value = "local",
        value_name = "NAME",
        help_heading = "Catalog"
    )]
    pub catalog_name: String,

    /// Location below which new tables go, such as `s3://bucket/lake` or `file:///data/lake`
    #[arg(long, global = true, env = "TRIBUTARY_WAREHOUSE", value_name = "LOCATION", help_heading = "Catalog")]
    pub warehouse: Option<String>,

    /// Name buckets in the path of S3 requests, as local S3 servers need
    #[arg(long, global = true, env = "TRIBUTARY_S3_PATH_STYLE", value_parser = FalseyValueParser::new(),
          help_heading = "Catalog")]
    pub s3_path_style: bool,
}

/// A table, and what it was opened by.
#[derive(Debug)]
pub struct Opened {
    /// Catalog and store, to open further tables.
    pub connection: Connection,
    /// The table.
    pub table: Table,
    /// AWS configuration; `None` where nothing of the table is in AWS.
    pub aws: Option<SdkConfig>,
}

/// A catalog that can't be reached with these options.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// It refused, or does not know the table.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl CatalogArgs {
    /// A handle on an existing table.
    ///
    /// # Errors
    /// [`ConnectionError`] if the catalog can't be opened or has no such table.
    pub async fn open(&self, ident: TableIdent) -> Result<Table, ConnectionError> {
        Ok(self.open_with_aws(ident).await?.table)
    }

    /// The same, with what it was opened by.
    ///
    /// # Errors
    /// [`ConnectionError`] if the catalog can't be opened or has no such table.
    pub async fn open_with_aws(&self, ident: TableIdent) -> Result<Opened, ConnectionError> {
        let (connection, aws) = match self.catalog {
            CatalogUri::Glue { .. } => {
                let aws = aws().await;
                (self.connect(Some(&aws))?, Some(aws))
            }
            CatalogUri::Sqlite { .. } => {
                // Only the catalog knows where the files are; AWS is configured for tables in S3 alone, since
                // without it the look for a region would hold up those on local disk for seconds.
                let local = self.connect(None)?;
                let pointer = local.catalog.pointer(&ident).await?;
                match in_s3(&pointer.metadata_location) {
                    true => {
                        let aws = aws().await;
                        (self.connect(Some(&aws))?, Some(aws))
                    }
                    false => (local, None),
                }
            }
        };
        let table = Table::new(ident, connection.catalog.clone(), connection.store.clone());
        Ok(Opened { connection, table, aws })
    }

    /// A handle on a table to be created at `location`, or below the warehouse.
    ///
    /// # Errors
    /// [`ConnectionError`] if the catalog can't be opened.
    pub async fn open_new(&self, ident: TableIdent, location: Option<&str>) -> Result<Table, ConnectionError> {
        let glue = matches!(self.catalog, CatalogUri::Glue { .. });
        let remote = glue || location.or(self.warehouse.as_deref()).is_some_and(in_s3);
        let aws = if remote { Some(aws().await) } else { None };
        let Connection { catalog, store } = self.connect(aws.as_ref())?;
        Ok(Table::new(ident, catalog, store))
    }

    fn connect(&self, aws: Option<&SdkConfig>) -> Result<Connection, CatalogError> {
        let settings = CatalogSettings {
            catalog: self.catalog.clone(),
            name: self.catalog_name.clone(),
            warehouse: self.warehouse.clone(),
            s3_path_style: self.s3_path_style,
        };
        connect(&settings, aws)
    }
}

/// The standard chain: environment (`AWS_ENDPOINT_URL` too), profiles, SSO, container, instance.
async fn aws() -> SdkConfig {
    aws_config::load_from_env().await
}

fn in_s3(location: &str) -> bool {
    location.starts_with("s3://") || location.starts_with("s3a://")
}
