//! AWS Glue: GetTable and UpdateTable with `VersionId` as the compare-and-swap.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_glue::Client;
use aws_sdk_glue::config::retry::RetryConfig;
use aws_sdk_glue::config::timeout::TimeoutConfig;
use aws_sdk_glue::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_glue::types::{DatabaseInput, Table};
use iceberg::TableIdent;
use iceberg::spec::TableMetadata;

use super::glue_table::{METADATA_LOCATION, TABLE_TYPE, created_input, updated_input};
use super::{Catalog, CatalogError, Pointer, Swap, display, namespace};

/// Longest wait for an update's answer. Glue takes tens of milliseconds; past this the outcome counts as unknown and is read,
/// which costs less than the rest of the invocation.
const UPDATE_WAIT_MAX: Duration = Duration::from_secs(10);

/// Tables in AWS Glue's data catalog.
#[derive(Debug)]
pub struct GlueCatalog {
    client: Client,
    catalog_id: Option<String>,
    warehouse: Option<String>,
    /// The last table entry read, by table: an update must carry everything in it that is not ours to change.
    entries: Mutex<HashMap<TableIdent, Table>>,
}

impl GlueCatalog {
    /// A catalog over one client. `catalog_id` is the AWS account, the client's own where `None`; new tables without
    /// a location go below their database's, or below `warehouse`.
    pub fn new(client: Client, catalog_id: Option<String>, warehouse: Option<&str>) -> Self {
        let warehouse = warehouse.map(|location| location.trim_end_matches('/').to_owned());
        Self { client, catalog_id, warehouse, entries: Mutex::default() }
    }

    fn described(&self) -> String {
        self.catalog_id.as_ref().map_or_else(|| "the Glue catalog".to_owned(), |id| format!("Glue catalog `{id}`"))
    }

    fn error<E, R>(&self, operation: &'static str, table: &TableIdent, error: &SdkError<E, R>) -> CatalogError
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        let (name, catalog, reason) = (display(table), self.described(), DisplayErrorContext(error).to_string());
        match error.code() {
            Some("EntityNotFoundException") => CatalogError::NotFound { table: name, catalog },
            Some("AlreadyExistsException") => CatalogError::AlreadyExists { table: name, catalog },
            Some(code) if is_refusal(code) => CatalogError::Refused { operation, table: name, catalog, reason },
            _ => CatalogError::Unavailable { operation, table: name, catalog, reason },
        }
    }

    async fn entry(&self, table: &TableIdent) -> Result<Table, CatalogError> {
        let request = self
            .client
            .get_table()
            .set_catalog_id(self.catalog_id.clone())
            .database_name(namespace(table))
            .name(table.name());
        let answer = request.send().await.map_err(|error| self.error("GetTable", table, &error))?;
        answer.table.ok_or_else(|| CatalogError::NotFound { table: display(table), catalog: self.described() })
    }

    fn pointer_of(&self, table: &TableIdent, entry: &Table) -> Result<Pointer, CatalogError> {
        let not_iceberg = |found: &str| CatalogError::NotIceberg {
            table: display(table),
            catalog: self.described(),
            found: found.to_owned(),
        };
        let parameter = |key: &str| entry.parameters.as_ref().and_then(|parameters| parameters.get(key));
        match parameter(TABLE_TYPE) {
            Some(kind) if kind.eq_ignore_ascii_case("iceberg") => {}
            Some(kind) => return Err(not_iceberg(&format!("parameter `{TABLE_TYPE}` = `{kind}`"))),
            None => return Err(not_iceberg(&format!("no parameter `{TABLE_TYPE}`"))),
        }
        let location =
            parameter(METADATA_LOCATION).ok_or_else(|| not_iceberg(&format!("no parameter `{METADATA_LOCATION}`")))?;
        // Without a version no update could be conditional, and a lost update would go unseen.
        let version = entry.version_id.clone().ok_or_else(|| not_iceberg("an entry without `VersionId`"))?;
        Ok(Pointer { metadata_location: location.clone(), version })
    }

    fn remember(&self, table: &TableIdent, entry: Table) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).insert(table.clone(), entry);
    }

    fn remembered(&self, table: &TableIdent, version: &str) -> Option<Table> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(table).filter(|entry| entry.version_id.as_deref() == Some(version)).cloned()
    }
}

