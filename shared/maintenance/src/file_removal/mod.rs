//! What snapshot expiry and orphan removal share: what a table reaches, and deleting what it does not (INV-4).
//!
//! Both jobs compute what is reachable whole, from every snapshot, ref, statistics entry and metadata file of the table as it
//! stands; never from the difference between two snapshots, which misses what a third one shares.
//!
//! A file goes only by `Removal::delete`, which compares each path once more with everything reachable.

mod delete;
mod error;
mod location;
mod read;
mod rules;

use tokio::time::Instant;
use tributary_runtime::Progress;
use tributary_table::Table;

pub(crate) use delete::{Removal, Removed};
pub use error::{RemovalError, RemovalErrorKind};
pub(crate) use location::{Folders, PathSet, canonical, is_below, local_path};
pub(crate) use read::{Reader, named_in_metadata};
pub(crate) use rules::{number_property, refuse_without_gc};

/// What a job works on, when, and how long it may.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// The table.
    pub table: &'a Table,
    /// Now, in milliseconds since the epoch.
    pub now_ms: i64,
    /// When to begin nothing further.
    pub stop_at: Instant,
    /// When a commit under way must be given up.
    pub deadline: Instant,
    /// Hears how many files there are to delete and how many are gone.
    pub progress: &'a dyn Progress,
}

/// What a file is to the table. In this order files are deleted: one that names others goes after those, so that what a crash
/// leaves behind can still be told by what names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Data,
    Deletes,
    Statistics,
    Manifest,
    ManifestList,
    Metadata,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Deletes => "delete",
            Self::Statistics => "statistics",
            Self::Manifest => "manifest",
            Self::ManifestList => "manifest list",
            Self::Metadata => "metadata",
        }
    }
}
