//! A commit of ours that another writer overwrote is noticed and put back (INV-7).
//!
//! Some engines change a table in Glue without naming the version they started from (Trino 483 does when it adds or drops a
//! column). If one of our commits landed between their read and their write, it is gone from the table, although its data
//! files are still there and Kafka has moved on. A function that made the commit remembers it for as long as it is warm, and
//! looks for it in each metadata it reads that is not its own.
//!
//! A commit is lost when all of this holds; each line alone has an innocent explanation:
//!
//! | sign | innocent where it is missing |
//! |---|---|
//! | its snapshot is unknown to the table | nothing happened, or the table was rolled back |
//! | its metadata file is not in the metadata log, though the log reaches back to its time | the snapshot expired |
//! | the checkpoint stands where it stood before the commit | the records were committed again, or an operator set it |

use iceberg::spec::TableMetadata;
use tokio::time::Instant;

use crate::append::{Appended, FilesToCommit};
use crate::catalog::display;
use crate::checkpoint::Advance;
use crate::data_files::DescribedFiles;
use crate::error::TableError;
use crate::state::TableState;
use crate::table::Table;

/// Commits a warm function remembers: other engines hold a table for seconds, in which a function commits a few times.
pub(crate) const REMEMBERED_MAX: usize = 64;
/// How often healing starts over because the table moved under it.
const REPLANS_MAX: u32 = 10;

/// One commit of this function instance.
#[derive(Debug, Clone)]
pub(crate) struct Remembered {
    snapshot_id: i64,
    metadata_location: String,
    last_updated_ms: i64,
    files: DescribedFiles,
    advances: Vec<Advance>,
}

impl Remembered {
    pub(crate) fn of(state: &TableState, snapshot_id: i64, files: DescribedFiles, advances: Vec<Advance>) -> Self {
        let (metadata_location, last_updated_ms) =
            (state.pointer.metadata_location.clone(), state.metadata.last_updated_ms());
        Self { snapshot_id, metadata_location, last_updated_ms, files, advances }
    }

    pub(crate) fn snapshot_id(&self) -> i64 {
        self.snapshot_id
    }

    /// Whether a table that moved on no longer descends from this commit; the module's documentation has the signs.
    fn is_lost_from(&self, state: &TableState) -> bool {
        let metadata = &state.metadata;
        let log = metadata.metadata_log();
        let known = metadata.snapshot_by_id(self.snapshot_id).is_some()
            || state.pointer.metadata_location == self.metadata_location
            || log.iter().any(|entry| entry.metadata_file == self.metadata_location);
        let log_reaches_back = log.first().is_some_and(|oldest| oldest.timestamp_ms <= self.last_updated_ms);
        let stands_before = |advance: &Advance| {
            let progress = state.checkpoint.progress(&advance.partition);
            progress.is_none_or(|progress| progress.next_offset <= advance.range.first())
        };
        !known && log_reaches_back && self.advances.iter().all(stands_before)
    }

    /// Whether the files still mean on this table what they meant when they were written.
    fn fits(&self, metadata: &TableMetadata) -> bool {
        let schema = metadata.schema_by_id(self.files.schema.schema_id());
        schema.is_some_and(|schema| schema.as_struct() == self.files.schema.as_struct())
            && metadata.partition_spec_by_id(self.files.partition_spec_id).is_some()
    }
}

/// A table brought up to date, and what had to be put back for that.
#[derive(Debug)]
pub struct Healed {
    /// The table as it stands now.
    pub state: TableState,
    /// Rows of lost commits that were put back.
    pub rows: u64,
}

impl Table {
    /// Refreshes, and commits again, once, whatever commits of this instance another writer overwrote.
    pub async fn refresh_and_heal(&self, now_ms: i64, deadline: Instant) -> Result<Healed, TableError> {
        let mut state = self.refresh().await?;
        let mut rows = 0;
        for _ in 0..REPLANS_MAX {
            // A checkpoint that does not hold tells nothing of what is lost; whoever cuts a batch by it will say so.
            let lost = if state.fault.is_some() { None } else { self.first_lost(&state) };
            let Some(lost) = lost else { return Ok(Healed { state, rows }) };
            tracing::error!(
                table = %display(self.ident()),
                snapshot_id = lost.snapshot_id,
                metadata = lost.metadata_location,
                "another writer overwrote a commit of ours: putting it back from its data files"
            );
            if !lost.fits(&state.metadata) {
                return Err(TableError::Overwritten { table: display(self.ident()), snapshot_id: lost.snapshot_id });
            }
            let lost_rows: u64 = lost.files.files.iter().map(iceberg::spec::DataFile::record_count).sum();
            let heals = Some(lost.snapshot_id);
            let commit = FilesToCommit { files: lost.files, puts: Vec::new(), advances: lost.advances, heals };
            match self.commit_files(&state, commit, now_ms, deadline).await? {
                Appended::Committed { state: healed, .. } => {
                    self.forget(lost.snapshot_id);
                    (state, rows) = (healed, rows + lost_rows);
                }
                Appended::Superseded { state: moved, .. } => state = moved,
            }
        }
        Err(TableError::Contended { table: display(self.ident()), attempts: REPLANS_MAX })
    }

    /// The oldest commit that is lost: offsets advance in order.
    fn first_lost(&self, state: &TableState) -> Option<Remembered> {
        self.remembered().into_iter().find(|commit| commit.is_lost_from(state))
    }
}
