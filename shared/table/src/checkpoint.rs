//! The checkpoint: which offsets of which source are in the table, committed with the rows.
//!
//! The whole map lives in one table property ([`CHECKPOINT_PROPERTY`]), written in the same
//! metadata as the snapshot it belongs to, so that rows and offsets change in one atomic step
//! (INV-2). What a record's offset means, by the next offset `n` of its partition:
//!
//! | record | batch holds | verdict |
//! |---|---|---|
//! | offset >= n | `n..` | unseen: decode and commit |
//! | offset > n, none at n | a gap | unseen; the gap is counted (transactions, compaction and retention make gaps) |
//! | offset < n, timestamp <= greatest committed | redelivered | dropped |
//! | offset < n, timestamp > greatest committed | no redelivery can look like this | halt: the topic was recreated or the cluster changed |
//! | partition not in the map | first contact | unseen |

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tributary_kafka::{OffsetRange, PartitionRecords, Source, SourcePartition};

/// Name of the table property that holds the checkpoint as JSON.
pub const CHECKPOINT_PROPERTY: &str = "tributary.checkpoint";

/// Version of the JSON layout this build writes and reads.
const LAYOUT_VERSION: u32 = 1;

/// How far one partition has been committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PartitionProgress {
    /// The first offset that is not in the table.
    pub next_offset: i64,
    /// Greatest record timestamp committed so far, in milliseconds since the epoch; -1 where no
    /// record carried one.
    pub timestamp_ms_max: i64,
}

/// Progress of every partition of every source that feeds one table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checkpoint {
    /// The snapshot the map was committed with; `None` before the first.
    pub anchor: Option<Anchor>,
    progress: BTreeMap<SourcePartition, PartitionProgress>,
}

/// The snapshot a checkpoint was committed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// Id of the snapshot.
    pub snapshot_id: i64,
    /// Its sequence number, which outlives the snapshot's expiry.
    pub sequence_number: i64,
}

/// A checkpoint property that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "set table property `{CHECKPOINT_PROPERTY}` back to what an earlier metadata file of the table holds: expected a \
     checkpoint of layout {LAYOUT_VERSION}, found {found}"
)]
pub struct CheckpointFormatError {
    found: String,
}

