//! What the builder writes, the reader reads; and no input whatsoever makes the reader panic.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use tributary_kafka::{
    ClusterIdentity, EventBuilder, EventError, KafkaEvent, PartitionRecords, Payload, Record, records_by_partition,
};

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        1 => Just(Payload::Null),
        4 => vec(any::<u8>(), 0..40).prop_map(|bytes| Payload::Bytes(bytes.into())),
    ]
}

fn record() -> impl Strategy<Value = Record> {
    let timestamp_type = prop_oneof![Just(None), Just(Some("LOG_APPEND_TIME".to_owned()))];
    let headers = vec((".{0,3}", vec(any::<u8>(), 0..5)), 0..4);
    let timestamp_ms = prop_oneof![Just(-1), any::<i64>()];
    (0..=i64::MAX, timestamp_ms, timestamp_type, payload(), payload(), headers).prop_map(
        |(offset, timestamp_ms, timestamp_type, key, value, headers)| Record {
            offset,
            timestamp_ms,
            timestamp_type,
            key,
            value,
            headers,
        },
    )
}

/// Records with their places. Few offsets, so that repeats occur.
fn placed() -> impl Strategy<Value = Vec<(String, i32, Record)>> {
    let topic = prop_oneof![Just("orders".to_owned()), "[a-z0-9._\"\\-]{1,4}"];
    let offset = prop_oneof![0..20_i64, 0..=i64::MAX];
    let one = (topic, 0..3_i32, offset, record())
        .prop_map(|(topic, partition, offset, record)| (topic, partition, Record { offset, ..record }));
    vec(one, 0..30)
}

/// The same by the plainest of means: the first record of each place and offset, in order.
fn expected(placed: &[(String, i32, Record)]) -> BTreeMap<(String, i32), BTreeMap<i64, Record>> {
    let mut map: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for (topic, partition, record) in placed {
        let records = map.entry((topic.clone(), *partition)).or_default();
        records.entry(record.offset).or_insert_with(|| record.clone());
    }
    map
}

fn read(json: &[u8]) -> Result<Vec<PartitionRecords>, EventError> {
    let event = KafkaEvent::from_json(json)?;
    let cluster = ClusterIdentity::of_event(&event, None)?;
    records_by_partition(event, &cluster)
}

proptest! {
    #[test]
    fn what_is_built_is_read_back_sorted_and_without_repeats(placed in placed()) {
        let mut builder = EventBuilder::msk("arn:aws:kafka:x", "b:1");
        for (topic, partition, record) in placed.clone() {
            builder.push(&topic, partition, record);
        }
        let len_bytes = builder.len_bytes();
        let json = builder.build();
        prop_assert_eq!(json.len(), len_bytes);

        let mut found = BTreeMap::new();
        for PartitionRecords { partition, records } in read(json.as_bytes()).unwrap() {
            prop_assert_eq!(&partition.source.cluster, "arn:aws:kafka:x");
            prop_assert!(!records.is_empty());
            prop_assert!(records.is_sorted_by(|a, b| a.offset < b.offset));
            let records: BTreeMap<_, _> = records.into_iter().map(|r| (r.offset, r)).collect();
            found.insert((partition.source.topic, partition.partition), records);
        }
        prop_assert_eq!(found, expected(&placed));
    }

    #[test]
    fn bytes_that_are_no_event_are_refused(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert!(read(&bytes).is_err());
    }

    #[test]
    fn an_event_with_one_byte_changed_is_read_or_refused(
        placed in placed(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut builder = EventBuilder::self_managed("b:1");
        for (topic, partition, record) in placed {
            builder.push(&topic, partition, record);
        }
        let mut json = builder.build().into_bytes();
        let at = at.index(json.len());
        json[at] = byte;
        if let Ok(partitions) = read(&json) {
            for PartitionRecords { partition, records } in partitions {
                prop_assert!(partition.partition >= 0 && !partition.source.topic.is_empty());
                prop_assert!(records[0].offset >= 0);
                prop_assert!(records.is_sorted_by(|a, b| a.offset < b.offset));
            }
        }
    }

    #[test]
    fn any_json_in_the_place_of_a_field_is_read_or_refused(
        field in prop::sample::select(vec![
            "topic", "partition", "offset", "timestamp", "timestampType", "key", "value", "headers",
        ]),
        json in prop::sample::select(vec![
            "null", "true", "-1", "1.5", "1e99", "1e999", "99999999999999999999", "\"\"", "\"a\"",
            "\"\\ud800\"", "[]", "[null]", "[[1]]", "[{\"a\":[1]}]", "[{\"a\":\"b\"}]", "{}",
            "{\"a\":null}",
        ]),
    ) {
        let mut fields = BTreeMap::from([("topic", "\"t\""), ("partition", "0"), ("offset", "0")]);
        fields.insert(field, json);
        let fields: Vec<_> = fields.iter().map(|(name, json)| format!("\"{name}\":{json}")).collect();
        let event = format!(r#"{{"bootstrapServers":"b","records":{{"t-0":[{{{}}}]}}}}"#, fields.join(","));
        if let Ok(partitions) = read(event.as_bytes()) {
            prop_assert_eq!(partitions.len(), 1);
            prop_assert_eq!(partitions[0].records.len(), 1);
        }
    }
}
