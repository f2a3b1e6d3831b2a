//! Every sample event of the repository through the very handler that Lambda runs, in one table, and what it holds after each.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::collections::BTreeSet;

use lambda_runtime::{Diagnostic, LambdaEvent};
use tributary_function::EventJson;
use tributary_ingest::{Context, Report, handle};
use tributary_testkit::{read_both, repo_root};
use tributary_tests::{LocalLake, definition, events_schema, ids};

/// What a sample leads to, on the table that those before it left.
struct Expected {
    sample: &'static str,
    /// Ids it adds.
    ids: &'static [i64],
    /// Records that the table holds already.
    redelivered: u64,
    /// For each record it fails with, its place and words of the reason.
    rejected: &'static [(&'static str, &'static str)],
}

/// In this order: `redelivered` and `overlapping` repeat offsets that `one-row` and `many-partitions` committed.
const SAMPLES: &[Expected] = &[
    Expected { sample: "empty", ids: &[], redelivered: 0, rejected: &[] },
    Expected { sample: "one-row", ids: &[1], redelivered: 0, rejected: &[] },
    Expected { sample: "redelivered", ids: &[], redelivered: 1, rejected: &[] },
    Expected {
        sample: "many-partitions",
        ids: &[101, 102, 110, 111, 112, 120, 121, 122, 130, 131, 132, 200, 201],
        redelivered: 0,
        rejected: &[],
    },
    Expected { sample: "overlapping", ids: &[303, 304], redelivered: 2, rejected: &[] },
    Expected { sample: "missing-and-extra-fields", ids: &[600, 601, 602], redelivered: 0, rejected: &[] },
    Expected {
        sample: "missing-required-field",
        ids: &[],
        redelivered: 0,
        rejected: &[(
            "offset 0 of partition 0 of `incomplete`",
            "column `id`: expected long (the column is required), found no such field",
        )],
    },
    Expected {
        sample: "null-value",
        ids: &[700],
        redelivered: 0,
        rejected: &[("offset 5 of partition 0 of `compacted`", "found a null value (a tombstone)")],
    },
    Expected {
        sample: "poison",
        ids: &[500, 510, 511],
        redelivered: 0,
        rejected: &[("offset 1 of partition 0 of `poison`", "column `amount`: expected decimal(12,2)")],
    },
    Expected {
        sample: "not-json",
        ids: &[804],
        redelivered: 0,
        rejected: &[
            ("offset 0 of partition 0 of `garbage`", "expected JSON"),
            ("offset 0 of partition 1 of `garbage`", "expected JSON, found EOF while parsing a string"),
            ("offset 0 of partition 2 of `garbage`", "expected UTF-8, found byte 0xff"),
            ("offset 0 of partition 3 of `garbage`", "expected one JSON object, found an array"),
        ],
    },
    Expected { sample: "self-managed", ids: &[407, 408, 411, 417, 418, 421], redelivered: 0, rejected: &[] },
];

fn folder() -> std::path::PathBuf {
    repo_root().unwrap().join("events/ingest")
}

/// One invocation, as the Lambda runtime makes it.
async fn invoke(sample: &str, context: &Context) -> Result<Report, Diagnostic> {
    let json = std::fs::read_to_string(folder().join(format!("{sample}.json"))).unwrap();
    let payload: EventJson = serde_json::from_str(&json).unwrap();
    let mut invocation = lambda_runtime::Context::default();
    // The year 2100.
    invocation.deadline = 4_102_444_800_000;
    handle(LambdaEvent::new(payload, invocation), context).await
}

#[test]
fn every_sample_has_an_expectation_and_every_expectation_a_sample() {
    let files: BTreeSet<String> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let expected: BTreeSet<String> = SAMPLES.iter().map(|expected| format!("{}.json", expected.sample)).collect();
    assert_eq!(files, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sample_does_through_the_handler_what_it_says() {
    let lake = LocalLake::new();
    lake.table().create(definition(events_schema())).await.unwrap();
    let context = lake.context();
    let mut held: Vec<i64> = Vec::new();
    for expected in SAMPLES {
        let sample = expected.sample;
        match invoke(sample, &context).await {
            Ok(report) => {
                assert!(expected.rejected.is_empty(), "{sample}");
                assert_eq!(
                    (report.rows_committed, report.rows_redelivered),
                    (expected.ids.len() as u64, expected.redelivered),
                    "{sample}"
                );
            }
            Err(diagnostic) => {
                assert_eq!(diagnostic.error_type, "Reject", "{sample}: {}", diagnostic.error_message);
                assert!(!expected.rejected.is_empty(), "{sample}: {}", diagnostic.error_message);
                for (place, reason) in expected.rejected {
                    let message = &diagnostic.error_message;
                    assert!(
                        message.contains(place) && message.contains(reason),
                        "{sample}: expected {place}: {reason}, found {message}"
                    );
                }
            }
        }
        held.extend(expected.ids);
        held.sort_unstable();
        assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), held, "{sample}");
    }
    // All of them again, on a cold function: whatever was committed is recognised.
    let context = lake.context();
    for Expected { sample, rejected, .. } in SAMPLES {
        match invoke(sample, &context).await {
            Ok(report) => assert_eq!((report.rows_committed, report.rows_rejected), (0, 0), "{sample}"),
            Err(diagnostic) => assert!(!rejected.is_empty(), "{sample}: {}", diagnostic.error_message),
        }
    }
    assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), held);
}
