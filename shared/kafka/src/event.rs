//! The event as Lambda's Kafka event source mapping sends it.
//!
//! These are types of our own, although `aws_lambda_events` has some, since version 1.2.1 of the
//! latter (1) refuses the whole event if one record lacks `headers` or `timestamp`, has Kafka's "no
//! timestamp", -1, or a header byte of 128 or more; (2) goes through a float and so drops a
//! millisecond of about every second timestamp (1595035749701 is read as ...700); (3) panics on a
//! fractional one; (4) keeps the last of two equal keys of `records`, so that records of a
//! hand-made event would be lost. This reader also decodes base64 in place, without a string for
//! each key and value.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::{EventError, Payload};

/// The timestamp of a record that has none: Kafka's own `NO_TIMESTAMP`.
pub const TIMESTAMP_MS_UNKNOWN: i64 = -1;

/// One invocation's event, of Amazon MSK (`aws:kafka`) or a self-managed cluster
/// (`SelfManagedKafka`). Unknown fields are passed over; the form is that of the AWS Lambda
/// Developer Guide, "Using Lambda with Amazon MSK" and "... with self-managed Apache Kafka".
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KafkaEvent {
    /// `aws:kafka` or `SelfManagedKafka`.
    pub event_source: Option<String>,
    /// ARN of the MSK cluster; a self-managed cluster has none.
    pub event_source_arn: Option<String>,
    /// `host:port` of the brokers, separated by commas.
    pub bootstrap_servers: Option<String>,
    /// The records, grouped as in the event. Groups of equal name are all kept.
    #[serde(default, deserialize_with = "groups")]
    pub records: Vec<RecordGroup>,
    /// Whether there are `Records` with a capital, as SQS, SNS, S3 and Kinesis send them and Kafka never does.
    #[serde(default, rename = "Records", deserialize_with = "present")]
    pub has_foreign_records: bool,
}

/// True for a field that is there, whatever it holds.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

impl KafkaEvent {
    /// Reads an event from JSON.
    ///
    /// # Errors
    /// [`EventError::Malformed`] if the bytes are no JSON or no Kafka event.
    pub fn from_json(json: &[u8]) -> Result<Self, EventError> {
        serde_json::from_slice(json).map_err(|source| EventError::Malformed { source })
    }
}

/// The records under one key of `records`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordGroup {
    /// The key: `topic-partition`. It only serves messages; each record names its own place.
    pub name: String,
    /// The records, in the event's order.
    pub records: Vec<EventRecord>,
}

/// One record as the event has it. Fields are optional here so that a missing one can be reported
/// with the record's place, by [`crate::records_by_partition`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventRecord {
    /// Name of the topic.
    pub topic: Option<String>,
    /// Number of the partition.
    pub partition: Option<i64>,
    /// Offset in the partition.
    pub offset: Option<i64>,
    /// Milliseconds since 1970-01-01 UTC: a number or its digits as text. None if missing or null.
    #[serde(default, deserialize_with = "milliseconds")]
    pub timestamp: Option<i64>,
    /// `CREATE_TIME` or `LOG_APPEND_TIME`.
    pub timestamp_type: Option<String>,
    /// The key.
    #[serde(default)]
    pub key: Payload,
    /// The value.
    #[serde(default)]
    pub value: Payload,
    /// Names and bytes in their order, repeated names kept. A null value is read as empty.
    #[serde(default, deserialize_with = "headers")]
    pub headers: Vec<(String, Vec<u8>)>,
}

/// A JSON object as its entries in order, repeated keys kept; `null` is an empty one.
struct Entries<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for Entries<V> {
    type Value = Vec<(String, V)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or null")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(entries)
    }
}

fn groups<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RecordGroup>, D::Error> {
    let entries = deserializer.deserialize_any(Entries::<Option<Vec<EventRecord>>>(PhantomData))?;
    let group = |(name, records): (String, Option<_>)| RecordGroup { name, records: records.unwrap_or_default() };
    Ok(entries.into_iter().map(group).collect())
}

fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, Vec<u8>)>, D::Error> {
    let objects: Option<Vec<HeaderObject>> = Option::deserialize(deserializer)?;
    Ok(objects.unwrap_or_default().into_iter().flat_map(|object| object.0).collect())
}

/// One element of `headers`: `{"name": [byte, ...]}`.
struct HeaderObject(Vec<(String, Vec<u8>)>);

impl<'de> Deserialize<'de> for HeaderObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = deserializer.deserialize_any(Entries::<Option<HeaderBytes>>(PhantomData))?;
        let header =
            |(name, bytes): (String, Option<HeaderBytes>)| (name, bytes.map(|bytes| bytes.0).unwrap_or_default());
        Ok(Self(entries.into_iter().map(header).collect()))
    }
}

