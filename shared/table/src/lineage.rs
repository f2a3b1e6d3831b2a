//! Which offsets a snapshot added, and whether a checkpoint still belongs to the table's head.
//!
//! Every ingest snapshot carries its own ranges in its summary ([`LINEAGE_PROPERTY`]): the audit
//! trail, and the undo log when somebody rolls the table back.

use std::collections::{BTreeMap, HashSet};

use iceberg::spec::{SnapshotRef, TableMetadata};
use tributary_kafka::{OffsetRange, Source, SourcePartition};

use crate::checkpoint::{Advance, Anchor, Checkpoint};

/// Name of the snapshot summary entry: JSON, cluster -> topic -> partition -> `first-last`.
pub const LINEAGE_PROPERTY: &str = "tributary.lineage";

/// A checkpoint that cannot be reconciled with the table's history: the function halts.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error(
    "set the checkpoint with `tributary table set-checkpoint` to what the table really holds: the checkpoint \
     belongs to snapshot {snapshot_id} (sequence number {sequence_number}): expected it in the history of the \
     table's head, found {found}"
)]
pub struct HistoryError {
    snapshot_id: i64,
    sequence_number: i64,
    found: String,
}

type Ranges = BTreeMap<String, BTreeMap<String, BTreeMap<i32, String>>>;

/// The summary entry for what a commit adds.
pub(crate) fn to_summary(advances: &[Advance]) -> String {
    let mut ranges = Ranges::new();
    for Advance { partition: at, range, .. } in advances {
        let topics = ranges.entry(at.source.cluster.clone()).or_default();
        topics.entry(at.source.topic.clone()).or_default().insert(at.partition, range.to_string());
    }
    // A map of strings always serialises.
    serde_json::to_string(&ranges).unwrap_or_default()
}

/// The ranges a snapshot added; empty for a snapshot that is not ours.
pub fn of_snapshot(snapshot: &SnapshotRef) -> Result<Vec<(SourcePartition, OffsetRange)>, String> {
    let Some(text) = snapshot.summary().additional_properties.get(LINEAGE_PROPERTY) else {
        return Ok(Vec::new());
    };
    let ranges: Ranges = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut lineage = Vec::new();
    for (cluster, topics) in ranges {
        for (topic, partitions) in topics {
            let source = Source { cluster: cluster.clone(), topic };
            for (partition, range) in partitions {
                let range = range.parse::<OffsetRange>().map_err(|error| error.to_string())?;
                lineage.push((SourcePartition { source: source.clone(), partition }, range));
            }
        }
    }
    Ok(lineage)
}

/// The checkpoint that holds for the table as it stands (design: read at every attempt, on fresh metadata).
///
/// - Its snapshot is the head or an ancestor of it: valid.
/// - Its snapshot is gone and older than the oldest one known: it expired, valid.
/// - Its snapshot is known but no ancestor: the table was rolled back; undone by the lineage of
///   the snapshots that were rolled back.
/// - Anything else: an error that halts, since guessing would lose or repeat records.
pub(crate) fn reconciled(metadata: &TableMetadata, stored: Checkpoint) -> Result<Checkpoint, HistoryError> {
    let Some(anchor) = stored.anchor else { return Ok(stored) };
    let history: Vec<&SnapshotRef> = ancestors(metadata, metadata.current_snapshot_id()).collect();
    if history.iter().any(|snapshot| snapshot.snapshot_id() == anchor.snapshot_id) {
        return Ok(stored);
    }
    let error = |found: String| HistoryError {
        snapshot_id: anchor.snapshot_id,
        sequence_number: anchor.sequence_number,
        found,
    };
    if metadata.snapshot_by_id(anchor.snapshot_id).is_some() {
        return undone(metadata, stored, anchor, &history).map_err(error);
    }
    match history.last() {
        // Sequence numbers only grow along a history: an older one lies before what is still known.
        Some(oldest) if oldest.parent_snapshot_id().is_some() && anchor.sequence_number < oldest.sequence_number() => {
            Ok(stored)
        }
        Some(oldest) => Err(error(format!(
            "a history that ends at snapshot {} (sequence number {}) without it",
            oldest.snapshot_id(),
            oldest.sequence_number()
        ))),
        None => Err(error("a table without snapshots".to_owned())),
    }
}

