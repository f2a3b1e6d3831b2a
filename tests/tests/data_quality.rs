//! The data-quality function end to end: every rule with exact values, what is read and what is not, memory, alerts.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on has failed")]

use std::path::Path;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use serde_json::{Value, json};
use tributary_data_quality::{DataQuality, Report, Topic};
use tributary_decode::Decoder;
use tributary_function::{Context, JobError, JobErrorKind, invoke};
use tributary_runtime::{Environment, ReportMetrics, embedded_metric_lines};
use tributary_table::{
    CatalogSettings, CatalogUri, Connection, ObjectStore, Replaced, RewriteRequest, Table, connect, parse_table_name,
};
use tributary_testkit::aws::{Fault, FaultMode};
use tributary_testkit::{AwsServer, SubscribedTopic, TableAt, read_both, read_with_duckdb, repo_root};
use tributary_tests::{Batch, LocalLake, TABLE, definition, delete_on_read, events_schema, far};

/// When every test happens: 2100-01-01T10:00:00Z. A snapshot is never older than its table, which the clock dates.
const NOW_MS: i64 = 4_102_480_800_000;
const MINUTE_MS: i64 = 60_000;
const RESULTS: &str = "test.results";
const HEARTBEAT: &str = "checks: [heartbeat: {last_commit_within: 10m}]";

/// The row at an offset: its time so many minutes before [`NOW_MS`], 0 and 1 without account, 9 a fee.
fn row(offset: i64) -> Value {
    let time = time_text(NOW_MS - (offset + 1) * MINUTE_MS);
    let account = if offset < 2 { Value::Null } else { json!(format!("a-{offset}")) };
    let kind = if offset == 9 { "fee" } else { "order" };
    json!({"id": offset, "event_time": time, "account_id": account, "kind": kind, "amount": format!("{offset}.50")})
}

/// A time of the day of [`NOW_MS`].
fn time_text(ms: i64) -> String {
    let of_day = ms - (NOW_MS - 10 * 60 * MINUTE_MS);
    let (hours, minutes, seconds) = (of_day / 3_600_000, of_day / MINUTE_MS % 60, of_day / 1000 % 60);
    format!("2100-01-01T{hours:02}:{minutes:02}:{seconds:02}Z")
}

async fn lake() -> LocalLake {
    let lake = LocalLake::new();
    lake.table().create(definition(events_schema())).await.unwrap();
    lake
}

/// Rows of offsets, by the ingest function, in one file.
async fn ingest(lake: &LocalLake, offsets: std::ops::Range<i64>, now_ms: i64) {
    let batch = offsets.fold(Batch::new(), |batch, offset| batch.json(0, offset, &row(offset)));
    tributary_ingest::ingest(batch.event().as_bytes(), far(), now_ms, &lake.context()).await.unwrap();
}

/// All rows so far in one file, as compaction leaves them.
async fn compact(lake: &LocalLake, offsets: std::ops::Range<i64>, now_ms: i64) {
    let table = lake.table();
    let state = table.refresh().await.unwrap();
    let mut rows = Decoder::try_new(state.schema()).unwrap().batch(16);
    for offset in offsets {
        rows.push(row(offset).to_string().as_bytes()).unwrap();
    }
    let files = table.encode(&state, &rows.finish().unwrap()).unwrap();
    let added = table.put_files(&state, files).await.unwrap();
    let removed = table.live_files(&state).await.unwrap();
    let request = RewriteRequest { start: &state, removed, added, now_ms, deadline: far() };
    let done = table.rewrite(request).await.unwrap();
    assert!(matches!(done, Replaced::Committed { .. }), "{done:?}");
}

/// Puts nonsense in place of every data file there is: whoever reads one from now on fails.
fn garble(lake: &LocalLake) -> usize {
    let files = lake.files().into_iter().filter(|file| file.ends_with(".parquet") && file.contains("/events/"));
    let files: Vec<String> = files.collect();
    for file in &files {
        std::fs::write(file.strip_prefix("file://").unwrap(), b"nonsense").unwrap();
    }
    files.len()
}

/// The function in this process, cold.
fn function(lake: &LocalLake, job: DataQuality) -> Context<DataQuality> {
    let connection = Connection { catalog: lake.catalog(), store: ObjectStore::local() };
    Context::new(job, connection, Some(parse_table_name(TABLE).unwrap()))
}

fn with_memory() -> DataQuality {
    DataQuality { results_table: Some(parse_table_name(RESULTS).unwrap()), ..DataQuality::default() }
}

