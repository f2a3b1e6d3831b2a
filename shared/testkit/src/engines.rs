//! Two large engines that write Iceberg tables themselves, Spark and Trino, each a session that takes SQL.
//!
//! They read and write what is in Glue and S3 of one [`crate::AwsServer`]; both call that catalog `lake`. Answers have the
//! canonical form of [`crate::readers`]. They come from `tests/tools/setup spark` and `setup trino`, which `make interop` runs
//! first: they are large and slow to start, so `make test` does without them.

use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::process::Managed;
use crate::readers::TableRows;
use crate::tools::{GroundError, python, script_by, tools_dir};

/// A JVM with many jars takes ten seconds to start, some times as long on a busy machine.
const START_WAIT_MAX: Duration = Duration::from_secs(300);
/// The tests' statements take seconds; only a hanging engine takes longer than this.
const SQL_WAIT_MAX: Duration = Duration::from_secs(300);
/// How much of a refused statement an error shows: some are generated, and long.
const SQL_SHOWN_CHARS_MAX: usize = 300;

/// A running engine and the one session with it. It ends with everything it made locally when this is dropped.
#[derive(Debug)]
pub struct SqlEngine {
    name: &'static str,
    /// None after an exchange that was not completed: a late answer must not be taken for the next statement's.
    process: Mutex<Option<Managed>>,
}

impl SqlEngine {
    /// Starts Spark in one JVM, on the AWS endpoint at `endpoint`; it takes statements when this returns.
    ///
    /// # Errors
    /// [`GroundError::EngineNotInstalled`] before `tests/tools/setup spark`; [`GroundError::Process`] when it does not come up.
    pub fn spark(endpoint: &str) -> Result<Self, GroundError> {
        installed("spark")?;
        let python = tools_dir()?.join("spark-venv/bin/python");
        Self::start("spark", script_by(&python, "spark_session.py")?, endpoint)
    }

    /// Starts a Trino server of one node, on the AWS endpoint at `endpoint`; it takes statements when this returns.
    ///
    /// # Errors
    /// [`GroundError::EngineNotInstalled`] before `tests/tools/setup trino`; [`GroundError::Process`] when it does not come up.
    pub fn trino(endpoint: &str) -> Result<Self, GroundError> {
        installed("trino")?;
        Self::start("trino", script_by(&python()?, "trino_session.py")?, endpoint)
    }

    fn start(name: &'static str, mut command: Command, endpoint: &str) -> Result<Self, GroundError> {
        command.arg(endpoint);
        let process = Managed::spawn(name, command)?;
        let line = process.next_line(START_WAIT_MAX)?;
        if line != r#"{"ready": true}"# {
            return Err(process.failed(format!("expected to be told that it is ready, found `{line}`")));
        }
        Ok(Self { name, process: Mutex::new(Some(process)) })
    }

    /// `spark` or `trino`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Runs one statement and returns its rows; a statement without an answer has neither columns nor rows.
    ///
    /// Statements of several threads take turns.
    ///
    /// # Errors
    /// [`GroundError::Refused`] with the engine's words; [`GroundError::Process`] when it ended or does not answer.
    pub fn sql(&self, sql: &str) -> Result<TableRows, GroundError> {
        self.ask(&json!({"sql": sql}), sql)
    }

    /// Deletes by an equality delete file, as Flink does, the rows of `table` (`namespace.name`) that in `columns` equal one of
    /// those that `condition` keeps. Columns of integers and text, the sources of the partitioning among them.
    ///
    /// Spark alone: it brings the library to write such a file, though no statement of its own does.
    ///
    /// # Errors
    /// As [`Self::sql`].
    pub fn delete_by_equality(&self, table: &str, columns: &[&str], condition: &str) -> Result<(), GroundError> {
        let request = json!({"delete_by_equality": table, "columns": columns, "condition": condition});
        self.ask(&request, &format!("equality delete of {condition}")).map(drop)
    }

    fn ask(&self, request: &Value, shown: &str) -> Result<TableRows, GroundError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Answer {
            Ok(TableRows),
            Error(String),
        }
        let refused = |message: String| GroundError::Refused {
            engine: self.name,
            sql: shown.chars().take(SQL_SHOWN_CHARS_MAX).collect(),
            message,
        };
        let line = self.exchange(&request.to_string()).map_err(|error| match error {
            Some(error) => error,
            None => refused("an earlier statement was never answered".to_owned()),
        })?;
        match serde_json::from_str(&line) {
            Ok(Answer::Ok(rows)) => Ok(rows),
            Ok(Answer::Error(message)) => Err(refused(message)),
            Err(error) => Err(refused(format!("no answer, but `{line}`: {error}"))),
        }
    }

    /// Sends one request and takes its reply. No error is inside the error when the engine can't be asked any more.
    fn exchange(&self, request: &str) -> Result<String, Option<GroundError>> {
        let mut held = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let mut process = held.take().ok_or(None)?;
        process.send_line(request)?;
        let reply = process.next_line(SQL_WAIT_MAX)?;
        *held = Some(process);
        Ok(reply)
    }

    /// All rows of `table` (`namespace.name`), or those that `filter_sql` keeps.
    ///
    /// # Errors
    /// As [`Self::sql`].
    pub fn rows(&self, table: &str, filter_sql: Option<&str>) -> Result<TableRows, GroundError> {
        let condition = filter_sql.map(|filter| format!(" WHERE {filter}")).unwrap_or_default();
        self.sql(&format!("SELECT * FROM lake.{table}{condition}"))
    }
}

/// Refuses an engine whose setup did not come to its end.
fn installed(engine: &'static str) -> Result<(), GroundError> {
    let path = tools_dir()?.join(format!("{engine}.done"));
    if path.exists() { Ok(()) } else { Err(GroundError::EngineNotInstalled { engine, path }) }
}
