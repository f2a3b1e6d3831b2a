//! INV-8: bad input gets a clear answer that names its place, never a panic, and takes no good record with it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on has failed")]

use std::collections::HashMap;

use iceberg::spec::Schema;
use serde_json::{Value, json};
use tributary_ingest::{IngestError, RejectedRecord};
use tributary_kafka::{EventBuilder, Payload, Record, Source, SourcePartition};
use tributary_table::{CHECKPOINT_PROPERTY, PartitionProgress};
use tributary_testkit::read_both;
use tributary_tests::{ARN, Batch, LocalLake, NOW_MS, definition, deliver, events_schema, far, id, ids, row, schema};

/// A record that can't be a row, and what its rejection says.
struct Bad {
    value: Payload,
    column: Option<&'static str>,
    reason: &'static str,
}

fn bad(value: impl Into<Vec<u8>>, column: Option<&'static str>, reason: &'static str) -> Bad {
    Bad { value: Payload::Bytes(value.into().into()), column, reason }
}

fn columns() -> Schema {
    schema(&[
        (1, "id", true, json!("long")),
        (2, "kind", false, json!("string")),
        (3, "amount", false, json!("decimal(12, 2)")),
        (4, "small", false, json!("int")),
        (5, "flag", false, json!("boolean")),
        (6, "day", false, json!("date")),
        (7, "tags", false, json!({"type": "list", "element-id": 9, "element": "string", "element-required": false})),
    ])
}

fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

