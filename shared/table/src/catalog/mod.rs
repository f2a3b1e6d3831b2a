//! The catalog as this product needs it: read a table's pointer, compare-and-swap it, create a table.
//!
//! Narrower than iceberg's own `Catalog`, since a conditional commit needs the pointer's version and
//! three answers, not two: `Swapped`, `Conflict`, and `Unknown` (INV-6: an unknown outcome is neither).

mod glue;
mod glue_table;
mod sqlite;

use std::fmt::Debug;

use async_trait::async_trait;
use iceberg::TableIdent;
use iceberg::spec::TableMetadata;

pub use glue::GlueCatalog;
pub use sqlite::SqliteCatalog;

/// Where a table stands: its current metadata file and the catalog's version of that fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    /// Location of the current metadata.json.
    pub metadata_location: String,
    /// What a swap compares: Glue's `VersionId`; for SQLite the metadata location itself.
    pub version: String,
}

/// The answer to a swap.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swap {
    /// The pointer now names the new metadata.
    Swapped,
    /// Another writer moved the pointer first; nothing was changed.
    Conflict,
    /// The request may or may not have been applied: read the pointer before anything else.
    Unknown {
        /// What went wrong on the way.
        reason: String,
    },
}

/// A catalog's definite refusal: nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// No such table.
    #[error(
        "create the table first (`tributary table create`) or correct its name: table `{table}`: expected it in {catalog}, found none"
    )]
    NotFound {
        /// The table asked for.
        table: String,
        /// The catalog asked.
        catalog: String,
    },
    /// The table exists already.
    #[error("choose another name, or drop the table: table `{table}`: expected none in {catalog}, found one")]
    AlreadyExists {
        /// The table asked for.
        table: String,
        /// The catalog asked.
        catalog: String,
    },
    /// The catalog knows the name, but not as an Iceberg table.
    #[error("name an Iceberg table: table `{table}` of {catalog}: expected an Iceberg table, found {found}")]
    NotIceberg {
        /// The table asked for.
        table: String,
        /// The catalog asked.
        catalog: String,
        /// What it is instead.
        found: String,
    },
    /// The catalog refused for a reason that trying again won't change (permissions, invalid input).
    #[error(
        "correct the request or the permissions: {operation} of `{table}`: expected {catalog} to accept it, found: {reason}"
    )]
    Refused {
        /// The call.
        operation: &'static str,
        /// The table.
        table: String,
        /// The catalog.
        catalog: String,
        /// Its words.
        reason: String,
    },
    /// A read that failed in a way that may pass.
    #[error("try again: {operation} of `{table}`: expected an answer from {catalog}, found: {reason}")]
    Unavailable {
        /// The call.
        operation: &'static str,
        /// The table.
        table: String,
        /// The catalog.
        catalog: String,
        /// What went wrong.
        reason: String,
    },
}

/// The two calls a commit needs, and creation.
#[async_trait]
pub trait Catalog: Debug + Send + Sync {
    /// The table's current pointer.
    async fn pointer(&self, table: &TableIdent) -> Result<Pointer, CatalogError>;

    /// Moves the pointer from `base` to `metadata_location`, only if it still is at `base`.
    /// `metadata` is what that file holds (catalogs mirror parts of it, such as Glue's columns).
    async fn swap(
        &self,
        table: &TableIdent,
        base: &Pointer,
        metadata_location: &str,
        metadata: &TableMetadata,
    ) -> Result<Swap, CatalogError>;

    /// Registers a new table whose first metadata file is already written.
    async fn create(
        &self,
        table: &TableIdent,
        metadata_location: &str,
        metadata: &TableMetadata,
    ) -> Result<(), CatalogError>;

    /// Creates the namespace where it does not exist yet.
    async fn ensure_namespace(&self, table: &TableIdent) -> Result<(), CatalogError>;

    /// The location a new table gets when its creator names none; `None` where the catalog has no rule.
    async fn default_location(&self, table: &TableIdent) -> Result<Option<String>, CatalogError>;
}

/// A table's name as messages and command lines have it, `namespace.name`; [`crate::parse_table_name`] reads it back.
pub fn display(table: &TableIdent) -> String {
    format!("{}.{}", namespace(table), table.name())
}

/// The namespace in one text, as both catalogs store it.
fn namespace(table: &TableIdent) -> String {
    table.namespace().join(".")
}