/// A header's bytes: numbers, signed as AWS sends them (Java's byte) or unsigned as people write.
struct HeaderBytes(Vec<u8>);

impl<'de> Deserialize<'de> for HeaderBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(HeaderBytesVisitor).map(Self)
    }
}

struct HeaderBytesVisitor;

impl<'de> Visitor<'de> for HeaderBytesVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of bytes, each from -128 to 255")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<u8>, A::Error> {
        let mut bytes = Vec::with_capacity(items.size_hint().unwrap_or(0));
        while let Some(number) = items.next_element::<i64>()? {
            bytes.push(byte(number).ok_or_else(|| {
                A::Error::custom(format_args!("header: expected a byte from -128 to 255, found {number}"))
            })?);
        }
        Ok(bytes)
    }
}

fn byte(number: i64) -> Option<u8> {
    let signed = i8::try_from(number).map(i8::cast_unsigned);
    signed.or_else(|_| u8::try_from(number)).ok()
}

fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a timestamp in whole milliseconds, found another value")]
    enum Milliseconds {
        Number(i64),
        Text(String),
    }
    match Option::deserialize(deserializer)? {
        None => Ok(None),
        Some(Milliseconds::Number(number)) => Ok(Some(number)),
        // `aws_lambda_events` writes timestamps as text when it serialises an event.
        Some(Milliseconds::Text(text)) => text
            .parse()
            .map(Some)
            .map_err(|_| D::Error::custom(format_args!("timestamp: expected whole milliseconds, found `{text}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(fields: &str) -> EventRecord {
        serde_json::from_str(fields).unwrap()
    }

    #[test]
    fn a_record_with_the_least_fields_is_read() {
        let read = record(r#"{"topic":"t","partition":0,"offset":1}"#);
        assert_eq!(read.timestamp, None);
        assert_eq!((read.key, read.value), (Payload::Null, Payload::Null));
        assert!(read.headers.is_empty());
    }

    #[test]
    fn nulls_are_read_as_absent() {
        let read = record(
            r#"{"topic":null,"partition":null,"offset":null,"timestamp":null,
                "timestampType":null,"key":null,"value":null,"headers":null}"#,
        );
        assert_eq!(read, EventRecord::default());
    }

    #[test]
    fn every_millisecond_of_a_timestamp_is_kept() {
        for ms in (1_595_035_749_700..1_595_035_750_700).chain([-1, 0, -1500]) {
            assert_eq!(record(&format!(r#"{{"timestamp":{ms}}}"#)).timestamp, Some(ms));
            assert_eq!(record(&format!(r#"{{"timestamp":"{ms}"}}"#)).timestamp, Some(ms));
        }
    }

    #[test]
    fn a_timestamp_that_is_no_whole_number_is_refused_without_panic() {
        for value in ["1.5", "\"noon\"", "[]", "true", "1e400", "99999999999999999999"] {
            let json = format!(r#"{{"timestamp":{value}}}"#);
            assert!(serde_json::from_str::<EventRecord>(&json).is_err(), "{value}");
        }
    }

    #[test]
    fn header_bytes_may_be_signed_or_unsigned() {
        let read = record(r#"{"headers":[{"a":[-128,-1,0,127,128,255]}]}"#);
        assert_eq!(read.headers, [("a".to_owned(), vec![128, 255, 0, 127, 128, 255])]);
    }

    #[test]
    fn repeated_header_names_keep_their_order_however_they_are_grouped() {
        let read = record(r#"{"headers":[{"a":[1]},{"b":null,"a":[2]},{},{"a":[]}]}"#);
        let expected = [("a", vec![1]), ("b", vec![]), ("a", vec![2]), ("a", vec![])];
        assert_eq!(read.headers, expected.map(|(name, bytes)| (name.to_owned(), bytes)));
    }

    #[test]
    fn a_header_byte_out_of_range_is_named() {
        let json = r#"{"headers":[{"a":[256]}]}"#;
        let error = serde_json::from_str::<EventRecord>(json).unwrap_err();
        assert!(error.to_string().contains("found 256"), "{error}");
    }

    #[test]
    fn groups_of_equal_name_are_all_kept() {
        let event =
            KafkaEvent::from_json(br#"{"records":{"t-0":[{"offset":1}],"t-0":[{"offset":2}],"t-1":null},"more":{}}"#)
                .unwrap();
        let sizes: Vec<_> = event.records.iter().map(|group| group.records.len()).collect();
        assert_eq!(sizes, [1, 1, 0]);
    }

    #[test]
    fn what_is_no_event_is_refused_with_the_remedy() {
        for json in ["", "[]x", "{\"records\":[1]}", "{\"records\":{\"t-0\":{}}}", "7"] {
            let error = KafkaEvent::from_json(json.as_bytes()).unwrap_err();
            assert!(error.to_string().contains("event source mapping"), "{json}: {error}");
        }
    }
}
