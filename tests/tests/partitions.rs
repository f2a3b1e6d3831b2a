//! Partitioned tables: every row is in the file whose partition value its own value has, so that no pruning loses it.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tributary_testkit::{read_both, read_where};
use tributary_tests::{Batch, LocalLake, deliver, hold_partitions as hold, partitioned, schema, transform_cases};

#[tokio::test(flavor = "multi_thread")]
async fn identity_partitions_of_text_hold_whatever_a_path_could_not() {
    hold(&transform_cases::identity_of_text()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_partitions_of_numbers_hold_negative_and_extreme_ones() {
    hold(&transform_cases::identity_of_numbers()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_partitions_of_times_and_bytes_hold_times_before_1970() {
    hold(&transform_cases::identity_of_times_and_bytes()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_are_those_of_the_spec_for_every_type_that_has_them() {
    hold(&transform_cases::buckets()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn truncation_rounds_towards_the_past_and_cuts_between_characters() {
    hold(&transform_cases::truncation()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn years_months_days_and_hours_before_1970_are_negative() {
    hold(&transform_cases::times()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_by_uuids_themselves_is_refused_in_words_that_help() {
    let lake = LocalLake::new();
    let columns = schema(&[(1, "id", true, json!("long")), (2, "v", false, json!("uuid"))]);
    lake.table().create(partitioned(columns, &[(2, "v_part", "identity")])).await.unwrap();
    let event = Batch::new().json(0, 0, &json!({"id": 1, "v": "f79c3e09-677c-4bbd-a479-3f349cb785e7"})).event();
    let error = deliver(&event, &lake.context()).await.unwrap_err();
    assert_eq!(error.kind(), "Halt");
    for word in ["table `test.events`", "partition field `v_part`", "`identity` of a uuid", "`bucket`"] {
        assert!(error.to_string().contains(word), "{error}");
    }
    assert!(lake.files().iter().all(|file| file.ends_with(".metadata.json")), "{:?}", lake.files());
}

#[tokio::test(flavor = "multi_thread")]
async fn several_fields_and_a_nested_source_partition_together() {
    let lake = LocalLake::new();
    let address = json!({"type": "struct", "fields": [
        {"id": 5, "name": "city", "required": false, "type": "string"},
        {"id": 6, "name": "since", "required": false, "type": "date"},
    ]});
    let columns = schema(&[
        (1, "id", true, json!("long")),
        (2, "seen", false, json!("timestamptz")),
        (3, "kind", false, json!("string")),
        (4, "address", false, address),
    ]);
    let fields = [
        (3, "kind", "identity"),
        (2, "seen_day", "day"),
        (1, "id_bucket", "bucket[2]"),
        (5, "city", "identity"),
        (6, "since_year", "year"),
    ];
    lake.table().create(partitioned(columns, &fields)).await.unwrap();
    let rows: Vec<Value> = (0..24)
        .map(|id| {
            let city = ["Köln", "New York"].get(id % 3);
            let address = if id % 5 == 0 { Value::Null } else { json!({"city": city, "since": "1969-12-31"}) };
            json!({"id": id, "seen": format!("1969-12-{:02}T23:59:59.999999Z", 30 + id % 2), "kind": if id % 2 == 0 { "a/b" } else { "c" }, "address": address})
        })
        .collect();
    let batch = (0..).zip(&rows).fold(Batch::new(), |batch, (offset, row)| batch.json(0, offset, row));
    deliver(&batch.event(), &lake.context()).await.unwrap();

    assert_eq!(read_both(&lake.at()).unwrap().rows, rows);
    for (filter, kept) in [
        ("kind = 'a/b' AND seen < '1969-12-31T00:00:00+00:00'", 12),
        ("kind = 'c'", 12),
        ("id = 7", 1),
        ("kind = 'c' AND id = 8", 0),
    ] {
        assert_eq!(read_where(&lake.at(), filter).unwrap().rows.len(), kept, "{filter}");
    }
    let files = lake.partitions().remove("events").unwrap();
    assert!(files.iter().all(|file| file.computed == [file.claimed.clone()]), "{files:?}");
    let cities: BTreeSet<String> = files.iter().map(|file| file.claimed["city"].to_string()).collect();
    assert_eq!(cities, ["\"Köln\"", "\"New York\"", "null"].map(str::to_owned).into());
}
