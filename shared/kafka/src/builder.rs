//! The other direction: records to the JSON event that the event source mapping sends.

use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::{Payload, Record};

/// Stands for [`Payload::Invalid`] in a built event: text that no base64 decoder takes.
const INVALID_BASE64: &str = "*not base64*";

/// A record as the event's JSON has it. Encoded once, it can be measured, kept and moved into an
/// event without being encoded again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedRecord {
    topic: String,
    partition: i32,
    offset: i64,
    json: String,
}

impl EncodedRecord {
    /// Encodes a record. A [`Payload::Invalid`] is written as text that is no base64 (its reason
    /// is not kept), so that tests can build events with such records.
    pub fn new(topic: &str, partition: i32, record: &Record) -> Self {
        let fields = RecordFields {
            topic,
            partition,
            offset: record.offset,
            timestamp: record.timestamp_ms,
            timestamp_type: record.timestamp_type.as_deref(),
            key: base64_text(&record.key),
            value: base64_text(&record.value),
            headers: record.headers.iter().map(|(name, bytes)| HeaderField { name, bytes }).collect(),
        };
        // Only a map key that is no string or a failing writer could fail: there is neither.
        let json = serde_json::to_string(&fields).unwrap_or_default();
        Self { topic: topic.to_owned(), partition, offset: record.offset, json }
    }

    /// Name of the record's topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Number of the record's partition.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// The record's offset.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// Length of the record's JSON in bytes (not counting the comma before it).
    pub fn len_bytes(&self) -> usize {
        self.json.len()
    }
}

/// Builds the event of one invocation, exactly as the event source mapping sends it: groups
/// `topic-partition` in order, values in base64, header bytes signed.
#[derive(Debug, Clone)]
pub struct EventBuilder {
    head: String,
    /// The records of each group, as JSON joined by commas.
    groups: BTreeMap<(String, i32), String>,
    len_bytes: usize,
}

impl EventBuilder {
    /// An event of an Amazon MSK cluster, named by its ARN. `bootstrap_servers` is a list of
    /// `host:port` separated by commas.
    pub fn msk(arn: &str, bootstrap_servers: &str) -> Self {
        Self::new(&EventFields { event_source: "aws:kafka", event_source_arn: Some(arn), bootstrap_servers })
    }

    /// An event of a self-managed cluster, which has no ARN.
    pub fn self_managed(bootstrap_servers: &str) -> Self {
        Self::new(&EventFields { event_source: "SelfManagedKafka", event_source_arn: None, bootstrap_servers })
    }

    fn new(fields: &EventFields<'_>) -> Self {
        // As above: nothing in these fields can fail to serialise.
        let mut head = serde_json::to_string(fields).unwrap_or_default();
        head.pop();
        head.push_str(",\"records\":{");
        let len_bytes = head.len() + "}}".len();
        Self { head, groups: BTreeMap::new(), len_bytes }
    }

    /// Adds a record to its partition's group, after those already there.
    pub fn push(&mut self, topic: &str, partition: i32, record: Record) {
        self.push_encoded(EncodedRecord::new(topic, partition, &record));
    }

    /// Adds a record encoded earlier.
    pub fn push_encoded(&mut self, record: EncodedRecord) {
        self.len_bytes = self.len_bytes_with(&record);
        let records = self.groups.entry((record.topic, record.partition)).or_default();
        if records.is_empty() {
            *records = record.json;
        } else {
            records.push(',');
            records.push_str(&record.json);
        }
    }

    /// Length of the event in bytes: exactly that of the text which [`EventBuilder::build`] gives.
    pub fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// What [`EventBuilder::len_bytes`] would be with one more record.
    pub fn len_bytes_with(&self, record: &EncodedRecord) -> usize {
        // The key is built only for its length; a batch has at most some thousand records.
        let key = (record.topic.clone(), record.partition);
        let group = if self.groups.contains_key(&key) {
            ",".len()
        } else {
            let separator = if self.groups.is_empty() { 0 } else { ",".len() };
            separator + group_name(&record.topic, record.partition).len() + ":[]".len()
        };
        self.len_bytes + group + record.len_bytes()
    }

