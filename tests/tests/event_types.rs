//! Our event types beside those of `aws_lambda_events`: what that crate can read, both read alike.
//!
//! Why the function reads events by types of its own: `docs/decisions/0003-our-own-event-types.md`.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use aws_lambda_events::kafka::KafkaEvent as TheirEvent;
use tributary_kafka::{ClusterIdentity, EventBuilder, KafkaEvent, Payload, Record, records_by_partition};
use tributary_testkit::repo_root;

/// `(topic, partition, offset, key, value)` of each record, sorted.
type Places = Vec<(String, i64, i64, Option<String>, Option<String>)>;

fn by_their_types(json: &str) -> Places {
    let event: TheirEvent = serde_json::from_str(json).unwrap();
    let records = event.records.into_values().flatten();
    let place = |record: aws_lambda_events::kafka::KafkaRecord| {
        (record.topic.unwrap(), record.partition, record.offset, record.key, record.value)
    };
    let mut places: Places = records.map(place).collect();
    places.sort();
    places.dedup();
    places
}

fn by_ours(json: &str) -> Places {
    let event = KafkaEvent::from_json(json.as_bytes()).unwrap();
    let cluster = ClusterIdentity::of_event(&event, Some("c")).unwrap();
    let mut places = Places::new();
    for batch in records_by_partition(event, &cluster).unwrap() {
        for record in batch.records {
            let (topic, partition) = (batch.partition.source.topic.clone(), i64::from(batch.partition.partition));
            places.push((topic, partition, record.offset, text(&record.key), text(&record.value)));
        }
    }
    places.sort();
    places
}

fn text(payload: &Payload) -> Option<String> {
    let engine = base64::engine::general_purpose::STANDARD;
    payload.as_bytes().map(|bytes| base64::Engine::encode(&engine, bytes))
}

#[test]
fn every_sample_event_reads_alike() {
    let folder = repo_root().unwrap().join("events/ingest");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let json = std::fs::read_to_string(&path).unwrap();
            assert_eq!(by_ours(&json), by_their_types(&json), "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 5, "the samples are gone: {seen} found");
}

#[test]
fn the_poller_s_events_are_what_lambda_functions_expect() {
    for mut builder in [EventBuilder::msk("arn:aws:kafka:x", "b:9092"), EventBuilder::self_managed("b:9092")] {
        for offset in 0..3 {
            let record = Record {
                offset,
                timestamp_ms: 1_763_719_200_000 + offset,
                timestamp_type: Some("CREATE_TIME".to_owned()),
                key: Payload::Bytes(vec![0, 255].into()),
                value: if offset == 1 { Payload::Null } else { Payload::Bytes(b"{}".to_vec().into()) },
                headers: vec![("trace".to_owned(), vec![1, 127])],
            };
            builder.push("orders", 3, record);
        }
        let json = builder.build();
        assert_eq!(by_ours(&json), by_their_types(&json));
    }
}
