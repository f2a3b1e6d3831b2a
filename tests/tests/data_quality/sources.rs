//! Where rules come from and results go to: events, files, S3, Glue, and the readers of the results table.

use std::path::Path;

use serde_json::{Value, json};
use tributary_data_quality::{DataQuality, Report};
use tributary_function::{Context, JobErrorKind, ScheduledJob, invoke};
use tributary_runtime::Environment;
use tributary_table::{CatalogSettings, CatalogUri, Table, connect, parse_table_name};
use tributary_testkit::{AwsServer, TableAt, read_both, repo_root};
use tributary_tests::{LocalLake, TABLE, definition, events_schema, far};

use crate::alerts::{alerts, aws};
use crate::ground::{HEARTBEAT, NOW_MS, RESULTS, function, ingest, lake, only, run, with_memory};

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
    let job = DataQuality::from_environment(&environment, Some(&aws)).unwrap();
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
        let job = DataQuality::from_environment(&environment, None);
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
