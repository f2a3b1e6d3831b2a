//! The AWS endpoint of the test ground, by its own measures: it loses no update, and its faults do what they say.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in test functions, but does not see that their helpers are tests as well"
)]

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::{Value, json};
use tributary_testkit::aws::{Fault, FaultMode};
use tributary_testkit::{AwsServer, GroundError, tools};

/// An endpoint with the table `db.t`, whose parameter `count` is 0.
fn with_table() -> AwsServer {
    let server = AwsServer::start().unwrap();
    server.create_database("db").unwrap();
    server.glue("CreateTable", &json!({"DatabaseName": "db", "TableInput": table_input("0")})).unwrap();
    server
}

fn table_input(count: &str) -> Value {
    json!({"Name": "t", "Parameters": {"count": count}, "StorageDescriptor": {"Columns": []}})
}

fn table(server: &AwsServer) -> Value {
    server.glue("GetTable", &json!({"DatabaseName": "db", "Name": "t"})).unwrap()["Table"].clone()
}

fn count(server: &AwsServer) -> Value {
    table(server)["Parameters"]["count"].clone()
}

fn update(server: &AwsServer, count: &str, version: &Value) -> Result<Value, GroundError> {
    let request =
        json!({"DatabaseName": "db", "TableInput": table_input(count), "VersionId": version, "SkipArchive": true});
    server.glue("UpdateTable", &request)
}

fn said(result: Result<Value, GroundError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn an_update_that_names_an_old_version_is_refused() {
    let server = with_table();
    let base = table(&server)["VersionId"].clone();
    update(&server, "1", &base).unwrap();
    let refusal = said(update(&server, "2", &base));
    assert!(refusal.contains("400") && refusal.contains("ConcurrentModificationException"), "{refusal}");
    assert_eq!(count(&server), "1");
}

#[test]
fn an_update_that_names_no_version_overwrites() {
    let server = with_table();
    update(&server, "1", &table(&server)["VersionId"]).unwrap();
    server.glue("UpdateTable", &json!({"DatabaseName": "db", "TableInput": table_input("9")})).unwrap();
    assert_eq!(count(&server), "9");
}

#[test]
fn skip_archive_keeps_no_old_version() {
    let server = with_table();
    for round in 1..=3 {
        update(&server, &round.to_string(), &table(&server)["VersionId"]).unwrap();
    }
    let versions = |server: &AwsServer| {
        let answer = server.glue("GetTableVersions", &json!({"DatabaseName": "db", "TableName": "t"})).unwrap();
        answer["TableVersions"].as_array().unwrap().len()
    };
    assert_eq!(versions(&server), 1);
    server.glue("UpdateTable", &json!({"DatabaseName": "db", "TableInput": table_input("4")})).unwrap();
    assert_eq!(versions(&server), 2);
}

#[test]
fn four_processes_that_race_lose_no_update() {
    const RACERS: usize = 4;
    const INCREMENTS: usize = 25;
    let server = with_table();
    let mut racers: Vec<_> = (0..RACERS).map(|_| Racer::at_the_line(&server, INCREMENTS)).collect();
    for racer in &mut racers {
        racer.child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }
    let conflicts: u64 = racers.into_iter().map(Racer::conflicts).sum();
    assert_eq!(count(&server), (RACERS * INCREMENTS).to_string());
    // Without a conflict the four never met, and nothing was proven.
    assert!(conflicts > 0);
}

/// One process of `race_glue.py`.
struct Racer {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Racer {
    /// Starts a racer and waits until it is ready to run.
    fn at_the_line(server: &AwsServer, increments: usize) -> Self {
        let mut command = tools::script("race_glue.py").unwrap();
        command.args([server.endpoint(), "db", "t", &increments.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        Self { child, lines }
    }

    /// Waits for its end; how many conflicts it met.
    fn conflicts(mut self) -> u64 {
        let conflicts = self.lines.next().unwrap().unwrap().parse().unwrap();
        assert!(self.child.wait().unwrap().success());
        conflicts
    }
}

#[test]
fn a_lost_reply_was_applied() {
    for mode in [FaultMode::LostReply, FaultMode::DroppedReply] {
        let server = with_table();
        server.inject(&Fault::once("UpdateTable", mode)).unwrap();
        let error = said(update(&server, "1", &table(&server)["VersionId"]));
        assert_eq!(error.contains("500"), mode == FaultMode::LostReply, "{error}");
        assert_eq!(count(&server), "1", "{mode:?}");
    }
}

#[test]
fn a_refusal_was_not_applied() {
    let server = with_table();
    let expected = [
        (FaultMode::Conflict, "ConcurrentModificationException"),
        (FaultMode::Throttle, "ThrottlingException"),
        (FaultMode::Unavailable, "InternalServiceException"),
    ];
    for (mode, code) in expected {
        server.inject(&Fault::once("UpdateTable", mode)).unwrap();
        let error = said(update(&server, "1", &table(&server)["VersionId"]));
        assert!(error.contains(code), "{mode:?}: {error}");
        assert_eq!(count(&server), "0", "{mode:?}");
    }
}

#[test]
fn a_fault_hits_only_as_many_calls_as_it_says_after_those_it_lets_pass() {
    let server = with_table();
    server.inject(&Fault::once("UpdateTable", FaultMode::Throttle).after(1).times(2)).unwrap();
    let passed: Vec<bool> =
        (0..4).map(|round| update(&server, &round.to_string(), &table(&server)["VersionId"]).is_ok()).collect();
    assert_eq!(passed, [true, false, false, true]);
    assert_eq!(server.faults_left().unwrap(), 0);
}

#[test]
fn a_fault_can_choose_its_calls_by_their_text_and_be_disarmed() {
    let server = with_table();
    server.inject(&Fault::once("UpdateTable", FaultMode::Conflict).matching("\"another\"")).unwrap();
    update(&server, "1", &table(&server)["VersionId"]).unwrap();
    assert_eq!(server.faults_left().unwrap(), 1);
    server.clear_faults().unwrap();
    assert_eq!(server.faults_left().unwrap(), 0);
}

#[test]
fn a_delayed_call_is_applied_late_and_the_log_tells_how_late() {
    let server = with_table();
    server.inject(&Fault::once("UpdateTable", FaultMode::Delay).delayed(150)).unwrap();
    update(&server, "1", &table(&server)["VersionId"]).unwrap();
    let log = server.call_log().unwrap();
    let call = log.iter().find(|call| call.operation == "UpdateTable").unwrap();
    assert!(call.ended_us.unwrap() - call.started_us >= 150_000, "{call:?}");
    assert_eq!(call.status, Some(200));
}

#[test]
fn calls_are_counted_by_operation_until_the_count_is_reset() {
    let server = with_table();
    server.reset_calls().unwrap();
    let version = table(&server)["VersionId"].clone();
    update(&server, "1", &version).unwrap();
    assert!(update(&server, "2", &version).is_err());
    let calls = server.calls().unwrap();
    assert_eq!(calls, [("GetTable".to_owned(), 1), ("UpdateTable".to_owned(), 2)].into());
}

#[test]
fn a_new_bucket_is_empty_and_a_missing_one_an_error() {
    let server = AwsServer::start().unwrap();
    server.create_bucket("lake").unwrap();
    assert_eq!(server.objects("lake", "").unwrap(), []);
    let error = server.objects("pond", "").unwrap_err().to_string();
    assert!(error.contains("no bucket named `pond`"), "{error}");
}