/// Error codes that trying the same request again cannot change.
fn is_refusal(code: &str) -> bool {
    matches!(
        code,
        "AccessDeniedException"
            | "GlueEncryptionException"
            | "InvalidInputException"
            | "ResourceNumberLimitExceededException"
            | "ValidationException"
            | "UnrecognizedClientException"
            | "InvalidSignatureException"
    )
}

#[async_trait]
impl Catalog for GlueCatalog {
    async fn pointer(&self, table: &TableIdent) -> Result<Pointer, CatalogError> {
        let entry = self.entry(table).await?;
        let pointer = self.pointer_of(table, &entry)?;
        self.remember(table, entry);
        Ok(pointer)
    }

    async fn swap(
        &self,
        table: &TableIdent,
        base: &Pointer,
        metadata_location: &str,
        metadata: &TableMetadata,
    ) -> Result<Swap, CatalogError> {
        let entry = match self.remembered(table, &base.version) {
            Some(entry) => entry,
            None => self.entry(table).await?,
        };
        if self.pointer_of(table, &entry)? != *base {
            return Ok(Swap::Conflict);
        }
        let request = self
            .client
            .update_table()
            .set_catalog_id(self.catalog_id.clone())
            .database_name(namespace(table))
            .table_input(
                updated_input(&entry, metadata_location, metadata)
                    .map_err(|reason| self.invalid("UpdateTable", table, reason))?,
            )
            .skip_archive(true)
            .version_id(&base.version);
        // One attempt: a resent update whose first reply was lost would be answered with a conflict of our own making.
        let once = aws_sdk_glue::config::Builder::new()
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_timeout(UPDATE_WAIT_MAX).build());
        match request.customize().config_override(once).send().await {
            Ok(_) => Ok(Swap::Swapped),
            Err(error) => match error.code() {
                Some("ConcurrentModificationException") => Ok(Swap::Conflict),
                Some("EntityNotFoundException") => Err(self.error("UpdateTable", table, &error)),
                Some(code) if is_refusal(code) => Err(self.error("UpdateTable", table, &error)),
                // Throttling, server errors, time-outs, lost connections: applied or not, only a read can tell.
                _ => Ok(Swap::Unknown { reason: DisplayErrorContext(&error).to_string() }),
            },
        }
    }

    async fn create(
        &self,
        table: &TableIdent,
        metadata_location: &str,
        metadata: &TableMetadata,
    ) -> Result<(), CatalogError> {
        let input = created_input(table.name(), metadata_location, metadata)
            .map_err(|reason| self.invalid("CreateTable", table, reason))?;
        let request = self
            .client
            .create_table()
            .set_catalog_id(self.catalog_id.clone())
            .database_name(namespace(table))
            .table_input(input);
        request.send().await.map_err(|error| self.error("CreateTable", table, &error))?;
        Ok(())
    }

    async fn ensure_namespace(&self, table: &TableIdent) -> Result<(), CatalogError> {
        let database = namespace(table);
        let input = DatabaseInput::builder().name(database).build();
        let input = input.map_err(|error| self.invalid("CreateDatabase", table, error.to_string()))?;
        let request = self.client.create_database().set_catalog_id(self.catalog_id.clone()).database_input(input);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("AlreadyExistsException") => Ok(()),
            Err(error) => Err(self.error("CreateDatabase", table, &error)),
        }
    }

    async fn default_location(&self, table: &TableIdent) -> Result<Option<String>, CatalogError> {
        let database = namespace(table);
        let request = self.client.get_database().set_catalog_id(self.catalog_id.clone()).name(&database);
        let answer = match request.send().await {
            Ok(answer) => answer.database,
            Err(error) if error.code() == Some("EntityNotFoundException") => None,
            Err(error) => return Err(self.error("GetDatabase", table, &error)),
        };
        let below_database = answer
            .and_then(|database| database.location_uri)
            .filter(|location| !location.is_empty())
            .map(|location| format!("{}/{}", location.trim_end_matches('/'), table.name()));
        // The folder's name is that of Iceberg's own Glue catalog.
        let below_warehouse =
            || self.warehouse.as_ref().map(|warehouse| format!("{warehouse}/{database}.db/{}", table.name()));
        Ok(below_database.or_else(below_warehouse))
    }
}

impl GlueCatalog {
    fn invalid(&self, operation: &'static str, table: &TableIdent, reason: String) -> CatalogError {
        CatalogError::Refused { operation, table: display(table), catalog: self.described(), reason }
    }
}
