//! Every sample event through the very handler that Lambda runs, in this order on one table.

use std::collections::BTreeSet;

use lambda_runtime::{Diagnostic, LambdaEvent};
use serde_json::json;
use tributary_compaction::Compaction;
use tributary_function::{Context, EventJson, handle};
use tributary_maintenance::compaction::CompactionReport;
use tributary_table::{Connection, ObjectStore, parse_table_name};
use tributary_testkit::repo_root;
use tributary_tests::{TABLE, ids};

use crate::foreign::{Target, commit, position_deletes};
use crate::ground::Ground;

fn context(ground: &Ground) -> Context<Compaction> {
    let connection = Connection { catalog: ground.lake.catalog(), store: ObjectStore::local() };
    Context::new(Compaction, connection, Some(parse_table_name(TABLE).unwrap()))
}

fn folder() -> std::path::PathBuf {
    repo_root().unwrap().join("events/compaction")
}

async fn invoke(sample: &str, context: &Context<Compaction>) -> Result<CompactionReport, Diagnostic> {
    let json = std::fs::read_to_string(folder().join(format!("{sample}.json"))).unwrap();
    let payload: EventJson = serde_json::from_str(&json).unwrap();
    let mut invocation = lambda_runtime::Context::default();
    // The year 2100.
    invocation.deadline = 4_102_444_800_000;
    handle(LambdaEvent::new(payload, invocation), context).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sample_does_through_the_handler_what_it_says() {
    let mut ground = Ground::fed(6, 2).await;
    let context = context(&ground);
    let mut left: BTreeSet<String> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let mut run = async |sample: &str| {
        assert!(left.remove(&format!("{sample}.json")), "{sample}");
        invoke(sample, &context).await
    };
    let report = run("dry-run").await.unwrap();
    assert_eq!((report.groups_planned, report.groups_remaining, report.commits), (1, 1, 0));
    let report = run("defaults").await.unwrap();
    assert_eq!((report.files_rewritten, report.files_added, report.commits), (6, 1, 1));
    ground.feed(1, 2).await;
    let report = run("bounded").await.unwrap();
    assert_eq!((report.files_rewritten, report.files_added), (2, 1));
    let file = ground.live().await.swap_remove(0);
    let delete = position_deletes(&ground, &Target::unpartitioned(), &[(file.path(), 13)]).await;
    commit(&ground.table(), vec![delete]).await;
    let report = run("deletes").await.unwrap();
    assert_eq!((report.files_rewritten, report.rows_deleted, report.delete_files_removed), (1, 1, 1));
    let report = run("everything").await.unwrap();
    assert_eq!((report.files_rewritten, report.files_added, report.commits), (1, 1, 1));
    for (sample, words) in [("not-served", "`strategy`"), ("unknown-option", "`where`")] {
        let refused = run(sample).await.unwrap_err();
        assert_eq!(refused.error_type, "Reject", "{sample}: {}", refused.error_message);
        assert!(refused.error_message.contains(words), "{sample}: {}", refused.error_message);
    }
    assert_eq!(left, BTreeSet::new(), "samples without an expectation");
    assert_eq!(ids(&ground.rows().rows), (0..13).collect::<Vec<_>>());
}

#[test]
fn a_report_is_flat_but_for_its_list_of_reasons() {
    let report = serde_json::to_value(CompactionReport::default()).unwrap();
    for (name, value) in report.as_object().unwrap() {
        assert!(!value.is_object(), "{name}");
        assert!(!value.is_array() || (name == "reasons" && *value == json!([])), "{name}");
    }
}
