//! The sample events through the very handler that Lambda runs.

use std::collections::BTreeSet;

use lambda_runtime::{Diagnostic, LambdaEvent};
use serde_json::Value;
use tributary_function::{Context, EventJson, check_metrics, handle};
use tributary_snapshot_expiry::{Report, SnapshotExpiry};
use tributary_table::{Connection, ObjectStore, parse_table_name};
use tributary_testkit::repo_root;
use tributary_tests::{Batch, TABLE, deliver};

use crate::ground::Ground;

type Expected = Result<&'static [(&'static str, &'static str)], &'static str>;

/// Each sample in its order, the error type it leads to or words of the answer.
const SAMPLES: &[(&str, Expected)] = &[
    ("default", Ok(&[("mode", "\"expire\""), ("outcome", "\"nothing-to-do\""), ("snapshots_kept", "12")])),
    (
        "dry-run",
        Ok(&[("outcome", "\"dry-run\""), ("snapshots_expired", "9"), ("manifest_lists", "9"), ("files_deleted", "0")]),
    ),
    (
        "keep-three",
        Ok(&[("outcome", "\"expired\""), ("snapshots_expired", "9"), ("files_deleted", "9"), ("snapshots_kept", "3")]),
    ),
    ("orphans", Ok(&[("mode", "\"orphans\""), ("outcome", "\"nothing-to-do\""), ("orphans_found", "0")])),
    ("orphans-too-young", Err("Reject")),
    ("mixed-modes", Err("Reject")),
];

async fn invoke(json: &str, context: &Context<SnapshotExpiry>) -> Result<Report, Diagnostic> {
    let payload: EventJson = serde_json::from_str(json).unwrap();
    let mut invocation = lambda_runtime::Context::default();
    // The year 2100.
    invocation.deadline = 4_102_444_800_000;
    handle(LambdaEvent::new(payload, invocation), context).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sample_does_through_the_handler_what_it_says() {
    let folder = repo_root().unwrap().join("events/snapshot-expiry");
    let files: BTreeSet<String> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(files, SAMPLES.iter().map(|(name, _)| format!("{name}.json")).collect());

    let ground = Ground::new().await;
    // Not a second apart, which would be in the future: the handler reads the clock.
    for offset in 0..12 {
        deliver(&Batch::new().rows(0, [offset]).event(), &ground.context).await.unwrap();
    }
    let connection = Connection { catalog: ground.lake.catalog(), store: ObjectStore::local() };
    let context = Context::new(SnapshotExpiry, connection, Some(parse_table_name(TABLE).unwrap()));
    for (sample, expected) in SAMPLES {
        let json = std::fs::read_to_string(folder.join(format!("{sample}.json"))).unwrap();
        match (invoke(&json, &context).await, expected) {
            (Ok(report), Ok(fields)) => {
                check_metrics(&report).unwrap();
                let answer: Value = serde_json::to_value(&report).unwrap();
                for (name, value) in *fields {
                    assert_eq!(answer[name].to_string(), *value, "{sample}: {answer}");
                }
            }
            (Err(diagnostic), Err(kind)) => assert_eq!(diagnostic.error_type, *kind, "{sample}: {diagnostic:?}"),
            (found, expected) => panic!("{sample}: expected {expected:?}, found {found:?}"),
        }
    }
    ground.holds(0..12).await;
}
