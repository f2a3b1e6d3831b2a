//! From the event's groups to records by partition, in offset order.

use std::collections::BTreeMap;

use crate::event::{EventRecord, TIMESTAMP_MS_UNKNOWN};
use crate::{ClusterIdentity, EventError, KafkaEvent, Payload, Source, SourcePartition};

/// One Kafka record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Offset in its partition, 0 or greater.
    pub offset: i64,
    /// Milliseconds since 1970-01-01 UTC; [`TIMESTAMP_MS_UNKNOWN`] (-1) if the record has none.
    pub timestamp_ms: i64,
    /// `CREATE_TIME` or `LOG_APPEND_TIME`, as the event has it.
    pub timestamp_type: Option<String>,
    /// The key.
    pub key: Payload,
    /// The value.
    pub value: Payload,
    /// Names and bytes in their order; repeated names are kept.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// The records of one partition: never empty, offsets strictly ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionRecords {
    /// Where the records come from.
    pub partition: SourcePartition,
    /// The records by ascending offset. Gaps are legal (transactions, compaction, retention).
    pub records: Vec<Record>,
}

/// Sorts an event's records by partition and offset. An offset that the event repeats is kept
/// once, the first: a mapping that retries may send a record twice. An empty event gives none.
///
/// # Errors
/// [`EventError::OtherSource`] if the event names a source that is not Kafka;
/// [`EventError::Place`] if a record has no topic, or its partition or offset is missing or
/// negative: its place is unknown, so no later one can be trusted.
pub fn records_by_partition(event: KafkaEvent, cluster: &ClusterIdentity) -> Result<Vec<PartitionRecords>, EventError> {
    check_source(event.event_source, event.has_foreign_records)?;
    let mut by_place: BTreeMap<(String, i32), Vec<Record>> = BTreeMap::new();
    for group in event.records {
        for (index, record) in group.records.into_iter().enumerate() {
            let place = |fault: Fault| fault.at(&group.name, index);
            let (topic, partition, record) = placed(record).map_err(place)?;
            by_place.entry((topic, partition)).or_default().push(record);
        }
    }
    let partitions = by_place.into_iter().map(|((topic, partition), mut records)| {
        // Stable, so that of two records with one offset the first of the event stays.
        records.sort_by_key(|record| record.offset);
        records.dedup_by_key(|record| record.offset);
        let source = Source { cluster: cluster.as_str().to_owned(), topic };
        PartitionRecords { partition: SourcePartition { source, partition }, records }
    });
    Ok(partitions.collect())
}

/// A function wired to another source would find no `records`, do nothing and report success.
fn check_source(event_source: Option<String>, has_foreign_records: bool) -> Result<(), EventError> {
    match event_source {
        Some(found) if !matches!(found.as_str(), "aws:kafka" | "SelfManagedKafka") => {
            Err(EventError::OtherSource { found })
        }
        None if has_foreign_records => {
            Err(EventError::OtherSource { found: "Records, the list of another service".to_owned() })
        }
        _ => Ok(()),
    }
}

/// A fault in a record's place, before it is known where the record stands in the event.
struct Fault {
    expected: &'static str,
    found: String,
}

impl Fault {
    fn at(self, group: &str, index: usize) -> EventError {
        let Self { expected, found } = self;
        EventError::Place { group: group.to_owned(), index, expected, found }
    }
}

fn placed(record: EventRecord) -> Result<(String, i32, Record), Fault> {
    let topic = record.topic.filter(|topic| !topic.is_empty());
    let topic = topic.ok_or_else(|| fault("a `topic`", None))?;
    let partition = record.partition.and_then(|partition| i32::try_from(partition).ok());
    let partition = partition
        .filter(|partition| *partition >= 0)
        .ok_or_else(|| fault("a `partition` from 0 to 2147483647", record.partition))?;
    let offset = record.offset.filter(|offset| *offset >= 0);
    let offset = offset.ok_or_else(|| fault("an `offset` of 0 or greater", record.offset))?;
    let record = Record {
        offset,
        timestamp_ms: record.timestamp.unwrap_or(TIMESTAMP_MS_UNKNOWN),
        timestamp_type: record.timestamp_type,
        key: record.key,
        value: record.value,
        headers: record.headers,
    };
    Ok((topic, partition, record))
}