async fn run(lake: &LocalLake, job: DataQuality, rules: &str, now_ms: i64) -> Result<Report, JobError> {
    invoke(&json!({"rules": rules}).to_string(), far(), now_ms, &function(lake, job)).await
}

/// Status, value, threshold and exactness of the only result.
fn only(report: &Report) -> (&'static str, Option<f64>, Option<f64>, Option<&'static str>) {
    assert_eq!(report.results.len(), 1, "{report:?}");
    let result = &report.results[0];
    (result.status.as_str(), result.value, result.threshold, result.exactness.map(|one| one.as_str()))
}

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

#[tokio::test(flavor = "multi_thread")]
async fn what_metadata_tells_is_told_without_the_data_files() {
    let lake = lake().await;
    ingest(&lake, 0..5, NOW_MS).await;
    ingest(&lake, 5..10, NOW_MS).await;
    assert_eq!(garble(&lake), 2);
    let rules = "
checks:
  - freshness: {column: event_time, warn_after: 10m}
  - heartbeat: {last_commit_within: 2m}
  - row_count: {min: 10, max: 10}
  - schema: {required: [id]}
columns:
  - name: account_id
    missing: {max_count: 2}
  - name: id
    invalid: {min: 0, max: 9}
  - name: kind
    invalid: {values: [order, fee]}
";
    let report = run(&lake, DataQuality::default(), rules, NOW_MS + 100_000).await.unwrap();
    let counts = (report.checks_passed, report.checks_warned, report.checks_failed, report.checks_errored);
    assert_eq!(counts, (6, 0, 0, 1), "{report:?}");
    let read = report.results.iter().find(|result| result.name() == "invalid(kind)").unwrap();
    assert!(read.message.starts_with("expected to read data file `"), "{}", read.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_reads_new_files_alone_also_when_compaction_rewrote_them() {
    let lake = lake().await;
    let rules = "{window: {since: last_check}, checks: [row_count: {min: 1}], columns: [{name: kind, invalid: {values: [order]}}]}";
    let measured = |report: &Report| {
        let values: Vec<Option<f64>> = report.results.iter().map(|result| result.value).collect();
        let exact = report.results.iter().all(|result| result.exactness.unwrap().as_str() == "exact");
        (values, exact, report.files_read)
    };
    ingest(&lake, 0..5, NOW_MS).await;
    let first = run(&lake, with_memory(), rules, NOW_MS).await.unwrap();
    assert_eq!(measured(&first), (vec![Some(5.0), Some(0.0)], true, 1));
    garble(&lake);
    ingest(&lake, 5..7, NOW_MS).await;
    let second = run(&lake, with_memory(), rules, NOW_MS + 1).await.unwrap();
    assert_eq!(measured(&second), (vec![Some(2.0), Some(0.0)], true, 1), "the old file was read: {second:?}");
    garble(&lake);
    // Row 9 is the fee. What compaction writes holds old rows too, and must not be taken for new.
    ingest(&lake, 7..10, NOW_MS).await;
    compact(&lake, 0..10, NOW_MS + 2).await;
    ingest(&lake, 10..11, NOW_MS).await;
    compact(&lake, 0..11, NOW_MS + 3).await;
    let third = run(&lake, with_memory(), rules, NOW_MS + 4).await.unwrap();
    assert_eq!(measured(&third), (vec![Some(4.0), Some(1.0)], true, 2), "{third:?}");
    let fourth = run(&lake, with_memory(), rules, NOW_MS + 5).await.unwrap();
    assert_eq!(measured(&fourth), (vec![Some(0.0), Some(0.0)], true, 0), "{fourth:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_past_the_limit_are_reported_and_make_a_bound() {
    let lake = lake().await;
    for file in 0..3 {
        ingest(&lake, file * 2..file * 2 + 2, NOW_MS).await;
    }
    let event = json!({"rules": "columns: [{name: kind, invalid: {values: [fee]}}]", "max-files-to-read": 1});
    let report = invoke(&event.to_string(), far(), NOW_MS, &function(&lake, DataQuality::default())).await.unwrap();
    assert_eq!((report.files_read, report.rows_read, report.files_unread), (1, 2, 2));
    assert_eq!(only(&report), ("FAIL", Some(2.0), Some(0.0), Some("bound")));
    assert!(report.results[0].message.ends_with("(a bound: 2 files were not read)"), "{}", report.results[0].message);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_deletes_may_apply_to_is_a_bound() {
    for (change, statuses) in [
        // Of a row in the second file; the spec lets a delete file name rows of any file of its partition.
        (json!({"positions": [9]}), ["bound"; 4]),
        (json!({"equality": [0]}), ["bound"; 4]),
    ] {
        let lake = lake().await;
        // Not dated ahead: the foreign writer's snapshot comes later, by the clock.
        ingest(&lake, 0..5, 0).await;
        ingest(&lake, 5..10, 0).await;
        delete_on_read(&lake, &change);
        assert_eq!(read_with_duckdb(&lake.at()).unwrap().rows.len(), 9);
        let rules = "
checks: [{row_count: {min: 1}}, {freshness: {column: event_time, warn_after: 1h}}]
columns: [{name: account_id, missing: {max_count: 2}}, {name: kind, invalid: {values: [order, fee]}}]
";
        let report = run(&lake, DataQuality::default(), rules, NOW_MS).await.unwrap();
        let exactness: Vec<&str> = report.results.iter().map(|result| result.exactness.unwrap().as_str()).collect();
        assert_eq!(exactness, statuses, "{change}: {report:?}");
        assert_eq!(report.results[0].value, Some(10.0));
        assert!(report.results[0].message.ends_with("(a bound: deletes may apply to rows counted)"), "{report:?}");
    }
}

async fn aws(server: &AwsServer) -> SdkConfig {
    let credentials = aws_sdk_glue::config::Credentials::new("test", "test", None, None, "test");
    let config = aws_config::defaults(BehaviorVersion::latest()).endpoint_url(server.endpoint());
    config.region(Region::new("us-east-1")).credentials_provider(credentials).load().await
}

/// A topic with a queue, and the function that publishes to it.
async fn alerting(server: &AwsServer) -> (SubscribedTopic, DataQuality) {
    let topic = server.create_topic("alerts").unwrap();
    let publisher = Topic::try_new(&topic.arn, Some(&aws(server).await)).unwrap();
    (topic, DataQuality { topic: Some(publisher), ..with_memory() })
}

/// Subject and details of each message that came since.
fn alerts(server: &AwsServer, topic: &SubscribedTopic) -> Vec<(String, Value)> {
    let told = |message: &Value| {
        let details: Value = serde_json::from_str(message["Message"].as_str().unwrap()).unwrap();
        let attribute = |name: &str| message["MessageAttributes"][name]["Value"].clone();
        assert_eq!((attribute("table"), attribute("status")), (json!(TABLE), details["status"].clone()));
        (message["Subject"].as_str().unwrap().to_owned(), details)
    };
    server.take_messages(topic).unwrap().iter().map(told).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_stream_raises_the_heartbeat_alert_in_one_schedule_period() {
    let (lake, server) = (lake().await, AwsServer::start().unwrap());
    let (topic, job) = alerting(&server).await;
    ingest(&lake, 0..5, NOW_MS).await;
    let report = run(&lake, job.clone(), HEARTBEAT, NOW_MS + MINUTE_MS).await.unwrap();
    assert_eq!((only(&report).0, report.heartbeat_failed, report.alerts_sent), ("PASS", Some(false), 0));
    // The stream stops. Compaction goes on, and its commit is no heartbeat.
    compact(&lake, 0..5, NOW_MS + 14 * MINUTE_MS).await;
    let report = run(&lake, job, HEARTBEAT, NOW_MS + 16 * MINUTE_MS).await.unwrap();
    assert_eq!(only(&report), ("FAIL", Some(960.0), Some(600.0), Some("exact")));
    assert_eq!(
        (report.heartbeat_failed, report.alerts_sent, report.seconds_since_last_commit),
        (Some(true), 1, Some(960.0))
    );
    let metrics = embedded_metric_lines("data-quality", TABLE, NOW_MS, &report.measurements());
    assert!(
        metrics.contains(r#""HeartbeatFailed":1"#) && metrics.contains(r#""SecondsSinceLastCommit":960.0"#),
        "{metrics}"
    );
    let told = alerts(&server, &topic);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0, "Tributary FAIL test.events: heartbeat");
    assert_eq!(told[0].1["alerts"][0]["previous"], "PASS");
    assert_eq!(told[0].1["alerts"][0]["message"], "expected a commit of data within 10m, found one 960.0 s ago");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_state_alerts_once_then_reminds_then_recovers() {
    let (lake, server) = (lake().await, AwsServer::start().unwrap());
    let (topic, job) = alerting(&server).await;
    ingest(&lake, 0..5, NOW_MS).await;
    let hour = 60 * MINUTE_MS;
    let mut causes = Vec::new();
    // The stream stands still from the second run on, and moves again before the last.
    for (hours, goes_on) in [(0, false), (1, false), (2, false), (24, false), (25, false), (26, true)] {
        let now_ms = NOW_MS + hours * hour;
        if goes_on {
            ingest(&lake, 5..6, now_ms).await;
        }
        run(&lake, job.clone(), HEARTBEAT, now_ms).await.unwrap();
        let told = alerts(&server, &topic);
        causes.push(told.iter().map(|(_, details)| details["alerts"][0]["cause"].clone()).collect::<Vec<_>>());
    }
    let none: Vec<Value> = Vec::new();
    let expected = [
        none.clone(),
        vec![json!("changed")],
        none.clone(),
        none.clone(),
        vec![json!("reminder")],
        vec![json!("recovered")],
    ];
    assert_eq!(causes, expected);
    let report = run(&lake, job, HEARTBEAT, NOW_MS + 26 * hour).await.unwrap();
    assert_eq!((report.alerts_sent, report.results_recorded), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_could_not_be_published_is_not_recorded_and_comes_with_the_next_run() {
    let (lake, server) = (lake().await, AwsServer::start().unwrap());
    let (topic, job) = alerting(&server).await;
    // Oftener than the SDK tries again.
    server.inject(&Fault::once("Publish", FaultMode::Unavailable).times(10)).unwrap();
    let error = run(&lake, job.clone(), HEARTBEAT, NOW_MS).await.unwrap_err();
    assert_eq!(error.kind(), JobErrorKind::Retry);
    assert!(error.to_string().starts_with("grant `sns:Publish` on topic `arn:aws:sns:"), "{error}");
    server.clear_faults().unwrap();
    assert_eq!(run(&lake, job.clone(), HEARTBEAT, NOW_MS).await.unwrap().alerts_sent, 1);
    assert_eq!(run(&lake, job, HEARTBEAT, NOW_MS + 1).await.unwrap().alerts_sent, 0);
    assert_eq!(alerts(&server, &topic).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_can_not_be_read_has_failed_its_heartbeat_and_somebody_is_told() {
    let (lake, server) = (LocalLake::new(), AwsServer::start().unwrap());
    let (topic, job) = alerting(&server).await;
    let rules = "checks: [{heartbeat: {last_commit_within: 10m}}, {row_count: {min: 1}}]";
    let report = run(&lake, job, rules, NOW_MS).await.unwrap();
    let statuses: Vec<&str> = report.results.iter().map(|result| result.status.as_str()).collect();
    assert_eq!((statuses, report.heartbeat_failed), (vec!["FAIL", "ERROR"], Some(true)));
    let told = alerts(&server, &topic);
    let message = told[0].1["alerts"][0]["message"].as_str().unwrap();
    assert!(message.starts_with("expected a table that can be read, found: create the table first"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_memory_every_run_alerts_and_a_dry_run_never_does() {
    let (lake, server) = (lake().await, AwsServer::start().unwrap());
    let (topic, job) = alerting(&server).await;
    let forgetful = DataQuality { results_table: None, ..job.clone() };
    for _ in 0..2 {
        assert_eq!(run(&lake, forgetful.clone(), HEARTBEAT, NOW_MS).await.unwrap().alerts_sent, 1);
    }
    assert_eq!(alerts(&server, &topic).len(), 2);
    let event = json!({"rules": HEARTBEAT, "dry-run": true}).to_string();
    let report = invoke(&event, far(), NOW_MS, &function(&lake, job)).await.unwrap();
    assert_eq!((report.checks_failed, report.alerts_sent, report.results_recorded), (1, 0, 0));
    assert_eq!(alerts(&server, &topic).len(), 0);
    let since = "{window: {since: last_check}, checks: [row_count: {min: 1}]}";
    let error = run(&lake, forgetful, since, NOW_MS).await.unwrap_err();
    assert!(error.to_string().starts_with("set environment variable `TRIBUTARY_RESULTS_TABLE`"), "{error}");
}

fn results_at(lake: &LocalLake) -> TableAt {
    let TableAt::Sqlite { catalog_db, catalog_name, .. } = lake.at() else { panic!("a local lake is in SQLite") };
    TableAt::Sqlite { catalog_db, catalog_name, table: RESULTS.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_engine_reads_the_results_table() {
    let lake = lake().await;
    ingest(&lake, 0..5, NOW_MS).await;
    let rules =
        "{checks: [{heartbeat: {last_commit_within: 1m}}], columns: [{name: account_id, missing: {max_percent: 10}}]}";
    for run_ms in [NOW_MS, NOW_MS + 100_500] {
        assert_eq!(run(&lake, with_memory(), rules, run_ms).await.unwrap().results_recorded, 2);
    }
    let rows = read_both(&results_at(&lake)).unwrap().rows;
    assert_eq!(rows.len(), 4);
    let head = lake.table().refresh().await.unwrap().metadata().current_snapshot_id().unwrap();
    let expected = json!({
        "run_time": "2100-01-01T10:01:40.500000Z", "table_name": TABLE, "check_name": "heartbeat", "column_name": null,
        "status": "FAIL", "value": 100.5, "threshold": 60.0, "exactness": "exact",
        "message": "expected a commit of data within 1m, found one 100.5 s ago", "snapshot_id": head, "alerted_at": null,
    });
    assert!(rows.contains(&expected), "{rows:#?}");
    let missing = rows.iter().find(|row| row["column_name"] == "account_id").unwrap();
    assert_eq!((&missing["status"], &missing["value"]), (&json!("FAIL"), &json!(40.0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_come_from_the_event_or_a_file_and_bad_ones_are_refused_with_their_place() {
    let lake = lake().await;
    let file = lake.folder().join("rules.yaml");
    let from_file = DataQuality { rules: Some(file.display().to_string()), ..DataQuality::default() };
    let invoked =
        async |event: &str, job: &DataQuality| invoke(event, far(), NOW_MS, &function(&lake, job.clone())).await;
    std::fs::write(&file, HEARTBEAT).unwrap();
    assert_eq!(invoked("{}", &from_file).await.unwrap().results.len(), 1);
    let inline = json!({"rules": {"checks": [{"schema": {"required": ["id"]}}]}}).to_string();
    assert_eq!(invoked(&inline, &from_file).await.unwrap().results[0].check, "schema");
    let chosen = json!({"rules": CHOSEN, "checks": ["schema", "heartbeat"]}).to_string();
    let report = invoked(&chosen, &from_file).await.unwrap();
    assert_eq!(report.results.iter().map(|result| result.check).collect::<Vec<_>>(), ["heartbeat", "schema"]);

    std::fs::write(&file, "checks:\n  - duplicates: {columns: [id]}\n").unwrap();
    let location = file.display().to_string();
    let missing = DataQuality { rules: Some("/nowhere/rules.yaml".to_owned()), ..DataQuality::default() };
    let elsewhere = DataQuality { rules: Some("gs://bucket/rules.yaml".to_owned()), ..DataQuality::default() };
    let none = DataQuality::default();
    for (event, job, kind, text) in [
        (
            "{}",
            &from_file,
            JobErrorKind::Halt,
            format!("rules at `{location}`: remove `duplicates` from the rules at line 2, column 17"),
        ),
        (
            "{}",
            &missing,
            JobErrorKind::Retry,
            "put the rules there or grant the function to read them: rules at `/nowhere/rules.yaml`".to_owned(),
        ),
        ("{}", &elsewhere, JobErrorKind::Halt, "environment variable `TRIBUTARY_RULES`: ".to_owned()),
        (
            "{}",
            &none,
            JobErrorKind::Reject,
            "give rules, by option `rules` of the event or by environment variable `TRIBUTARY_RULES`".to_owned(),
        ),
        (
            r#"{"rules": 5}"#,
            &none,
            JobErrorKind::Reject,
            "correct option `rules`: expected a YAML document as a text, or an object, found 5".to_owned(),
        ),
        (
            r#"{"rules": "checks: 5"}"#,
            &none,
            JobErrorKind::Reject,
            "option `rules`: correct the rules at line 1, column 9".to_owned(),
        ),
        (
            r#"{"checks": ["anomaly"]}"#,
            &none,
            JobErrorKind::Reject,
            "correct option `checks`: expected a list of `freshness`".to_owned(),
        ),
        (
            r#"{"rules": "table: a.b\nchecks: [schema: {required: [id]}]"}"#,
            &none,
            JobErrorKind::Halt,
            "give the table its own rules: expected rules for table `test.events`, found rules for `a.b`".to_owned(),
        ),
    ] {
        let error = invoked(event, job).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().starts_with(&text), "{error}\nis not\n{text}");
    }
}

const CHOSEN: &str =
    "checks: [{heartbeat: {last_commit_within: 1m}}, {schema: {required: [id]}}, {row_count: {min: 1}}]";

#[tokio::test(flavor = "multi_thread")]
async fn on_glue_and_s3_the_function_is_set_by_its_environment_and_creates_its_results_table() {
    let server = AwsServer::start().unwrap();
    server.create_bucket("lake").unwrap();
    let (topic, aws) = (server.create_topic("alerts").unwrap(), aws(&server).await);
    let settings = CatalogSettings {
        catalog: CatalogUri::Glue { catalog_id: None },
        name: "unused".to_owned(),
        warehouse: Some("s3://lake/warehouse".to_owned()),
        s3_path_style: true,
    };
    let connection = connect(&settings, Some(&aws)).unwrap();
    let ident = parse_table_name(TABLE).unwrap();
    let table = Table::new(ident.clone(), connection.catalog.clone(), connection.store.clone());
    table.create(definition(events_schema())).await.unwrap();
    let rules = "s3://lake/rules/events.yaml";
    let file_io = connection.store.file_io(rules).unwrap();
    file_io.new_output(rules).unwrap().write(HEARTBEAT.into()).await.unwrap();
    let environment = Environment::of([
        ("TRIBUTARY_RULES", rules),
        ("TRIBUTARY_ALERT_TOPIC", &topic.arn),
        ("TRIBUTARY_RESULTS_TABLE", RESULTS),
    ]);
    let job = <DataQuality as tributary_function::ScheduledJob>::from_environment(&environment, Some(&aws)).unwrap();
    let context = Context::new(job, connection, Some(ident));
    let report = invoke("", far(), NOW_MS, &context).await.unwrap();
    assert_eq!((only(&report).0, report.alerts_sent, report.results_recorded), ("FAIL", 1, 1));
    assert_eq!(
        alerts(&server, &topic)[0].1["alerts"][0]["message"],
        "expected a commit of data within 10m, found none ever"
    );
    let at = TableAt::Glue { endpoint: server.endpoint().to_owned(), table: RESULTS.to_owned() };
    let rows = read_both(&at).unwrap().rows;
    assert_eq!((rows.len(), &rows[0]["status"], &rows[0]["value"]), (1, &json!("FAIL"), &Value::Null));
    assert_eq!(invoke("", far(), NOW_MS + 1, &context).await.unwrap().alerts_sent, 0, "the state is remembered");
}

#[test]
fn a_wrong_setting_is_named() {
    for (name, value) in [("TRIBUTARY_ALERT_TOPIC", "alerts"), ("TRIBUTARY_RESULTS_TABLE", "results")] {
        let environment = Environment::of([(name, value)]);
        let job = <DataQuality as tributary_function::ScheduledJob>::from_environment(&environment, None);
        let error = job.unwrap_err().to_string();
        assert!(error.starts_with(&format!("correct environment variable `{name}`: expected ")), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sample_event_does_what_its_page_says() {
    let lake = lake().await;
    ingest(&lake, 0..10, NOW_MS).await;
    let folder = repo_root().unwrap().join("events/data-quality");
    let job = DataQuality { rules: Some(folder.join("rules.yaml").display().to_string()), ..with_memory() };
    let context = function(&lake, job);
    for (sample, results, recorded) in [("dry-run", 8, 0), ("all", 8, 8), ("often", 2, 2), ("inline-rules", 2, 2)] {
        let report = handled(&folder.join(format!("{sample}.json")), &context).await;
        assert_eq!((report.results.len(), report.results_recorded), (results, recorded), "{sample}");
        assert_eq!((report.checks_errored, report.alerts_sent), (0, 0), "{sample}: {report:?}");
    }
    let samples = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(samples.filter(|path| path.extension().is_some_and(|end| end == "json")).count(), 4);
}

#[test]
fn every_rules_file_of_the_repository_is_read() {
    for file in ["events/data-quality/rules.yaml", "infra/examples/orders-rules.yaml"] {
        let text = std::fs::read_to_string(repo_root().unwrap().join(file)).unwrap();
        let rules = tributary_quality::Rules::from_yaml(&text);
        assert!(rules.is_ok(), "{file}: {rules:?}");
    }
}

async fn handled(sample: &Path, context: &Context<DataQuality>) -> Report {
    let payload = serde_json::from_str(&std::fs::read_to_string(sample).unwrap()).unwrap();
    let mut invocation = lambda_runtime::Context::default();
    // The year 2100.
    invocation.deadline = 4_102_444_800_000;
    tributary_function::handle(lambda_runtime::LambdaEvent::new(payload, invocation), context).await.unwrap()
}