    /// Whether no record was added.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The event as JSON text.
    pub fn build(self) -> String {
        let mut event = String::with_capacity(self.len_bytes);
        event.push_str(&self.head);
        for (index, ((topic, partition), records)) in self.groups.iter().enumerate() {
            if index > 0 {
                event.push(',');
            }
            event.push_str(&group_name(topic, *partition));
            event.push_str(":[");
            event.push_str(records);
            event.push(']');
        }
        event.push_str("}}");
        event
    }
}

/// The group's name as JSON text, with its quotes.
fn group_name(topic: &str, partition: i32) -> String {
    let mut name = topic.to_owned();
    // Writing to a `String` can't fail.
    let _ = write!(name, "-{partition}");
    serde_json::Value::String(name).to_string()
}

fn base64_text(payload: &Payload) -> Option<String> {
    match payload {
        Payload::Null => None,
        Payload::Bytes(bytes) => Some(STANDARD.encode(bytes)),
        Payload::Invalid { .. } => Some(INVALID_BASE64.to_owned()),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventFields<'a> {
    event_source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_source_arn: Option<&'a str>,
    bootstrap_servers: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecordFields<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp_type: Option<&'a str>,
    key: Option<String>,
    value: Option<String>,
    headers: Vec<HeaderField<'a>>,
}

/// `{"name": [byte, ...]}`: one object a header, so that repeated names stay apart.
struct HeaderField<'a> {
    name: &'a str,
    bytes: &'a [u8],
}

impl Serialize for HeaderField<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let signed: Vec<i8> = self.bytes.iter().map(|byte| byte.cast_signed()).collect();
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.name, &signed)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(offset: i64) -> Record {
        Record {
            offset,
            timestamp_ms: 1_595_035_749_701,
            timestamp_type: Some("CREATE_TIME".to_owned()),
            key: Payload::Null,
            value: Payload::Bytes(b"Hi".as_slice().into()),
            headers: vec![("h".to_owned(), vec![1, 255])],
        }
    }

    #[test]
    fn the_event_has_the_very_form_of_the_mapping() {
        let mut builder = EventBuilder::msk("arn:aws:kafka:x", "b-1:9092,b-2:9092");
        builder.push("orders", 0, record(15));
        assert_eq!(
            builder.build(),
            concat!(
                r#"{"eventSource":"aws:kafka","eventSourceArn":"arn:aws:kafka:x","#,
                r#""bootstrapServers":"b-1:9092,b-2:9092","records":{"orders-0":[{"#,
                r#""topic":"orders","partition":0,"offset":15,"timestamp":1595035749701,"#,
                r#""timestampType":"CREATE_TIME","key":null,"value":"SGk=","#,
                r#""headers":[{"h":[1,-1]}]}]}}"#
            )
        );
    }

    #[test]
    fn a_self_managed_event_has_no_arn() {
        let event = EventBuilder::self_managed("b:1").build();
        assert_eq!(event, r#"{"eventSource":"SelfManagedKafka","bootstrapServers":"b:1","records":{}}"#);
    }

    #[test]
    fn the_announced_length_is_that_of_the_event_at_every_step() {
        let mut builder = EventBuilder::self_managed("b:1");
        assert!(builder.is_empty());
        for (topic, partition) in [("a", 0), ("a", 0), ("a", 1), ("q\"\u{1}é", 12), ("a", 0)] {
            let encoded = EncodedRecord::new(topic, partition, &record(3));
            let announced = builder.len_bytes_with(&encoded);
            builder.push_encoded(encoded);
            assert_eq!(builder.len_bytes(), announced);
            assert_eq!(builder.clone().build().len(), announced);
        }
    }
}