/// Records below the next offset that no redelivery can explain.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "if the topic was recreated or the cluster changed, start a new epoch with `tributary table set-checkpoint --topic {topic} \
     --partition {partition} --forget`, which takes what arrives next as new; if a record was skipped whose timestamp lies in the \
     future, use `--next-offset {next_offset} --timestamp-ms-max {timestamp_ms}` there: {at}: expected redelivered records to be no newer than the greatest committed \
     timestamp {timestamp_ms_max} ms, found offset {offset} (below next offset {next_offset}) with timestamp {timestamp_ms} ms",
    topic = at.source.topic,
    partition = at.partition
)]
pub struct EpochError {
    at: SourcePartition,
    offset: i64,
    next_offset: i64,
    timestamp_ms: i64,
    timestamp_ms_max: i64,
}

/// What remains of a partition's records once redelivered ones are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// How many records at the start of the (offset-ordered) batch are redelivered.
    pub redelivered: usize,
    /// Offsets missing between the checkpoint and the first unseen record.
    pub gap: i64,
}

impl Checkpoint {
    /// Progress of one partition, if any of it was committed.
    pub fn progress(&self, partition: &SourcePartition) -> Option<PartitionProgress> {
        self.progress.get(partition).copied()
    }

    /// Every partition and its progress, in the order of source and partition number.
    pub fn iter(&self) -> impl Iterator<Item = (&SourcePartition, PartitionProgress)> {
        self.progress.iter().map(|(partition, progress)| (partition, *progress))
    }

    /// A cluster other than `source.cluster` under which the same topic was committed before.
    pub fn other_cluster_of(&self, source: &Source) -> Option<&str> {
        self.progress
            .keys()
            .map(|at| &at.source)
            .find(|known| known.topic == source.topic && known.cluster != source.cluster)
            .map(|known| known.cluster.as_str())
    }

    /// Whether any partition of the source was committed before.
    pub fn knows(&self, source: &Source) -> bool {
        self.progress.keys().any(|at| at.source == *source)
    }

    /// Sets one partition's progress, as a commit or an operator does.
    pub fn set(&mut self, partition: SourcePartition, progress: PartitionProgress) {
        self.progress.insert(partition, progress);
    }

    /// Forgets one partition; what arrives next is taken as new. Returns what was known.
    pub fn forget(&mut self, partition: &SourcePartition) -> Option<PartitionProgress> {
        self.progress.remove(partition)
    }

    /// Where a batch's unseen records begin; the truth table is this module's documentation.
    ///
    /// Errors when a record that would be dropped can't be a redelivery.
    pub fn cut(&self, batch: &PartitionRecords) -> Result<Cut, EpochError> {
        let Some(known) = self.progress.get(&batch.partition) else {
            return Ok(Cut { redelivered: 0, gap: 0 });
        };
        let redelivered = batch.records.partition_point(|record| record.offset < known.next_offset);
        let newest = batch.records.iter().take(redelivered).max_by_key(|record| record.timestamp_ms);
        if let Some(record) = newest
            && record.timestamp_ms > known.timestamp_ms_max
        {
            return Err(EpochError {
                at: batch.partition.clone(),
                offset: record.offset,
                next_offset: known.next_offset,
                timestamp_ms: record.timestamp_ms,
                timestamp_ms_max: known.timestamp_ms_max,
            });
        }
        let first_unseen = batch.records.get(redelivered).map(|record| record.offset);
        Ok(Cut { redelivered, gap: first_unseen.map_or(0, |first| first - known.next_offset) })
    }

    /// The checkpoint after `advances` are committed by the snapshot `anchor`.
    pub fn advanced(&self, advances: &[Advance], anchor: Anchor) -> Self {
        let mut next = Self { anchor: Some(anchor), progress: self.progress.clone() };
        for advance in advances {
            let before = self.progress(&advance.partition);
            let timestamp_ms_max =
                before.map_or(advance.timestamp_ms_max, |known| known.timestamp_ms_max.max(advance.timestamp_ms_max));
            // A commit that is put back late may lie behind what others have settled since.
            let next_offset = before.map_or(0, |known| known.next_offset).max(advance.range.next());
            let progress = PartitionProgress { next_offset, timestamp_ms_max };
            next.progress.insert(advance.partition.clone(), progress);
        }
        next
    }

    /// Reads the property's JSON.
    pub fn from_property(text: &str) -> Result<Self, CheckpointFormatError> {
        let layout: Layout = serde_json::from_str(text)
            .map_err(|error| CheckpointFormatError { found: format!("`{}` ({error})", shortened(text)) })?;
        if layout.version != LAYOUT_VERSION {
            return Err(CheckpointFormatError { found: format!("layout {}", layout.version) });
        }
        let mut progress = BTreeMap::new();
        for (cluster, topics) in layout.sources {
            for (topic, partitions) in topics {
                let source = Source { cluster: cluster.clone(), topic };
                for (partition, known) in partitions {
                    progress.insert(SourcePartition { source: source.clone(), partition }, known);
                }
            }
        }
        let anchor = layout
            .snapshot_id
            .zip(layout.sequence_number)
            .map(|(snapshot_id, sequence_number)| Anchor { snapshot_id, sequence_number });
        Ok(Self { anchor, progress })
    }

    /// The property's JSON; the same checkpoint always gives the same text.
    pub fn to_property(&self) -> String {
        let mut layout = Layout {
            version: LAYOUT_VERSION,
            snapshot_id: self.anchor.map(|anchor| anchor.snapshot_id),
            sequence_number: self.anchor.map(|anchor| anchor.sequence_number),
            sources: BTreeMap::new(),
        };
        for (at, progress) in &self.progress {
            let topics = layout.sources.entry(at.source.cluster.clone()).or_default();
            topics.entry(at.source.topic.clone()).or_default().insert(at.partition, *progress);
        }
        // A map of strings and integers always serialises.
        serde_json::to_string(&layout).unwrap_or_default()
    }
}

/// What one commit adds to a partition's progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// The partition.
    pub partition: SourcePartition,
    /// First and last offset the commit settles (gaps inside are settled too).
    pub range: OffsetRange,
    /// Greatest timestamp among those records, in milliseconds; -1 where none carried one.
    pub timestamp_ms_max: i64,
}

type ByPartition = BTreeMap<i32, PartitionProgress>;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Layout {
    version: u32,
    snapshot_id: Option<i64>,
    sequence_number: Option<i64>,
    /// cluster -> topic -> partition -> progress
    sources: BTreeMap<String, BTreeMap<String, ByPartition>>,
}

fn shortened(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 80;
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tributary_kafka::{Payload, Record};

    use super::*;

    fn at(partition: i32) -> SourcePartition {
        let source = Source { cluster: "c".to_owned(), topic: "orders".to_owned() };
        SourcePartition { source, partition }
    }

    fn batch(offsets: impl IntoIterator<Item = i64>, timestamp_ms: i64) -> PartitionRecords {
        let records = offsets.into_iter().map(|offset| Record {
            offset,
            timestamp_ms,
            timestamp_type: None,
            key: Payload::Null,
            value: Payload::Null,
            headers: Vec::new(),
        });
        PartitionRecords { partition: at(0), records: records.collect() }
    }

    fn known(next_offset: i64, timestamp_ms_max: i64) -> Checkpoint {
        let mut checkpoint = Checkpoint::default();
        checkpoint.set(at(0), PartitionProgress { next_offset, timestamp_ms_max });
        checkpoint
    }

    #[test]
    fn a_new_partition_starts_with_what_arrives() {
        let cut = Checkpoint::default().cut(&batch(40..50, 1)).unwrap();
        assert_eq!(cut, Cut { redelivered: 0, gap: 0 });
    }

    #[test]
    fn an_overlapping_batch_loses_only_its_redelivered_head() {
        assert_eq!(known(45, 9).cut(&batch(40..50, 9)).unwrap(), Cut { redelivered: 5, gap: 0 });
        assert_eq!(known(50, 9).cut(&batch(40..50, 9)).unwrap(), Cut { redelivered: 10, gap: 0 });
    }

    #[test]
    fn a_gap_is_legal_and_counted() {
        assert_eq!(known(45, 9).cut(&batch(48..50, 9)).unwrap(), Cut { redelivered: 0, gap: 3 });
    }

    #[test]
    fn an_old_offset_with_a_new_timestamp_halts_and_names_the_remedy() {
        let error = known(45, 9).cut(&batch(0..3, 10)).unwrap_err().to_string();
        assert!(error.contains("set-checkpoint --topic orders --partition 0 --forget"), "{error}");
        assert!(error.contains("partition 0 of `orders`"), "{error}");
    }

    #[test]
    fn a_property_that_is_no_checkpoint_is_refused() {
        for text in ["", "{}", "[]", r#"{"version":2,"sources":{}}"#] {
            assert!(Checkpoint::from_property(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_property_reads_back_the_same(
            entries in prop::collection::vec(("[a-z:,]{1,8}", "[a-z.\"]{1,8}", 0..64i32, 0..i64::MAX, -1..i64::MAX), 0..20),
            anchor in prop::option::of((any::<i64>(), any::<i64>())),
        ) {
            let mut checkpoint = Checkpoint {
                anchor: anchor.map(|(snapshot_id, sequence_number)| Anchor { snapshot_id, sequence_number }),
                ..Checkpoint::default()
            };
            for (cluster, topic, partition, next_offset, timestamp_ms_max) in entries {
                let source = Source { cluster, topic };
                checkpoint.set(SourcePartition { source, partition }, PartitionProgress { next_offset, timestamp_ms_max });
            }
            let text = checkpoint.to_property();
            prop_assert_eq!(Checkpoint::from_property(&text).unwrap(), checkpoint);
        }

        #[test]
        fn delivering_any_slices_again_settles_each_offset_once(
            deliveries in prop::collection::vec((0..60i64, 1..30i64), 1..20),
        ) {
            // At least once, in order: a delivery may start anywhere at or below the next offset.
            let mut checkpoint = Checkpoint::default();
            let mut settled = Vec::new();
            let mut next = 0;
            for (back, length) in deliveries {
                let first = (next - back).max(0);
                let records = batch(first..first + length, 5);
                let cut = checkpoint.cut(&records).unwrap();
                let unseen = &records.records[cut.redelivered..];
                settled.extend(unseen.iter().map(|record| record.offset));
                if let (Some(head), Some(tail)) = (unseen.first(), unseen.last()) {
                    let range = OffsetRange::try_new(head.offset, tail.offset).unwrap();
                    let advance = Advance { partition: at(0), range, timestamp_ms_max: 5 };
                    checkpoint = checkpoint.advanced(&[advance], Anchor { snapshot_id: 1, sequence_number: 1 });
                    next = tail.offset + 1;
                }
            }
            let expected: Vec<i64> = (0..next).collect();
            prop_assert_eq!(settled, expected);
        }
    }
}
