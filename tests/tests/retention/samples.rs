//! Every sample event of the repository through the very handler that Lambda runs, in its order, on one table.

use std::collections::BTreeSet;

use lambda_runtime::{Diagnostic, LambdaEvent};
use serde_json::{Value, json};
use tributary_function::{Context, EventJson, handle};
use tributary_maintenance::retention::RetentionReport;
use tributary_retention::Retention;
use tributary_runtime::now_ms;
use tributary_table::{Connection, ObjectStore, parse_table_name};
use tributary_testkit::repo_root;
use tributary_tests::{TABLE, events_schema, partitioned};

use crate::ground::Ground;

const DAY_MS: i64 = 86_400_000;

/// What a sample leads to, on the table that those before it left.
struct Expected {
    sample: &'static str,
    /// Files removed, files that are past and remain, and files that straddle; or the error's type and words of it.
    outcome: Result<(u64, u64, u64), (&'static str, &'static str)>,
    /// The ids left.
    left: &'static [i64],
}

/// How many days ago the rows of each batch are, ids from 1 on. The table is partitioned by day.
const AGES_DAYS: &[[i64; 2]] = &[[70, 70], [70, 45], [35, 20], [10, 10], [10, 10], [10, 10]];

const ALL: &[i64] = &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

const SAMPLES: &[Expected] = &[
    Expected { sample: "row-level", outcome: Err(("Reject", "option `level`")), left: ALL },
    Expected { sample: "wrong-column", outcome: Err(("Reject", "found column `account_id`")), left: ALL },
    Expected { sample: "too-much", outcome: Err(("Halt", "expected at most 0.1")), left: ALL },
    Expected { sample: "dry-run", outcome: Ok((0, 3, 0)), left: ALL },
    // The newest row is ten days old, so that those of more than forty days go.
    Expected { sample: "by-partition", outcome: Ok((3, 0, 0)), left: ALL.split_at(4).1 },
    Expected { sample: "by-file", outcome: Ok((0, 0, 0)), left: ALL.split_at(4).1 },
    Expected { sample: "from-clock", outcome: Ok((1, 0, 0)), left: ALL.split_at(5).1 },
];

fn folder() -> std::path::PathBuf {
    repo_root().unwrap().join("events/retention")
}

/// Rows of the demo's table, their times counted back from now, since the handler reads the clock.
async fn ground() -> Ground {
    let mut ground = Ground::with(partitioned(events_schema(), &[(2, "event_day", "day")])).await;
    let now = now_ms();
    let mut id = 0;
    for ages in AGES_DAYS {
        let rows: Vec<Value> = ages.iter().map(|days| row(&mut id, now - days * DAY_MS)).collect();
        ground.ingest(&rows).await;
    }
    ground
}

fn row(id: &mut i64, at_ms: i64) -> Value {
    *id += 1;
    let time = tributary_maintenance::TimePoint::of_ms(at_ms).to_string();
    json!({"id": *id, "event_time": time, "account_id": "a"})
}

async fn invoke(sample: &str, context: &Context<Retention>) -> Result<RetentionReport, Diagnostic> {
    let json = std::fs::read_to_string(folder().join(format!("{sample}.json"))).unwrap();
    let payload: EventJson = serde_json::from_str(&json).unwrap();
    let mut invocation = lambda_runtime::Context::default();
    // The year 2100.
    invocation.deadline = 4_102_444_800_000;
    handle(LambdaEvent::new(payload, invocation), context).await.map(|report| report.0)
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
    let ground = ground().await;
    let connection = Connection { catalog: ground.lake.catalog(), store: ObjectStore::local() };
    let context = Context::new(Retention, connection, Some(parse_table_name(TABLE).unwrap()));
    for Expected { sample, outcome, left } in SAMPLES {
        match (invoke(sample, &context).await, outcome) {
            (Ok(report), Ok(expected)) => {
                let found = (report.files_removed, report.files_remaining, report.files_straddling);
                assert_eq!(found, *expected, "{sample}: {report:?}");
            }
            (Err(diagnostic), Err((kind, words))) => {
                assert_eq!(diagnostic.error_type, *kind, "{sample}: {}", diagnostic.error_message);
                assert!(diagnostic.error_message.contains(words), "{sample}: {}", diagnostic.error_message);
            }
            (found, expected) => panic!("{sample}: expected {expected:?}, found {found:?}"),
        }
        assert_eq!(ground.ids(), *left, "{sample}");
    }
}
