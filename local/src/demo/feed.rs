//! Sample rows as events, in the form Amazon MSK's event source mapping sends.

use std::collections::BTreeMap;
use std::time::Duration;

use tributary_kafka::{EventBuilder, Payload, Record, Source, SourcePartition};
use tributary_table::Checkpoint;

use crate::publish::SampleRow;
use crate::wall_clock;

/// What the demo's cluster would be called; it is the source's identity in the checkpoint.
const CLUSTER: &str = "arn:aws:kafka:eu-west-1:123456789012:cluster/demo/00000000-0000-0000-0000-000000000000-1";
const BOOTSTRAP_SERVERS: &str = "b-1.demo.kafka.eu-west-1.amazonaws.com:9098";
/// Not `events`, the publisher's topic: the demo's table must take that one too, from another cluster.
pub(super) const TOPIC: &str = "demo-events";
pub(super) const PARTITIONS: i32 = 3;
/// The rows' generator, so that two machines show the same rows.
const SEED: u64 = 7;

/// The field that producers send from some moment on.
pub(super) const NEW_FIELD: &str = "channel";
const NEW_FIELD_VALUES: [&str; 3] = ["app", "web", "branch"];

/// A producer and the topic it fills: knows what comes next in each partition.
#[derive(Debug)]
pub(super) struct Feed {
    next_offsets: BTreeMap<i32, i64>,
    /// As many rows were produced before as offsets were used, so ids are unique over all runs.
    next_id: u64,
}

impl Feed {
    /// Goes on where the checkpoint says that earlier runs ended.
    pub(super) fn after(checkpoint: &Checkpoint) -> Self {
        let next_offsets: BTreeMap<i32, i64> = (0..PARTITIONS)
            .map(|partition| (partition, checkpoint.progress(&at(partition)).map_or(0, |known| known.next_offset)))
            .collect();
        let next_id = next_offsets.values().map(|offset| offset.unsigned_abs()).sum();
        Self { next_offsets, next_id }
    }

    /// An event with that many new rows, spread over the partitions by account.
    pub(super) fn event(&mut self, rows: u32, now_ms: i64, with_new_field: bool) -> String {
        self.event_about(rows, now_ms, now_ms, with_new_field)
    }

    /// An event that arrives now and tells of things that happened at `event_ms`.
    pub(super) fn event_about(&mut self, rows: u32, event_ms: i64, now_ms: i64, with_new_field: bool) -> String {
        let mut event = EventBuilder::msk(CLUSTER, BOOTSTRAP_SERVERS);
        for index in 0..rows {
            let time = wall_clock(event_ms) + Duration::from_micros(u64::from(index));
            let row = SampleRow::generate(self.next_id, SEED, time);
            let partition = partition_of(row.account_id());
            let offset = self.next_offsets.entry(partition).or_default();
            let record = Record {
                offset: *offset,
                timestamp_ms: now_ms,
                timestamp_type: Some("CREATE_TIME".to_owned()),
                key: Payload::Bytes(row.account_id().to_owned().into_bytes().into()),
                value: Payload::Bytes(json_of(&row, self.next_id, with_new_field).into_bytes().into()),
                headers: Vec::new(),
            };
            event.push(TOPIC, partition, record);
            *offset += 1;
            self.next_id += 1;
        }
        event.build()
    }

    /// By partition: the offset the next record gets.
    pub(super) fn next_offsets(&self) -> &BTreeMap<i32, i64> {
        &self.next_offsets
    }
}

/// The checkpoint's next offsets of the demo's topic.
pub(super) fn committed_offsets(checkpoint: &Checkpoint) -> BTreeMap<i32, i64> {
    let known = |partition| checkpoint.progress(&at(partition)).map(|progress| (partition, progress.next_offset));
    (0..PARTITIONS).filter_map(known).collect()
}

fn at(partition: i32) -> SourcePartition {
    SourcePartition { source: Source { cluster: CLUSTER.to_owned(), topic: TOPIC.to_owned() }, partition }
}

/// One account's rows stay in order, hence in one partition. Any even spread will do here.
fn partition_of(account_id: &str) -> i32 {
    let sum: i32 = account_id.bytes().map(i32::from).sum();
    sum % PARTITIONS
}

fn json_of(row: &SampleRow, id: u64, with_new_field: bool) -> String {
    let json = row.to_json();
    let open = json.strip_suffix('}').filter(|_| with_new_field);
    match open {
        None => json,
        Some(open) => {
            let value = NEW_FIELD_VALUES[usize::try_from(id % 3).unwrap_or_default()];
            format!("{open},\"{NEW_FIELD}\":\"{value}\"}}")
        }
    }
}

#[cfg(test)]
mod tests {
    use tributary_kafka::{ClusterIdentity, KafkaEvent, records_by_partition};

    use super::*;

    fn read(event: &str) -> Vec<(i32, Vec<(i64, serde_json::Value)>)> {
        let event = KafkaEvent::from_json(event.as_bytes()).unwrap();
        let cluster = ClusterIdentity::of_event(&event, None).unwrap();
        assert!(!cluster.is_assumed());
        let records = records_by_partition(event, &cluster).unwrap().into_iter();
        let value = |record: &Record| serde_json::from_slice(record.value.as_bytes().unwrap()).unwrap();
        let rows = |records: &[Record]| records.iter().map(|record| (record.offset, value(record))).collect();
        records.map(|batch| (batch.partition.partition, rows(&batch.records))).collect()
    }

    #[test]
    fn events_cover_several_partitions_and_go_on_without_gaps_or_repeated_ids() {
        let mut feed = Feed::after(&Checkpoint::default());
        let mut ids = Vec::new();
        let mut next = BTreeMap::new();
        for _ in 0..3 {
            let partitions = read(&feed.event(60, 1_000, false));
            assert!(partitions.len() > 1, "{partitions:?}");
            for (partition, rows) in partitions {
                for (offset, row) in rows {
                    let expected = next.entry(partition).or_insert(0);
                    assert_eq!(offset, *expected);
                    *expected += 1;
                    ids.push(row["id"].as_u64().unwrap());
                }
            }
        }
        ids.sort_unstable();
        assert_eq!(ids, (0..180).collect::<Vec<_>>());
        assert_eq!(*feed.next_offsets(), next);
    }

    #[test]
    fn the_new_field_is_there_only_when_asked_for() {
        let mut feed = Feed::after(&Checkpoint::default());
        let values = |event: &str| read(event).into_iter().flat_map(|(_, rows)| rows).collect::<Vec<_>>();
        assert!(values(&feed.event(9, 1, false)).iter().all(|(_, row)| row.get(NEW_FIELD).is_none()));
        assert!(values(&feed.event(9, 1, true)).iter().all(|(_, row)| row[NEW_FIELD].is_string()));
    }
}
