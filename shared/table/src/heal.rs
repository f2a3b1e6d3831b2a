//! A commit of ours that another writer overwrote is noticed and put back (INV-7).
//!
//! Some engines change a table in Glue without naming the version they started from (Trino 483 does when it adds or drops a
//! column). If one of our commits landed between their read and their write, it is gone from the table, although its data
//! files are still there and Kafka has moved on. A function that made the commit remembers it for as long as it is warm, and
//! looks for it in each metadata it reads that is not its own.
//!
//! A commit is gone from the table when its snapshot is unknown there, and its metadata file is not in the metadata log, although
//! the head's history reaches back to its sequence number or the log to well before its time (otherwise the snapshot expired). The
//! log alone is not enough: it holds 100 entries, which an engine that changes columns in a loop fills in seconds. Then its offsets
//! decide:
//!
//! | the head's history | the commit is |
//! |---|---|
//! | no snapshot has any of its offsets | lost: committed again, once |
//! | snapshots have all of its offsets | committed again by another instance: forgotten |
//! | snapshots have some of them, or snapshots as young as the commit have expired | unclear: the function halts and says so |
//!
//! The checkpoint alone can't tell: another instance may have settled later offsets over the gap.

use std::sync::Arc;

use tokio::time::Instant;
use tributary_kafka::{OffsetRange, SourcePartition};

use crate::append::{Appended, FilesToCommit};
use crate::catalog::display;
use crate::checkpoint::Advance;
use crate::data_files::DescribedFiles;
use crate::error::TableError;
use crate::lineage;
use crate::state::TableState;
use crate::table::Table;

/// Commits a warm function remembers: other engines hold a table for seconds, in which a function commits a few times.
pub(crate) const REMEMBERED_MAX: usize = 64;
/// How much older than the metadata before it a metadata file may claim to be: as far as Iceberg lets writers' clocks differ.
const CLOCKS_APART_MAX_MS: i64 = 60_000;
/// How often healing goes on: once for each lost commit, and for each time the table moved under it.
const REHEALS_MAX: u32 = 2 * REMEMBERED_MAX as u32;

/// One commit of this function instance.
#[derive(Debug, Clone)]
pub(crate) struct Remembered {
    snapshot_id: i64,
    metadata_location: String,
    last_updated_ms: i64,
    sequence_number: i64,
    files: DescribedFiles,
    advances: Vec<Advance>,
}

impl Remembered {
    pub(crate) fn of(state: &TableState, snapshot_id: i64, files: DescribedFiles, advances: Vec<Advance>) -> Self {
        let metadata = &state.metadata;
        let own = metadata.snapshot_by_id(snapshot_id);
        Self {
            snapshot_id,
            metadata_location: state.pointer.metadata_location.clone(),
            last_updated_ms: metadata.last_updated_ms(),
            sequence_number: own.map_or(metadata.last_sequence_number(), |own| own.sequence_number()),
            files,
            advances,
        }
    }

    pub(crate) fn snapshot_id(&self) -> i64 {
        self.snapshot_id
    }

    /// What became of this commit in a table that moved on; the module's documentation has the rules.
    fn fate(&self, state: &TableState) -> Fate {
        let metadata = &state.metadata;
        let log = metadata.metadata_log();
        let known = metadata.snapshot_by_id(self.snapshot_id).is_some()
            || state.pointer.metadata_location == self.metadata_location
            || log.iter().any(|entry| entry.metadata_file == self.metadata_location);
        let oldest_ms = log.first().map(|oldest| oldest.timestamp_ms);
        let log_reaches_back =
            oldest_ms.is_some_and(|oldest_ms| oldest_ms.saturating_add(CLOCKS_APART_MAX_MS) < self.last_updated_ms);
        let history_reaches_back = lineage::reaches_back_to(metadata, self.sequence_number);
        if known || !(log_reaches_back || history_reaches_back) {
            return Fate::InTable;
        }
        let Ok(settled) = lineage::of_history(metadata) else { return Fate::Unclear };
        let shares = self.advances.iter().map(|advance| share(advance, &settled));
        let (mut all, mut none) = (true, true);
        for share in shares {
            all &= share == Share::All;
            none &= share == Share::None;
        }
        match (all, none) {
            (true, _) => Fate::CommittedAgain,
            (_, true) if history_reaches_back || self.stands_before(state) => Fate::Lost,
            _ => Fate::Unclear,
        }
    }