/// Takes back what the rolled-back snapshots (from the checkpoint's down to the common ancestor) had added.
fn undone(
    metadata: &TableMetadata,
    mut checkpoint: Checkpoint,
    anchor: Anchor,
    history: &[&SnapshotRef],
) -> Result<Checkpoint, String> {
    let kept: HashSet<i64> = history.iter().map(|snapshot| snapshot.snapshot_id()).collect();
    let mut firsts: BTreeMap<SourcePartition, i64> = BTreeMap::new();
    let (mut end, mut fork) = (None, None);
    for snapshot in ancestors(metadata, Some(anchor.snapshot_id)) {
        if kept.contains(&snapshot.snapshot_id()) {
            (end, fork) = (None, Some(snapshot.snapshot_id()));
            break;
        }
        for (partition, range) in of_snapshot(snapshot)? {
            firsts.entry(partition).and_modify(|first| *first = range.first().min(*first)).or_insert(range.first());
        }
        end = snapshot.parent_snapshot_id();
    }
    if let Some(missing) = end {
        return Err(format!("a rollback past expired snapshot {missing}, whose lineage is gone"));
    }
    // The head's own history may go on behind what is known, down to the checkpoint's snapshot (which a tag kept): then
    // nothing was rolled back, and taking back would repeat records.
    if fork.is_none()
        && let Some(missing) = history.last().and_then(|oldest| oldest.parent_snapshot_id())
    {
        return Err(format!("a history of the head that ends at expired snapshot {missing}, so that it can't be told"));
    }
    for (partition, first) in firsts {
        if let Some(mut progress) = checkpoint.progress(&partition) {
            // The greatest timestamp stays: too great only makes the recreated-topic check milder.
            progress.next_offset = first;
            checkpoint.set(partition, progress);
        }
    }
    // The head may have gone forward to a branch of its own, whose records are in the table.
    for snapshot in history.iter().take_while(|snapshot| Some(snapshot.snapshot_id()) != fork) {
        for (partition, range) in of_snapshot(snapshot)? {
            if let Some(mut progress) = checkpoint.progress(&partition) {
                progress.next_offset = progress.next_offset.max(range.next());
                checkpoint.set(partition, progress);
            }
        }
    }
    Ok(checkpoint)
}

/// Every range that a known snapshot of the head's history added.
pub(crate) fn of_history(metadata: &TableMetadata) -> Result<Vec<(SourcePartition, OffsetRange)>, String> {
    let mut settled = Vec::new();
    for snapshot in ancestors(metadata, metadata.current_snapshot_id()) {
        settled.extend(of_snapshot(snapshot)?);
    }
    Ok(settled)
}

/// Whether a snapshot is the head or one of its known ancestors.
pub(crate) fn descends_from(metadata: &TableMetadata, snapshot_id: i64) -> bool {
    ancestors(metadata, metadata.current_snapshot_id()).any(|snapshot| snapshot.snapshot_id() == snapshot_id)
}

/// Whether the head's known history goes back to where a snapshot of this sequence number would be in it, or to the table's beginning.
///
/// Not by time: a writer whose clock is behind, or that waited for others, gives its snapshot the time of an earlier one or less.
pub(crate) fn reaches_back_to(metadata: &TableMetadata, sequence_number: i64) -> bool {
    let oldest = ancestors(metadata, metadata.current_snapshot_id()).last();
    oldest.is_none_or(|oldest| oldest.parent_snapshot_id().is_none() || oldest.sequence_number() <= sequence_number)
}

/// A snapshot and those before it, as far as they are known; ends since ids are never revisited.
fn ancestors(metadata: &TableMetadata, from: Option<i64>) -> impl Iterator<Item = &SnapshotRef> {
    let bound = metadata.snapshots().len();
    let first = from.and_then(|id| metadata.snapshot_by_id(id));
    std::iter::successors(first, |snapshot| snapshot.parent_snapshot_id().and_then(|id| metadata.snapshot_by_id(id)))
        .take(bound)
}