fn bad_records() -> Vec<Bad> {
    let mut all = vec![
        bad("not json", None, "expected JSON"),
        bad("", None, "expected JSON, found EOF"),
        bad(r#"{"id": 1, "kind": "ord"#, Some("kind"), "found EOF while parsing a string"),
        bad(r#"{"id": 1}{"id": 2}"#, None, "trailing characters"),
        bad(b"{\"id\": 1, \"kind\": \"\xff\xfe\"}".as_slice(), None, "expected UTF-8, found byte 0xff at position 19"),
        bad(b"\xef\xbb\xbf{\"id\": 1}".as_slice(), None, "expected JSON"),
        bad(r#"[{"id": 1}]"#, None, "expected one JSON object, found an array"),
        bad("null", None, "expected one JSON object, found null"),
        bad("1", None, "expected one JSON object, found number 1"),
        bad(r#""id""#, None, "expected one JSON object, found string"),
        bad(r#"{"kind": "order"}"#, Some("id"), "(the column is required), found no such field"),
        bad(r#"{"id": null}"#, Some("id"), "(the column is required), found null"),
        bad(r#"{"id": "1"}"#, Some("id"), "expected long, found string \"1\""),
        bad(r#"{"id": 1.0}"#, Some("id"), "expected long, found number 1.0"),
        bad(r#"{"id": 9223372036854775808}"#, Some("id"), "found number 9223372036854775808"),
        bad(r#"{"id": 1, "small": 2147483648}"#, Some("small"), "expected int, found number 2147483648"),
        bad(r#"{"id": 1, "amount": "12.345"}"#, Some("amount"), "no digits but zeros past the scale"),
        bad(r#"{"id": 1, "amount": 1e30}"#, Some("amount"), "no more digits before the point"),
        bad(r#"{"id": 1, "flag": "yes"}"#, Some("flag"), "expected boolean, found string \"yes\""),
        bad(r#"{"id": 1, "day": "2023-02-29"}"#, Some("day"), "a day that exists"),
        bad(r#"{"id": 1, "kind": {"a": 1}}"#, Some("kind"), "expected string, found an object"),
        bad(r#"{"id": 1, "tags": ["a", 2]}"#, Some("tags[1]"), "expected string, found number 2"),
        bad(r#"{"id": 1, "id": 1}"#, Some("id"), "expected each field once"),
        bad(r#"{"id": 1, "kind": "\ud83d"}"#, Some("kind"), "an escape that is no character"),
        bad(format!(r#"{{"id": "{}"}}"#, "x".repeat(5_000_000)), Some("id"), "expected long, found string \"xxx"),
        Bad { value: Payload::Null, column: None, reason: "found a null value (a tombstone)" },
        Bad { value: Payload::Invalid { reason: String::new() }, column: None, reason: "value: expected base64" },
    ];
    for levels in [200, 100_000] {
        all.push(bad(
            format!(r#"{{"id": 1, "tags": {}}}"#, nested(levels)),
            Some("tags[0]"),
            "expected string, found an array",
        ));
        all.push(bad(format!(r#"{{"id": 1, "ignored": {}}}"#, nested(levels)), None, "at most 127 levels"));
    }
    all
}

/// An event in which each bad record stands at offset 2 of a partition of its own, good ones before and after, and a partition
/// without any.
fn event_with(bad_records: &[Bad]) -> (String, i32) {
    let mut builder = EventBuilder::msk(ARN, "b-1.test.example:9098");
    let mut push = |partition: i32, offset: i64, value: Payload| {
        let timestamp_ms = NOW_MS + offset;
        builder.push(
            "events",
            partition,
            Record { offset, timestamp_ms, timestamp_type: None, key: Payload::Null, value, headers: Vec::new() },
        );
    };
    let good = |partition, offset| Payload::Bytes(row(partition, offset).to_string().into_bytes().into());
    let healthy = i32::try_from(bad_records.len()).unwrap();
    for partition in 0..=healthy {
        for offset in 0..4 {
            let poison = bad_records.get(usize::try_from(partition).unwrap()).filter(|_| offset == 2);
            push(partition, offset, poison.map_or_else(|| good(partition, offset), |bad| bad.value.clone()));
        }
    }
    (builder.build(), healthy)
}

fn rejected(error: IngestError) -> Vec<RejectedRecord> {
    assert_eq!(error.kind(), "Reject", "{error}");
    assert!(error.to_string().contains("tributary table set-checkpoint --next-offset"), "{error}");
    assert!(error.to_string().len() < 5_000, "a message of {} bytes", error.to_string().len());
    let IngestError::Rejected { records, .. } = error else { panic!("{error}") };
    records
}

/// Tells the table that offset 2 is dealt with, as the error's remedy says.
async fn skip_offset_2(lake: &LocalLake, partitions: i32) {
    for partition in 0..partitions {
        let source = Source { cluster: ARN.to_owned(), topic: "events".to_owned() };
        let after = PartitionProgress { next_offset: 3, timestamp_ms_max: NOW_MS + 2 };
        lake.table().set_checkpoint(&SourcePartition { source, partition }, Some(after), false, far()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_record_halts_its_partition_alone_and_skipped_the_rest_arrives_once() {
    let lake = LocalLake::new();
    lake.table().create(definition(columns())).await.unwrap();
    let context = lake.context();
    let bad_records = bad_records();
    let (event, healthy) = event_with(&bad_records);
    let before =
        |partition: i32| (0..if partition == healthy { 4 } else { 2 }).map(move |offset| id(partition, offset));
    let expected: Vec<i64> = (0..=healthy).flat_map(before).collect();
    // The second time nothing is new, and the answer is the same.
    for _ in 0..2 {
        let records = rejected(deliver(&event, &context).await.unwrap_err());
        assert_eq!(records.len(), bad_records.len());
        for (partition, (record, bad)) in (0..).zip(records.iter().zip(&bad_records)) {
            let text = record.to_string();
            let place = format!("offset 2 of partition {partition} of `events`");
            assert!(
                text.starts_with(&place) && text.contains(bad.reason),
                "expected {place}: {}, found {text}",
                bad.reason
            );
            assert_eq!(record.column.as_deref(), bad.column, "{text}");
        }
        assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), expected);
    }
    skip_offset_2(&lake, healthy).await;
    let report = deliver(&event, &context).await.unwrap();
    assert_eq!((report.rows_committed, report.rows_rejected), (u64::from(healthy.unsigned_abs()), 0));
    let mut expected: Vec<i64> = expected.into_iter().chain((0..healthy).map(|partition| id(partition, 3))).collect();
    expected.sort_unstable();
    for _ in 0..2 {
        assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), expected);
        assert_eq!(deliver(&event, &lake.context()).await.unwrap().rows_committed, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_fields_are_counted_and_deep_ones_within_the_limit_are_passed_over() {
    let lake = LocalLake::new();
    lake.table().create(definition(columns())).await.unwrap();
    // 127 levels, the record's own included.
    let deep = format!(r#"{{"id": 1, "deep": {}, "Kind": "other case", "deep": [1e999]}}"#, nested(126));
    let report = deliver(&Batch::new().bytes(0, 0, deep.as_bytes()).event(), &lake.context()).await.unwrap();
    assert_eq!((report.rows_committed, report.fields_ignored), (1, 3));
    assert_eq!(read_both(&lake.at()).unwrap().rows[0]["kind"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_none_of_whose_fields_is_a_column_is_no_row_of_nulls() {
    let lake = LocalLake::new();
    lake.table().create(definition(schema(&[(1, "kind", false, json!("string"))]))).await.unwrap();
    let event = Batch::new()
        .json(0, 0, &json!({"kind": "a"}))
        .json(0, 1, &json!({"user": 1, "session": {"kind": "b"}}))
        .event();
    let records = rejected(deliver(&event, &lake.context()).await.unwrap_err());
    assert_eq!((records.len(), records[0].offset), (1, 1));
    assert_eq!(read_both(&lake.at()).unwrap().rows, [json!({"kind": "a"})]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_records_does_nothing() {
    let lake = LocalLake::new();
    lake.table().create(definition(events_schema())).await.unwrap();
    let context = lake.context();
    for event in [
        "{}",
        r#"{"records": {}}"#,
        r#"{"records": null}"#,
        r#"{"eventSource": "aws:kafka", "records": {"events-0": [], "events-1": null}}"#,
        r#"{"eventSource": "SelfManagedKafka", "bootstrapServers": "a:9092", "records": {}}"#,
    ] {
        let report = deliver(event, &context).await.unwrap();
        assert_eq!((report.rows_in, report.snapshot_id), (0, None), "{event}");
    }
    assert_eq!(read_both(&lake.at()).unwrap().rows.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_kafka_event_is_refused_whole() {
    let lake = LocalLake::new();
    lake.table().create(definition(events_schema())).await.unwrap();
    let context = lake.context();
    let good = r#""topic": "events", "partition": 0, "offset": 0, "value": "eyJpZCI6MX0=""#;
    let deep = nested(100_000);
    for (event, words) in [
        ("", "the payload is no Kafka event"),
        ("{", "the payload is no Kafka event"),
        ("[]", "the payload is no Kafka event"),
        ("\"records\"", "the payload is no Kafka event"),
        (&deep, "the payload is no Kafka event"),
        (r#"{"records": 5}"#, "the payload is no Kafka event"),
        (r#"{"eventSource": "aws:kinesis", "records": {}}"#, "found `aws:kinesis`"),
        (r#"{"Records": [{"eventSource": "aws:sqs", "body": "{}"}]}"#, "another service"),
        (&format!(r#"{{"records": {{"events-0": [{{{good}}}]}}}}"#), "expected `eventSourceArn` or `bootstrapServers`"),
        (
            &format!(
                r#"{{"eventSourceArn": "a", "records": {{"events-0": [{{{good}}}, {{"topic": "events", "partition": 0}}]}}}}"#
            ),
            "record 1 of `records.events-0`: expected an `offset` of 0 or greater, found none",
        ),
        (
            &format!(
                r#"{{"eventSourceArn": "a", "records": {{"events-0": [{{{good}}}, {{"topic": "events", "partition": -1, "offset": 1}}]}}}}"#
            ),
            "record 1 of `records.events-0`: expected a `partition`",
        ),
    ] {
        let error = deliver(event, &context).await.unwrap_err();
        assert_eq!(error.kind(), "Halt", "{error}");
        assert!(error.to_string().contains(words), "expected {words}, found {error}");
    }
    assert_eq!(read_both(&lake.at()).unwrap().rows.len(), 0, "nothing of a refused event may be taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_not_there_is_named() {
    let lake = LocalLake::new();
    let error = deliver(&Batch::new().rows(0, 0..2).event(), &lake.context()).await.unwrap_err();
    assert_eq!(error.kind(), "Halt");
    assert!(
        error.to_string().contains("`test.events`") && error.to_string().contains("create the table first"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_that_is_missing_or_garbage_is_named_and_once_mended_nothing_is_lost() {
    let lake = LocalLake::new();
    lake.table().create(definition(events_schema())).await.unwrap();
    let state = lake.table().refresh().await.unwrap();
    let path = state.metadata_location().strip_prefix("file://").unwrap();
    let intact = std::fs::read(path).unwrap();
    let event = Batch::new().rows(0, 0..2).event();
    for garbage in [None, Some("".as_bytes()), Some(b"{}"), Some(b"\x00\xff"), Some(&intact[..intact.len() / 2])] {
        match garbage {
            None => std::fs::remove_file(path).unwrap(),
            Some(bytes) => std::fs::write(path, bytes).unwrap(),
        }
        let error = deliver(&event, &lake.context()).await.unwrap_err();
        assert_eq!(error.kind(), if garbage.is_none() { "Retry" } else { "Halt" }, "{error}");
        assert!(error.to_string().contains("the metadata file for table `test.events`"), "{error}");
    }
    std::fs::write(path, &intact).unwrap();
    assert_eq!(deliver(&event, &lake.context()).await.unwrap().rows_committed, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_is_garbage_halts_before_anything_is_written() {
    let lake = LocalLake::new();
    lake.table().create(definition(events_schema())).await.unwrap();
    let context = lake.context();
    deliver(&Batch::new().rows(0, 0..2).event(), &context).await.unwrap();
    let good = lake.table().refresh().await.unwrap().metadata().properties()[CHECKPOINT_PROPERTY].clone();
    for garbage in ["", "null", "{}", "garbage", r#"{"version": 99, "sources": {}}"#] {
        set_property(&lake, garbage);
        for context in [&context, &lake.context()] {
            let error = deliver(&Batch::new().rows(0, 0..4).event(), context).await.unwrap_err();
            assert_eq!(error.kind(), "Halt", "{garbage}: {error}");
            for words in ["table `test.events`", "set table property `tributary.checkpoint` back"] {
                assert!(error.to_string().contains(words), "{garbage}: {error}");
            }
        }
    }
    set_property(&lake, &good);
    assert_eq!(deliver(&Batch::new().rows(0, 0..4).event(), &context).await.unwrap().rows_committed, 2);
    assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), [0, 1, 2, 3]);
}

/// Sets the checkpoint property as any engine can: not by our own code, which would refuse to read it.
fn set_property(lake: &LocalLake, checkpoint: &str) {
    tributary_tests::evolve_with_pyiceberg(lake, &json!({"properties": {CHECKPOINT_PROPERTY: checkpoint}}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_no_json_can_fill_is_named_before_anything_is_decoded() {
    let map = |key: &str| json!({"type": "map", "key-id": 10, "key": key, "value-id": 11, "value": "int", "value-required": false});
    let hollow = json!({"type": "struct", "fields": []});
    for (column, words) in
        [(map("double"), "column `v.key`"), (json!("fixed[2000000]"), "column `v`"), (hollow, "column `v`")]
    {
        let lake = LocalLake::new();
        lake.table()
            .create(definition(schema(&[(1, "id", true, json!("long")), (2, "v", false, column)])))
            .await
            .unwrap();
        let error = deliver(&Batch::new().rows(0, 0..2).event(), &lake.context()).await.unwrap_err();
        assert_eq!(error.kind(), "Halt");
        assert!(error.to_string().contains("table `test.events`") && error.to_string().contains(words), "{error}");
        // Once the column is gone, everything arrives.
        lake.table().drop_column("v", far()).await.unwrap();
        assert_eq!(deliver(&Batch::new().rows(0, 0..2).event(), &lake.context()).await.unwrap().rows_committed, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_property_that_cannot_be_read_is_named() {
    for (property, value) in [
        ("write.parquet.compression-codec", "brotli?"),
        ("write.metadata.metrics.default", "most"),
        ("write.metadata.metrics.column.kind", "truncate(0)"),
        ("write.parquet.page-size-bytes", "one"),
    ] {
        let lake = LocalLake::new();
        let properties = HashMap::from([(property.to_owned(), value.to_owned())]);
        let definition = tributary_table::TableDefinition { properties, ..definition(events_schema()) };
        lake.table().create(definition).await.unwrap();
        let error = deliver(&Batch::new().rows(0, 0..2).event(), &lake.context()).await.unwrap_err();
        assert_eq!(error.kind(), "Halt");
        for words in ["`test.events`", property, value] {
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
