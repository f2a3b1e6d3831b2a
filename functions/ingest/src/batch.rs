//! The unseen part of a batch becomes rows, partition by partition, up to each one's first bad record; pure.

use arrow_array::RecordBatch;
use tributary_decode::{BatchBuilder, Decoder};
use tributary_kafka::{OffsetRange, PartitionRecords, Payload, Record};
use tributary_table::{Advance, Cut};

use crate::error::{IngestError, RejectedRecord};

/// Rows to commit, and the offsets they settle.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) rows: RecordBatch,
    /// One range a partition that has good unseen records.
    pub(crate) advances: Vec<Advance>,
    /// The first bad record of each partition that has one.
    pub(crate) rejected: Vec<RejectedRecord>,
    /// Records behind a bad one, left for a later delivery.
    pub(crate) held: u64,
    pub(crate) redelivered: u64,
    /// Offsets skipped between the checkpoint and the batch.
    pub(crate) offset_gap: u64,
    pub(crate) fields_ignored: u64,
}

/// Decodes what the cuts leave of each partition.
pub(crate) fn prepare(batches: &[PartitionRecords], cuts: &[Cut], decoder: &Decoder) -> Result<Prepared, IngestError> {
    let unseen_total = batches.iter().zip(cuts).map(|(batch, cut)| batch.records.len() - cut.redelivered).sum();
    let mut builder = decoder.batch(unseen_total);
    let (mut advances, mut rejected, mut held, mut gap) = (Vec::new(), Vec::new(), 0, 0);
    for (batch, cut) in batches.iter().zip(cuts) {
        let unseen = &batch.records[cut.redelivered..];
        let good = push_until_bad(batch, unseen, &mut builder, &mut rejected);
        held += unseen.len().saturating_sub(good + 1);
        gap += u64::try_from(cut.gap).unwrap_or_default();
        advances.extend(advance(batch, &unseen[..good])?);
    }
    let redelivered = cuts.iter().map(|cut| cut.redelivered as u64).sum();
    let fields_ignored = builder.fields_ignored();
    let rows = builder.finish().map_err(|error| IngestError::Decode { reason: error.to_string() })?;
    Ok(Prepared { rows, advances, rejected, held: held as u64, redelivered, offset_gap: gap, fields_ignored })
}

/// How many records were taken before the first bad one.
fn push_until_bad(
    batch: &PartitionRecords,
    unseen: &[Record],
    builder: &mut BatchBuilder,
    rejected: &mut Vec<RejectedRecord>,
) -> usize {
    for (index, record) in unseen.iter().enumerate() {
        if let Err((column, reason)) = push(record, builder) {
            rejected.push(RejectedRecord { partition: batch.partition.clone(), offset: record.offset, column, reason });
            return index;
        }
    }
    unseen.len()
}

fn push(record: &Record, builder: &mut BatchBuilder) -> Result<(), (Option<String>, String)> {
    match &record.value {
        Payload::Bytes(bytes) => {
            builder.push(bytes).map_err(|rejection| (rejection.column().map(str::to_owned), rejection.to_string()))
        }
        Payload::Null => {
            Err((None, "expected a JSON object, found a null value (a tombstone), which is no row".to_owned()))
        }
        Payload::Invalid { reason } => Err((None, format!("value: {reason}"))),
    }
}

/// What committing these records settles; nothing for none.
fn advance(batch: &PartitionRecords, good: &[Record]) -> Result<Option<Advance>, IngestError> {
    let (Some(first), Some(last)) = (good.first(), good.last()) else { return Ok(None) };
    let range = OffsetRange::try_new(first.offset, last.offset)
        .map_err(|error| IngestError::Decode { reason: error.to_string() })?;
    let timestamp_ms_max = good.iter().map(|record| record.timestamp_ms).max().unwrap_or(-1);
    Ok(Some(Advance { partition: batch.partition.clone(), range, timestamp_ms_max }))
}
