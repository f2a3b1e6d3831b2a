//! Who is told of what, and when.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use serde_json::{Value, json};
use tributary_data_quality::{DataQuality, Topic};
use tributary_function::{JobErrorKind, invoke};
use tributary_runtime::{ReportMetrics, embedded_metric_lines};
use tributary_testkit::aws::{Fault, FaultMode};
use tributary_testkit::{AwsServer, SubscribedTopic};
use tributary_tests::{LocalLake, TABLE, far};

use crate::ground::{HEARTBEAT, MINUTE_MS, NOW_MS, compact, function, ingest, lake, only, run, with_memory};

pub(crate) async fn aws(server: &AwsServer) -> SdkConfig {
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
pub(crate) fn alerts(server: &AwsServer, topic: &SubscribedTopic) -> Vec<(String, Value)> {
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
