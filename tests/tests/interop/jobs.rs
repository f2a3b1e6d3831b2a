//! Our scheduled functions on this program's tables, each invoked by its event, as the scheduler does.

use serde_json::{Value, json};
use tributary_compaction::Compaction;
use tributary_function::{Context, JobError, ScheduledJob, invoke};
use tributary_maintenance::compaction::CompactionReport;
use tributary_maintenance::expiry::ExpiryReport;
use tributary_maintenance::retention::RetentionReport;
use tributary_retention::Retention;
use tributary_snapshot_expiry::{Report, SnapshotExpiry};
use tributary_table::parse_table_name;
use tributary_tests::{GlueLake, far};

use crate::ground::Engines;

/// Any two files of a partition are put together.
pub(crate) fn pairs() -> Value {
    json!({"min-input-files": 2})
}

/// Every file is rewritten.
pub(crate) fn everything() -> Value {
    json!({"rewrite-all": true})
}

/// One invocation of a cold function at the time of the clock, which the engines go by, too.
pub(crate) async fn run<J: ScheduledJob>(
    job: J,
    lake: &GlueLake,
    table: &str,
    options: &Value,
) -> Result<J::Report, JobError> {
    run_at(job, lake, table, tributary_runtime::now_ms(), options).await
}

async fn run_at<J: ScheduledJob>(
    job: J,
    lake: &GlueLake,
    table: &str,
    now_ms: i64,
    options: &Value,
) -> Result<J::Report, JobError> {
    let context = Context::new(job, lake.connection(), Some(parse_table_name(table).unwrap()));
    invoke(&options.to_string(), far(), now_ms, &context).await
}

/// Compacts what the options ask for, all of it.
pub(crate) async fn compact(lake: &GlueLake, table: &str, options: Value) -> CompactionReport {
    let report = run(Compaction, lake, table, &options).await.unwrap();
    assert_eq!((report.groups_committed, &report.reasons), (report.groups_planned, &Vec::new()), "{report:?}");
    report
}

/// Compacts, and holds what all four readers find, whole and by filters, against what they found before.
pub(crate) async fn compact_keeps(
    engines: &Engines,
    lake: &GlueLake,
    table: &str,
    options: Value,
    filters: &[&str],
) -> CompactionReport {
    let before = engines.found_everywhere(lake, table, filters);
    let report = compact(lake, table, options).await;
    assert_eq!(engines.found_everywhere(lake, table, filters), before, "{report:?}");
    report
}

/// Expires at a time; afterwards nothing is missing that the table needs.
pub(crate) async fn expire_at(lake: &GlueLake, table: &str, now_ms: i64, options: &Value) -> ExpiryReport {
    let Report::Expire(report) = run_at(SnapshotExpiry, lake, table, now_ms, options).await.unwrap() else {
        unreachable!("the mode is to expire")
    };
    assert_eq!((report.files_refused, report.files_outside, report.files_remaining), (0, 0, 0), "{report:?}");
    assert_eq!(lake.reachable(table).await.missing, Vec::<String>::new(), "{report:?}");
    report
}

/// Expires every snapshot that no branch or tag holds.
pub(crate) async fn expire(lake: &GlueLake, table: &str) -> ExpiryReport {
    let all_history = json!({"older-than": "2100-01-01T00:00:00Z", "min-snapshots-to-expire": 1});
    expire_at(lake, table, tributary_runtime::now_ms(), &all_history).await
}

/// Removes rows that are past.
pub(crate) async fn retain(lake: &GlueLake, table: &str, options: &Value) -> RetentionReport {
    run(Retention, lake, table, options).await.unwrap().0
}
