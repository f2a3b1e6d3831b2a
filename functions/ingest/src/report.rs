//! What an invocation did: its answer, and its log line.

use serde::{Deserialize, Serialize};
use tributary_kafka::PartitionRecords;
use tributary_table::Advance;

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
    /// How long the commit took, all attempts together: from data files in memory to the catalog's answer.
    pub commit_duration_ms: u64,
    /// How old the newest committed record was at the snapshot's time: that time less the greatest record timestamp
    /// committed, 0 when the producer's clock is ahead. None when nothing was committed, or no record had a timestamp.
    pub data_freshness_ms: Option<u64>,
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

    pub(crate) fn committed(
        &mut self,
        prepared: &Prepared,
        snapshot_id: i64,
        attempts: u32,
        data_files: u64,
        now_ms: i64,
    ) {
        self.rows_committed = prepared.rows.num_rows() as u64;
        self.fields_ignored = prepared.fields_ignored;
        self.data_files = data_files;
        self.snapshot_id = Some(snapshot_id);
        self.commit_attempts += attempts;
        self.data_freshness_ms = freshness_ms(&prepared.advances, now_ms);
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
            commit_duration_ms = self.commit_duration_ms,
            data_freshness_ms = self.data_freshness_ms,
            "batch settled"
        );
    }
}

fn freshness_ms(advances: &[Advance], now_ms: i64) -> Option<u64> {
    // Records without a timestamp have a negative one.
    let newest_ms = advances.iter().map(|advance| advance.timestamp_ms_max).max().filter(|ms| *ms >= 0)?;
    Some(u64::try_from(now_ms.saturating_sub(newest_ms)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use tributary_kafka::{OffsetRange, Source, SourcePartition};

    use super::*;

    fn advance(partition: i32, timestamp_ms_max: i64) -> Advance {
        let source = Source { cluster: "c".to_owned(), topic: "t".to_owned() };
        let range = OffsetRange::try_new(0, 1).unwrap();
        Advance { partition: SourcePartition { source, partition }, range, timestamp_ms_max }
    }

    #[test]
    fn freshness_is_the_age_of_the_newest_committed_record() {
        assert_eq!(freshness_ms(&[advance(0, 400), advance(1, 900), advance(2, -1)], 1000), Some(100));
        assert_eq!(freshness_ms(&[advance(0, 1001)], 1000), Some(0), "a clock ahead");
        assert_eq!(freshness_ms(&[advance(0, -1)], 1000), None, "no timestamps");
        assert_eq!(freshness_ms(&[], 1000), None, "nothing committed");
    }
}
