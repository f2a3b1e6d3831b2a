//! What an invocation did: its answer, and its log line.

use serde::{Deserialize, Serialize};
use tributary_kafka::PartitionRecords;

use crate::batch::Prepared;

/// Counts of one invocation. `rows_in` = committed + redelivered + rejected + held.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// Records in the event (an offset repeated within it counts once).
    pub rows_in: u64,
    /// Rows added to the table.
    pub rows_committed: u64,
    /// Records dropped since the table holds them already.
    pub rows_redelivered: u64,
    /// Records that can't be rows of this table; the invocation fails naming them.
    pub rows_rejected: u64,
    /// Good or unread records behind a rejected one of their partition, left for a later delivery.
    pub rows_held: u64,
    /// Fields of committed rows that the table has no column for.
    pub fields_ignored: u64,
    /// Offsets missing between the checkpoint and the event (transactions, compaction and retention make gaps).
    pub offset_gap: u64,
    /// Rows of earlier commits of this function that another writer had overwritten, put back first (INV-7).
    pub rows_healed: u64,
    /// Data files added.
    pub data_files: u64,
    /// The snapshot that holds the rows; none when there was nothing to commit.
    pub snapshot_id: Option<i64>,
    /// How many attempts the commit took, over all plans of the batch.
    pub commit_attempts: u32,
}

impl Report {
    pub(crate) fn of(batches: &[PartitionRecords]) -> Self {
        let rows_in = batches.iter().map(|batch| batch.records.len() as u64).sum();
        Self { rows_in, ..Self::default() }
    }

    /// Takes over what a plan says; a later plan of the same batch replaces it.
    pub(crate) fn describe(&mut self, prepared: &Prepared) {
        self.rows_redelivered = prepared.redelivered;
        self.rows_rejected = prepared.rejected.len() as u64;
        self.rows_held = prepared.held;
        self.offset_gap = prepared.offset_gap;
    }

    pub(crate) fn committed(&mut self, prepared: &Prepared, snapshot_id: i64, attempts: u32, data_files: u64) {
        self.rows_committed = prepared.rows.num_rows() as u64;
        self.fields_ignored = prepared.fields_ignored;
        self.data_files = data_files;
        self.snapshot_id = Some(snapshot_id);
        self.commit_attempts += attempts;
    }

    pub(crate) fn log(&self) {
        tracing::info!(
            rows_in = self.rows_in,
            rows_committed = self.rows_committed,
            rows_redelivered = self.rows_redelivered,
            rows_rejected = self.rows_rejected,
            rows_held = self.rows_held,
            fields_ignored = self.fields_ignored,
            offset_gap = self.offset_gap,
            rows_healed = self.rows_healed,
            data_files = self.data_files,
            snapshot_id = self.snapshot_id,
            commit_attempts = self.commit_attempts,
            "batch settled"
        );
    }
}
