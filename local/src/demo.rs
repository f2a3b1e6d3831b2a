//! `tributary demo`: the whole stream on one machine, through the very function that Lambda runs.
//!
//! Nothing is needed but a folder: a SQLite file is the catalog, local files are the lake, and the
//! events are built in the form that Amazon MSK's event source mapping sends. Every claim a step
//! makes is checked by reading the table anew; the first that fails ends the demo with an error.

mod census;
mod claims;
mod feed;
mod stage;
mod steps;
mod upkeep;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tributary_function::JobError;
use tributary_ingest::IngestError;
use tributary_table::{CatalogError, TableError};

use crate::ddl::DdlError;
use crate::render::Out;
use crate::scan::ScanError;

use stage::Stage;
use steps::Demo;

/// How to run the demo.
#[derive(Debug, Clone, clap::Args)]
pub struct DemoOptions {
    /// Folder for catalog and files; made if missing, gone on with if an earlier run made it
    #[arg(long, value_name = "FOLDER", default_value = "demo-lakehouse")]
    pub folder: PathBuf,

    /// Rows in each event
    #[arg(long, value_name = "ROWS", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub rows: u32,

    /// Print the counts as one JSON object on the last line
    #[arg(long)]
    pub json: bool,
}

/// What the demo did and found; each count was checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemoReport {
    /// The table, `namespace.name`.
    pub table: String,
    /// The SQLite file that is the catalog.
    pub catalog: String,
    /// Location of the table's metadata file at the end.
    pub metadata_location: String,
    /// Rows of earlier runs found at the start.
    pub rows_found: u64,
    /// Rows added by this run.
    pub rows_added: u64,
    /// Rows at the end, counted by a scan.
    pub rows: u64,
    /// Snapshots at the end.
    pub snapshots: u64,
    /// Records of the event delivered twice that were recognised and dropped.
    pub redelivered: u64,
    /// Data files before compaction.
    pub files_before: u64,
    /// Data files after it, with the same rows.
    pub files_after: u64,
    /// Snapshots that expired.
    pub snapshots_expired: u64,
    /// Rows that left the table since they were past their time.
    pub rows_expired: u64,
    /// Data-quality checks that passed.
    pub checks_passed: u64,
    /// Data-quality checks that failed: one, on purpose.
    pub checks_failed: u64,
    /// Columns at the end.
    pub columns: Vec<String>,
    /// The column that was added, and dropped again.
    pub column_changed: String,
    /// Rows with a value in that column while it was there.
    pub column_filled: u64,
    /// Rows without.
    pub column_null: u64,
    /// Next offset of each partition at the end.
    pub next_offsets: BTreeMap<i32, i64>,
    /// Claims checked; all of them held.
    pub claims: u64,
}

/// Why the demo ended early.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The folder can't be used.
    #[error("choose another folder with `--folder`: `{}`: expected a path that can be made absolute", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The folder was moved: a table's files are named by absolute locations.
    #[error(
        "move the folder back, remove it, or choose another with `--folder`: table `{table}`: expected its files below \
         `{expected}`, found them at `{found}`"
    )]
    Moved {
        /// The table.
        table: String,
        /// Where the folder is.
        expected: String,
        /// Where the table's metadata is.
        found: String,
    },
    /// The table was changed so that the demo's rows no longer fit.
    #[error(
        "remove the folder, or choose another with `--folder`: table `{table}`: expected a column `id` of type long, found none"
    )]
    Foreign {
        /// The table.
        table: String,
    },
    /// A claim does not hold.
    #[error("report this as a bug: {claim}: expected {expected}, found {found}")]
    Claim {
        /// What should be so.
        claim: String,
        /// What would make it so.
        expected: String,
        /// What was found.
        found: String,
    },
    /// The catalog refused.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The table could not be read or changed.
    #[error(transparent)]
    Table(Box<TableError>),
    /// The rows could not be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// An event was not ingested.
    #[error(transparent)]
    Ingest(Box<IngestError>),
    /// A scheduled function failed.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The demo's own column list is wrong.
    #[error(transparent)]
    Ddl(#[from] DdlError),
    /// The answer could not be printed.
    #[error("the answer could not be written")]
    Output(#[from] io::Error),
}

// Boxed: the errors of a whole commit or batch are large, and every call here would carry their size.
impl From<TableError> for DemoError {
    fn from(error: TableError) -> Self {
        Self::Table(Box::new(error))
    }
}

impl From<IngestError> for DemoError {
    fn from(error: IngestError) -> Self {
        Self::Ingest(Box::new(error))
    }
}

/// Runs the demo. `now_ms` is the wall clock at the start, in milliseconds since 1970.
///
/// # Errors
/// [`DemoError`] if something could not be done, or one of the demo's claims does not hold.
pub async fn run(options: &DemoOptions, now_ms: i64, out: &mut Out<'_>) -> Result<DemoReport, DemoError> {
    let stage = Stage::open(&options.folder, now_ms)?;
    let mut demo = Demo::begin(stage, options.rows, out).await?;
    demo.ingest().await?;
    demo.deliver_again().await?;
    demo.add_column().await?;
    demo.drop_column().await?;
    demo.look_at_health().await?;
    demo.compact().await?;
    demo.expire_snapshots().await?;
    demo.retain().await?;
    demo.check_quality().await?;
    let report = demo.end().await?;
    if options.json {
        out.json(&report)?;
    }
    Ok(report)
}
