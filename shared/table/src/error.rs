//! What can go wrong with a table, and what the caller should do about it.

use iceberg::TableIdent;

use crate::catalog::{CatalogError, display};
use crate::checkpoint::EpochError;
use crate::data_files::DataFileError;
use crate::state::CheckpointFault;
use crate::storage::LocationError;

/// What a failure asks of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Try again (a batch: deliver it again): nothing was lost, and it may work next time.
    Retry,
    /// Stop and have somebody look: trying again gives the same answer.
    Halt,
}

/// A failed table operation. Nothing it returns from has been half committed.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The catalog refused or did not answer.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// No store serves the table's location.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// The checkpoint can't be read, or does not belong to the table's history.
    #[error("table `{table}`: {source}")]
    Checkpoint {
        /// The table.
        table: String,
        /// What is wrong with it.
        source: Box<CheckpointFault>,
    },
    /// Records below the checkpoint that can't be redelivered ones.
    #[error("table `{table}`: {source}")]
    Epoch {
        /// The table.
        table: String,
        /// The records.
        source: EpochError,
    },
    /// Rows could not be turned into data files.
    #[error("table `{table}`: {source}")]
    DataFile {
        /// The table.
        table: String,
        /// Why not.
        source: Box<DataFileError>,
    },
    /// A file could not be read or written.
    #[error("try again, then check permissions: {operation} for table `{table}`: expected success, found: {source}")]
    Storage {
        /// What was being done.
        operation: &'static str,
        /// The table.
        table: String,
        /// The storage's words.
        source: Box<iceberg::Error>,
    },
    /// Metadata could not be built or read as Iceberg metadata.
    #[error(
        "check the table with another engine: {operation} for table `{table}`: expected valid table metadata, found: {source}"
    )]
    Metadata {
        /// What was being done.
        operation: &'static str,
        /// The table.
        table: String,
        /// iceberg's words.
        source: Box<iceberg::Error>,
    },
    /// A table this build does not write.
    #[error("{remedy}: table `{table}`: expected {expected}, found {found}")]
    Unsupported {
        /// What to do.
        remedy: &'static str,
        /// The table.
        table: String,
        /// What is supported.
        expected: &'static str,
        /// What the table has.
        found: String,
    },
    /// Other writers won every attempt.
    #[error(
        "try again, or raise table property `commit.retry.num-retries`: commit to table `{table}`: \
         expected to win within {attempts} attempts, found a conflict each time"
    )]
    Contended {
        /// The table.
        table: String,
        /// How many attempts were made.
        attempts: u32,
    },
    /// A commit of ours was overwritten, and its files no longer fit the table.
    #[error(
        "see which rows of the lost snapshot are missing, add its data files by hand, then restart the function: table `{table}`: \
         expected snapshot {snapshot_id} of ours in its history, found that another writer overwrote it, and that its files can't be \
         put back safely (schema or partition spec changed, or some of its records came again)"
    )]
    Overwritten {
        /// The table.
        table: String,
        /// The lost snapshot.
        snapshot_id: i64,
    },
    /// A commit whose outcome could not be learned before the deadline. Its files are kept.
    #[error(
        "try again; what was committed will be recognised: commit to table `{table}`: expected to learn \
         its outcome before the deadline, found: {reason}"
    )]
    OutcomeUnknown {
        /// The table.
        table: String,
        /// What went wrong.
        reason: String,
    },
}

impl TableError {
    /// What the caller should do.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Catalog(CatalogError::Unavailable { .. })
            | Self::Storage { .. }
            | Self::Contended { .. }
            | Self::OutcomeUnknown { .. } => Remedy::Retry,
            _ => Remedy::Halt,
        }
    }
}

/// Attaches a table's name to the errors of the layers below.
pub(crate) struct Blame<'a>(pub(crate) &'a TableIdent);

impl Blame<'_> {
    pub(crate) fn storage(&self, operation: &'static str) -> impl FnOnce(iceberg::Error) -> TableError + use<> {
        let table = display(self.0);
        move |source| TableError::Storage { operation, table, source: Box::new(source) }
    }

    pub(crate) fn metadata(&self, operation: &'static str) -> impl FnOnce(iceberg::Error) -> TableError + use<> {
        let table = display(self.0);
        move |source| TableError::Metadata { operation, table, source: Box::new(source) }
    }
}