fn fault(expected: &'static str, found: Option<i64>) -> Fault {
    Fault { expected, found: found.map_or_else(|| "none".to_owned(), |found| found.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Vec<PartitionRecords>, EventError> {
        let event = KafkaEvent::from_json(json.as_bytes())?;
        let cluster = ClusterIdentity::of_event(&event, Some("c"))?;
        records_by_partition(event, &cluster)
    }

    fn record(topic: &str, partition: i64, offset: i64, value: &str) -> String {
        format!(r#"{{"topic":"{topic}","partition":{partition},"offset":{offset},"value":"{value}"}}"#)
    }

    #[test]
    fn records_are_sorted_by_partition_and_offset_whatever_their_group() {
        let json = format!(
            r#"{{"records":{{"b-0":[{},{}],"x":[{},{},{}]}}}}"#,
            record("b", 0, 9, ""),
            record("b", 0, 3, ""),
            record("a", 10, 1, ""),
            record("a", 2, 0, ""),
            record("b", 0, 5, ""),
        );
        let found: Vec<_> = parse(&json)
            .unwrap()
            .into_iter()
            .map(|p| {
                let offsets: Vec<_> = p.records.iter().map(|record| record.offset).collect();
                (p.partition.to_string(), offsets)
            })
            .collect();
        let place = |partition, topic| format!("partition {partition} of `{topic}` of cluster `c`");
        assert_eq!(found, [(place(2, "a"), vec![0]), (place(10, "a"), vec![1]), (place(0, "b"), vec![3, 5, 9])]);
    }

    #[test]
    fn an_offset_repeated_within_the_event_is_kept_once_the_first() {
        let json = format!(
            r#"{{"records":{{"t-0":[{},{}],"t-0":[{}]}}}}"#,
            record("t", 0, 4, "Zmlyc3Q="),
            record("t", 0, 3, ""),
            record("t", 0, 4, "bm90"),
        );
        let records = parse(&json).unwrap().remove(0).records;
        assert_eq!(records.iter().map(|record| record.offset).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(records[1].value.as_bytes(), Some(b"first".as_slice()));
    }

    #[test]
    fn an_event_without_records_gives_none() {
        for json in ["{}", r#"{"records":{}}"#, r#"{"records":null}"#, r#"{"records":{"t-0":[]}}"#] {
            assert_eq!(parse(json).unwrap(), [], "{json}");
        }
    }

    #[test]
    fn a_record_without_a_timestamp_has_kafkas_unknown_one() {
        let json = format!(r#"{{"records":{{"t-0":[{}]}}}}"#, record("t", 0, 0, ""));
        assert_eq!(parse(&json).unwrap()[0].records[0].timestamp_ms, TIMESTAMP_MS_UNKNOWN);
    }

    #[test]
    fn one_value_that_is_no_base64_leaves_the_others_readable() {
        let json = format!(r#"{{"records":{{"t-0":[{},{}]}}}}"#, record("t", 0, 0, "%%%"), record("t", 0, 1, "b2s="),);
        let records = parse(&json).unwrap().remove(0).records;
        assert!(matches!(records[0].value, Payload::Invalid { .. }));
        assert_eq!(records[1].value.as_bytes(), Some(b"ok".as_slice()));
    }

    #[test]
    fn a_record_whose_place_is_unknown_is_named_by_group_and_index() {
        let good = record("t", 0, 0, "");
        for (bad, expected) in [
            (r#"{"partition":0,"offset":0}"#.to_owned(), "expected a `topic`, found none"),
            (record("", 0, 0, ""), "expected a `topic`, found none"),
            (record("t", -1, 0, ""), "expected a `partition` from 0 to 2147483647, found -1"),
            (record("t", 1 << 31, 0, ""), "2147483647, found 2147483648"),
            (record("t", 0, -5, ""), "expected an `offset` of 0 or greater, found -5"),
            (r#"{"topic":"t","partition":0}"#.to_owned(), "0 or greater, found none"),
        ] {
            let json = format!(r#"{{"records":{{"t-0":[{good},{bad}]}}}}"#);
            let error = parse(&json).unwrap_err().to_string();
            assert!(error.starts_with("record 1 of `records.t-0`: "), "{error}");
            assert!(error.ends_with(expected), "{error}");
        }
    }

    #[test]
    fn an_event_of_another_source_is_refused_rather_than_taken_for_empty() {
        let error = parse(r#"{"eventSource":"aws:kinesis"}"#).unwrap_err();
        assert!(error.to_string().ends_with("found `aws:kinesis`"), "{error}");
        for json in [r#"{"Records":[{"eventSource":"aws:sqs","body":"x"}]}"#, r#"{"Records":null}"#] {
            let error = parse(json).unwrap_err();
            assert!(error.to_string().contains("found `Records, the list of another service`"), "{error}");
        }
        assert!(parse(r#"{"eventSource":"aws:kafka"}"#).is_ok());
        assert!(parse(r#"{"eventSource":"SelfManagedKafka"}"#).is_ok());
    }
}
