//! Compaction: many small files become few of the right length, with the same rows (INV-5). The bin-pack rewrite of Apache Iceberg,
//! under its option names.
//!
//! `plan` (pure) chooses groups of files by what the manifests say; `rewrite` reads a group, applies its deletes and writes its rows
//! anew; `run` commits groups as they are done. A group that another writer got ahead of fails alone, and is planned again by
//! the next invocation.

mod commit;
mod deletes;
mod options;
mod plan;
mod report;
mod rewrite;
mod run;
mod survey;

pub use options::{COMPACTION_OPTIONS, CompactionOptions, JobOrder, OptionError, Strategy};
pub(crate) use options::{TARGET_BYTES_DEFAULT, TARGET_PROPERTY};
pub use report::{CompactionReport, LeftAs, Reason};
pub use run::{CompactionError, CompactionRequest, compact};
