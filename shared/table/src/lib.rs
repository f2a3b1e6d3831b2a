//! Catalog, checkpoint, data files and commit: the only crate that commits.
//!
//! A [`Table`] is a catalog entry with its storage. [`Table::refresh`] gives its [`TableState`]; a batch is cut by
//! the state's [`Checkpoint`], decoded by its schema, encoded by [`Table::encode`], and committed with its offsets by
//! [`Table::append`]. Maintenance reads [`Table::live_files`] and commits by [`Table::rewrite`], [`Table::remove`] and
//! [`Table::update`], on the same loop. Why our own commit path on iceberg's public types: `docs/decisions/0001-our-own-commit-path.md`.

mod append;
mod catalog;
mod checkpoint;
mod commit;
mod connect;
mod data_files;
mod error;
mod evolve;
mod files;
mod heal;
mod lineage;
mod manifests;
mod metadata_file;
mod replace;
mod snapshot;
mod state;
mod storage;
mod table;

pub use append::{AppendRequest, Appended};
pub use catalog::{Catalog, CatalogError, GlueCatalog, Pointer, SqliteCatalog, Swap, display as format_table_name};
pub use checkpoint::{
    Advance, Anchor, CHECKPOINT_PROPERTY, Checkpoint, CheckpointFormatError, Cut, EpochError, PartitionProgress,
};
pub use connect::{
    CatalogSettings, CatalogUri, CatalogUriError, Connection, TableNameError, connect, parse_table_name,
};
pub use data_files::{DataFileError, DataFileWriter, DescribedFiles, EncodedFile, EncodedFiles};
pub use error::{Remedy, TableError};
pub use files::{FileChanges, LiveFile};
pub use heal::Healed;
pub use lineage::{HistoryError, LINEAGE_PROPERTY, of_snapshot as lineage_of_snapshot};
pub use replace::{RemoveRequest, ReplaceConflict, Replaced, RewriteRequest};
pub use state::{CheckpointFault, TableState};
pub use storage::{Deletion, LocationError, ObjectStore, S3StorageFactory, StoredFile};
pub use table::{MaybeUpdated, Table, TableDefinition, Updated};