    /// Whether nothing of any of its partitions has been settled since.
    fn stands_before(&self, state: &TableState) -> bool {
        self.advances.iter().all(|advance| {
            let progress = state.checkpoint.progress(&advance.partition);
            progress.is_none_or(|progress| progress.next_offset <= advance.range.first())
        })
    }
}

/// What became of a remembered commit.
enum Fate {
    InTable,
    CommittedAgain,
    Lost,
    Unclear,
}

/// How much of a commit's offsets of one partition other snapshots have.
#[derive(PartialEq, Eq)]
enum Share {
    None,
    Some,
    All,
}

fn share(advance: &Advance, settled: &[(SourcePartition, OffsetRange)]) -> Share {
    let range = advance.range;
    let of_partition = settled.iter().filter(|(partition, _)| *partition == advance.partition);
    let overlapping = of_partition.filter(|(_, other)| other.first() <= range.last() && range.first() <= other.last());
    let mut others: Vec<OffsetRange> = overlapping.map(|(_, other)| *other).collect();
    if others.is_empty() {
        return Share::None;
    }
    others.sort_by_key(|other| other.first());
    let mut next = range.first();
    for other in others {
        if other.first() <= next {
            next = next.max(other.next());
        }
    }
    if next > range.last() { Share::All } else { Share::Some }
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
        for _ in 0..REHEALS_MAX {
            // A checkpoint that does not hold tells nothing of what is lost; whoever cuts a batch by it will say so.
            let lost = if state.fault.is_some() { None } else { self.first_lost(&state)? };
            let Some(lost) = lost else { return Ok(Healed { state, rows }) };
            tracing::error!(
                table = %display(self.ident()),
                snapshot_id = lost.snapshot_id,
                metadata = lost.metadata_location,
                "another writer overwrote a commit of ours: putting it back from its data files"
            );
            if !lost.files.fit(&state.metadata) {
                return Err(TableError::Overwritten { table: display(self.ident()), snapshot_id: lost.snapshot_id });
            }
            let lost_rows: u64 = lost.files.files.iter().map(iceberg::spec::DataFile::record_count).sum();
            let heals = Some(lost.snapshot_id);
            let commit =
                FilesToCommit { files: lost.files.clone(), puts: Vec::new(), advances: lost.advances.clone(), heals };
            match self.commit_files(&state, commit, now_ms, deadline).await? {
                Appended::Committed { .. } => {
                    self.forget(lost.snapshot_id);
                    rows += lost_rows;
                    // The catalog's new version is needed for the batch's own swap.
                    state = self.refresh().await?;
                }
                Appended::Superseded { state: moved, .. } => state = moved,
            }
        }
        Err(TableError::Contended { table: display(self.ident()), attempts: REHEALS_MAX })
    }

    /// The oldest commit that is lost; those committed again by others are forgotten on the way.
    fn first_lost(&self, state: &TableState) -> Result<Option<Arc<Remembered>>, TableError> {
        for commit in self.remembered() {
            match commit.fate(state) {
                Fate::InTable => {}
                Fate::CommittedAgain => self.forget(commit.snapshot_id),
                Fate::Lost => return Ok(Some(commit)),
                Fate::Unclear => {
                    let (table, snapshot_id) = (display(self.ident()), commit.snapshot_id);
                    return Err(TableError::Overwritten { table, snapshot_id });
                }
            }
        }
        Ok(None)
    }
}
