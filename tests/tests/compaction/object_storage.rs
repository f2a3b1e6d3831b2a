//! The same in S3 and Glue, with answers lost on the wire.

use serde_json::json;
use tributary_testkit::aws::{Fault, FaultMode};
use tributary_testkit::read_both;
use tributary_tests::{Batch, GlueLake, TABLE, compact_with, definition, deliver, events_schema, ids};

/// A table of five files of two rows each.
async fn fed() -> GlueLake {
    let lake = GlueLake::new().await;
    lake.create(TABLE, definition(events_schema())).await;
    let context = lake.context(TABLE);
    for file in 0..5 {
        deliver(&Batch::new().rows(0, 2 * file..2 * file + 2).event(), &context).await.unwrap();
    }
    lake
}

fn rows(lake: &GlueLake) -> Vec<i64> {
    ids(&read_both(&lake.at(TABLE)).unwrap().rows)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_in_s3_are_read_by_one_request_each_and_committed_once() {
    let lake = fed().await;
    lake.server().reset_calls().unwrap();
    let report = compact_with(&lake.table(TABLE), json!({})).await.unwrap();
    assert_eq!((report.files_rewritten, report.files_added, report.commits), (5, 1, 1));
    let calls = lake.server().calls().unwrap();
    // Metadata, list, five manifests and five data files.
    assert_eq!((calls["GetObject"], calls["UpdateTable"]), (12, 1), "{calls:?}");
    // Data file, manifest, list and metadata.
    assert_eq!(calls["PutObject"], 4, "{calls:?}");
    assert_eq!(rows(&lake), (0..10).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_lost_on_the_wire_rewrites_once() {
    for mode in [FaultMode::LostReply, FaultMode::DroppedReply, FaultMode::Conflict, FaultMode::Unavailable] {
        let lake = fed().await;
        lake.server().inject(&Fault::once("UpdateTable", mode)).unwrap();
        let report = compact_with(&lake.table(TABLE), json!({})).await.unwrap();
        assert_eq!((report.groups_committed, report.commits), (1, 1), "{mode:?}");
        assert_eq!(rows(&lake), (0..10).collect::<Vec<_>>(), "{mode:?}");
    }
}
