//! `cargo lambda watch` and `cargo lambda invoke`, as the README has them.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::collections::BTreeSet;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tributary_testkit::{read_both, repo_root, tools_dir};
use tributary_tests::{LocalLake, TABLE, definition, events_schema, ids};

/// The emulator builds the function at the first invocation, in minutes on a machine that has built nothing yet.
const FIRST_ANSWER_MAX: Duration = Duration::from_secs(1500);

/// The emulator, ended with this value; it ends its function with itself.
struct Watch(Child);

impl Drop for Watch {
    fn drop(&mut self) {
        // Not a kill: on an interrupt it ends the function's process too.
        let _asked = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
        let _status = self.0.wait();
    }
}

fn cargo_lambda(arguments: &[&str], port: u16) -> Command {
    let mut command = Command::new(tools_dir().unwrap().join("venv/bin/cargo-lambda"));
    command.arg("lambda").args(arguments).args(["-A", "127.0.0.1", "-P", &port.to_string()]);
    command.current_dir(repo_root().unwrap());
    command
}

/// Where the function's standard output goes, as Lambda takes it to CloudWatch Logs.
fn output_file(lake: &LocalLake) -> PathBuf {
    lake.folder().join("stdout.log")
}

/// The lines in embedded metric format among the function's output.
fn metric_lines(lake: &LocalLake) -> Vec<Value> {
    let output = std::fs::read_to_string(output_file(lake)).unwrap();
    let objects = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    objects.filter(|object| object["_aws"]["CloudWatchMetrics"].is_array()).collect()
}

fn watch(lake: &LocalLake, port: u16) -> Watch {
    let mut command = cargo_lambda(&["watch", "--ignore-changes"], port);
    command
        .env("TRIBUTARY_TABLE", TABLE)
        .env("TRIBUTARY_CATALOG", format!("sqlite:{}", lake.folder().join("catalog.db").display()))
        .env_remove("AWS_REGION")
        .stdout(File::create(output_file(lake)).unwrap());
    Watch(command.spawn().unwrap())
}

/// Invokes a function with a sample and returns what was printed on standard output and error.
fn invoke(function: &str, sample: &str, port: u16) -> (bool, String) {
    let file = format!("events/{function}/{sample}.json");
    let done = cargo_lambda(&["invoke", function, "--data-file", &file], port).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    (done.status.success(), text)
}

fn first_answer(function: &str, sample: &str, port: u16) -> Value {
    let begun = Instant::now();
    loop {
        match invoke(function, sample, port) {
            (true, answer) => return serde_json::from_str(answer.trim()).unwrap(),
            (false, text) => assert!(begun.elapsed() < FIRST_ANSWER_MAX, "no answer in time: {text}"),
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_samples_run_under_cargo_lambda() {
    let lake = LocalLake::new();
    lake.table().create(definition(events_schema())).await.unwrap();
    // Free a moment ago; a port of its own choice the emulator would not tell.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _watch = watch(&lake, port);
    assert!(Path::new(&repo_root().unwrap()).join("events/ingest/one-row.json").is_file());

    let report = first_answer("ingest", "one-row", port);
    assert_eq!((&report["rows_in"], &report["rows_committed"]), (&Value::from(1), &Value::from(1)));
    let (_, again) = invoke("ingest", "redelivered", port);
    let again: Value = serde_json::from_str(again.trim()).unwrap();
    assert_eq!((&again["rows_committed"], &again["rows_redelivered"]), (&Value::from(0), &Value::from(1)));
    // The tool breaks lines to the terminal's width and draws a frame.
    let (_, poison) = invoke("ingest", "poison", port);
    let poison = poison.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ");
    for named in ["Reject", "offset 1 of partition 0", "`poison`", "column `amount`", "12.345"] {
        assert!(poison.contains(named), "`{named}` is not in: {poison}");
    }
    assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), [1, 500, 510, 511]);
    // One line an invocation, the failed one's too.
    let metrics = metric_lines(&lake);
    let of_all = |metric: &str| metrics.iter().map(|line| line[metric].as_u64().unwrap()).collect::<Vec<_>>();
    assert_eq!((of_all("RowsCommitted"), of_all("RowsRejected")), (vec![1, 0, 3], vec![0, 0, 1]), "{metrics:?}");
    assert!(metrics.iter().all(|line| line["Table"] == TABLE && line["Function"] == "ingest"), "{metrics:?}");

    scheduled_functions_answer(port);
    assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), [1, 500, 510, 511]);
    let metrics = metric_lines(&lake);
    let of_functions: BTreeSet<&str> = metrics.iter().filter_map(|line| line["Function"].as_str()).collect();
    assert_eq!(
        of_functions.into_iter().collect::<Vec<_>>(),
        ["compaction", "data-quality", "ingest", "retention", "snapshot-expiry"]
    );
}

/// Each scheduled function, with a sample whose answer is known on the table that ingest has made.
fn scheduled_functions_answer(port: u16) {
    let compacted = first_answer("compaction", "bounded", port);
    assert_eq!((&compacted["files_rewritten"], &compacted["files_added"]), (&json!(2), &json!(1)), "{compacted}");
    let expired = first_answer("snapshot-expiry", "default", port);
    assert_eq!((&expired["outcome"], &expired["files_deleted"]), (&json!("nothing-to-do"), &json!(0)), "{expired}");
    let retained = first_answer("retention", "dry-run", port);
    assert_eq!((&retained["dry_run"], &retained["files"]), (&json!(true), &json!(1)), "{retained}");
    let checked = first_answer("data-quality", "inline-rules", port);
    assert_eq!(checked["results"].as_array().map(Vec::len), Some(2), "{checked}");
}
