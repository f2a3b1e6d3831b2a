//! Where reading starts in a partition.

use std::time::Duration;

use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

/// Where reading starts in a partition for which the group committed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// At the oldest record there is.
    TrimHorizon,
    /// After the newest record there is.
    Latest,
    /// At the first record whose timestamp is this one or later, in milliseconds since 1970.
    AtTimestamp(i64),
}

/// For each partition the group's committed offset, or else what `start` says. The latter is
/// committed at once unless it is the oldest record: a restart before the first batch would else
/// find another "latest" and leave out what came between. Blocking.
pub(crate) fn start_offsets(
    consumer: &StreamConsumer,
    topic: &str,
    partitions: &[i32],
    start: Start,
    timeout: Duration,
) -> KafkaResult<TopicPartitionList> {
    let mut asked = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        asked.add_partition(topic, *partition);
    }
    let committed = consumer.committed_offsets(asked, timeout)?;
    let (mut offsets, mut pinned) = (TopicPartitionList::new(), TopicPartitionList::new());
    for element in committed.elements_for_topic(topic) {
        element.error()?;
        let partition = element.partition();
        let offset = match element.offset() {
            Offset::Offset(next_offset) => Offset::Offset(next_offset),
            _ => {
                let offset = resolve(consumer, topic, partition, start, timeout)?;
                if let Offset::Offset(_) = offset {
                    pinned.add_partition_offset(topic, partition, offset)?;
                }
                offset
            }
        };
        offsets.add_partition_offset(topic, partition, offset)?;
    }
    if pinned.count() > 0 {
        consumer.commit(&pinned, CommitMode::Sync)?;
    }
    Ok(offsets)
}

fn resolve(
    consumer: &StreamConsumer,
    topic: &str,
    partition: i32,
    start: Start,
    timeout: Duration,
) -> KafkaResult<Offset> {
    let end = || {
        let (_, end) = consumer.fetch_watermarks(topic, partition, timeout)?;
        Ok(Offset::Offset(end))
    };
    match start {
        Start::TrimHorizon => Ok(Offset::Beginning),
        Start::Latest => end(),
        Start::AtTimestamp(ms) => {
            let mut asked = TopicPartitionList::with_capacity(1);
            asked.add_partition_offset(topic, partition, Offset::Offset(ms))?;
            let found = consumer.offsets_for_times(asked, timeout)?;
            match found.find_partition(topic, partition).map(|element| element.offset()) {
                Some(Offset::Offset(first)) => Ok(Offset::Offset(first)),
                // No record is that late.
                _ => end(),
            }
        }
    }
}
