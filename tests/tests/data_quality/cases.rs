//! Every kind of check, passed, warned, failed and not judged, with exact values.

use tributary_data_quality::DataQuality;

use crate::ground::{NOW_MS, ingest, lake, only, run};

struct Case {
    rules: &'static str,
    status: &'static str,
    value: Option<f64>,
    threshold: Option<f64>,
    files_read: u64,
    message: &'static str,
}

const fn case(
    rules: &'static str,
    status: &'static str,
    value: Option<f64>,
    threshold: Option<f64>,
    files_read: u64,
    message: &'static str,
) -> Case {
    Case { rules, status, value, threshold, files_read, message }
}

/// On ten rows in two files, 100 seconds after the commit. Some value: exact; none: no exactness.
const CASES: &[Case] = &[
    case(
        "checks: [freshness: {column: event_time, warn_after: 10m}]",
        "PASS",
        Some(160.0),
        Some(600.0),
        0,
        "expected a newest `event_time` at most 10m old, found one 160.0 s ago",
    ),
    case(
        "checks: [freshness: {column: event_time, warn_after: 2m, error_after: 3m}]",
        "WARN",
        Some(160.0),
        Some(120.0),
        0,
        "at most 2m old",
    ),
    case(
        "checks: [freshness: {column: event_time, warn_after: 1m, error_after: 2m}]",
        "FAIL",
        Some(160.0),
        Some(120.0),
        0,
        "at most 2m old",
    ),
    case(
        "checks: [freshness: {column: gone, error_after: 2m}]",
        "ERROR",
        None,
        None,
        0,
        "expected column `gone` in the table's schema, found no top-level column of that name",
    ),
    case(
        "checks: [freshness: {column: kind, error_after: 2m}]",
        "ERROR",
        None,
        None,
        0,
        "expected column `kind` to be a timestamp or a date, found string",
    ),
    case("checks: [heartbeat: {last_commit_within: 2m}]", "PASS", Some(100.0), Some(120.0), 0, "found one 100.0 s ago"),
    case("checks: [heartbeat: {last_commit_within: 1m}]", "FAIL", Some(100.0), Some(60.0), 0, "found one 100.0 s ago"),
    case(
        "checks: [row_count: {min: 10, max: 10}]",
        "PASS",
        Some(10.0),
        Some(10.0),
        0,
        "expected 10 to 10 rows, found 10",
    ),
    case("checks: [row_count: {min: 11}]", "FAIL", Some(10.0), Some(11.0), 0, "expected at least 11 rows, found 10"),
    case("checks: [row_count: {min: 1, max: 9}]", "FAIL", Some(10.0), Some(9.0), 0, "expected 1 to 9 rows, found 10"),
    // The window holds rows 0, 1 and 2, all of the first file, which it cuts; the second is skipped by its bounds.
    case(
        "{window: {column: event_time, last: 300s}, checks: [row_count: {min: 3}]}",
        "PASS",
        Some(3.0),
        Some(3.0),
        1,
        "found 3",
    ),
    case(
        "{window: {column: event_time, last: 300s}, columns: [{name: account_id, missing: {max_percent: 50}}]}",
        "FAIL",
        Some(200.0 / 3.0),
        Some(50.0),
        1,
        "expected at most 50 % missing `account_id`, found 2 in 3 rows",
    ),
    case(
        "{window: {column: event_time, last: 1h}, checks: [row_count: {min: 11}]}",
        "FAIL",
        Some(10.0),
        Some(11.0),
        0,
        "found 10",
    ),
    case(
        "{window: {column: event_time, last: 1m}, checks: [row_count: {min: 1}]}",
        "FAIL",
        Some(0.0),
        Some(1.0),
        0,
        "found 0",
    ),
    case(
        "{window: {column: kind, last: 1m}, checks: [row_count: {min: 1}]}",
        "ERROR",
        None,
        None,
        0,
        "to be a timestamp or a date",
    ),
    case("checks: [schema: {required: [id, address.city]}]", "PASS", Some(0.0), Some(0.0), 0, "found them"),
    case(
        "checks: [schema: {required: [id, gone]}]",
        "FAIL",
        Some(1.0),
        Some(0.0),
        0,
        "expected columns `id`, `gone`, found no `gone`",
    ),
    case(
        "checks: [schema: {required: [id], allow_extra_columns: false}]",
        "FAIL",
        Some(6.0),
        Some(0.0),
        0,
        "expected only columns `id`, found also `event_time`, `account_id`",
    ),
    case(
        "columns: [{name: account_id, missing: {max_percent: 20}}]",
        "PASS",
        Some(20.0),
        Some(20.0),
        0,
        "expected at most 20 % missing `account_id`, found 2 in 10 rows",
    ),
    case(
        "columns: [{name: account_id, missing: {max_percent: 19.5, level: warn}}]",
        "WARN",
        Some(20.0),
        Some(19.5),
        0,
        "found 2",
    ),
    case("columns: [{name: account_id, missing: {max_count: 1}}]", "FAIL", Some(2.0), Some(1.0), 0, "found 2"),
    case("columns: [{name: gone, missing: {}}]", "ERROR", None, None, 0, "expected column `gone`"),
    case(
        "columns: [{name: tags, missing: {}}]",
        "ERROR",
        None,
        None,
        0,
        "expected column `tags` to be of a primitive type",
    ),
    case("columns: [{name: id, invalid: {min: 0, max: 9}}]", "PASS", Some(0.0), Some(0.0), 0, "found 0 in 10 rows"),
    case("columns: [{name: id, invalid: {min: 100}}]", "FAIL", Some(10.0), Some(0.0), 0, "found 10 in 10 rows"),
    case(
        "columns: [{name: id, invalid: {min: 2, max: 8, max_percent: 25, level: warn}}]",
        "WARN",
        Some(30.0),
        Some(25.0),
        2,
        "found 3",
    ),
    case(
        "columns: [{name: id, invalid: {min: 1.5}}]",
        "ERROR",
        None,
        None,
        0,
        "valid values of column `id`: expected long",
    ),
    case("columns: [{name: amount, invalid: {max: 8.49}}]", "FAIL", Some(2.0), Some(0.0), 1, "found 2 in 10 rows"),
    case(
        "columns: [{name: event_time, invalid: {min: '2100-01-01T09:55:00Z', max_count: 5}}]",
        "PASS",
        Some(5.0),
        Some(5.0),
        0,
        "found 5",
    ),
    case(
        "columns: [{name: event_time, invalid: {min: '2100-01-01T09:57:00Z', max_count: 6}}]",
        "FAIL",
        Some(7.0),
        Some(6.0),
        1,
        "found 7",
    ),
    case(
        "columns: [{name: kind, invalid: {values: [order]}}]",
        "FAIL",
        Some(1.0),
        Some(0.0),
        2,
        "expected at most 0 invalid `kind`, found 1",
    ),
    case("columns: [{name: kind, invalid: {values: [order, fee]}}]", "PASS", Some(0.0), Some(0.0), 2, "found 0"),
    // NULL is missing, not invalid.
    case(
        "columns: [{name: account_id, invalid: {regex: '^a-[0-8]$', level: warn}}]",
        "WARN",
        Some(1.0),
        Some(0.0),
        2,
        "found 1 in 10",
    ),
    case("columns: [{name: id, invalid: {regex: '1'}}]", "ERROR", None, None, 0, "expected column `id` to be a string"),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_rule_tells_exactly_what_it_found() {
    let lake = lake().await;
    ingest(&lake, 0..5, NOW_MS).await;
    ingest(&lake, 5..10, NOW_MS).await;
    for Case { rules, status, value, threshold, files_read, message } in CASES {
        let report = run(&lake, DataQuality::default(), rules, NOW_MS + 100_000).await.unwrap();
        assert_eq!(only(&report), (*status, *value, *threshold, value.map(|_| "exact")), "{rules}: {report:?}");
        assert!(report.results[0].message.contains(message), "{rules}: {}", report.results[0].message);
        assert_eq!(report.files_read, *files_read, "{rules}");
    }
}
