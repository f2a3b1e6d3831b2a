//! The scheduled functions on this machine: `tributary compact | expire | orphans | retain | check`.
//!
//! Each command runs the very job of its Lambda function, in this process. Its options are those of the function's event, taken from
//! the one declaration that also documents and checks the event: `--dry-run` here is `{"dry-run": true}` there.

mod arguments;
mod progress;
pub(crate) mod report;

use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use iceberg::TableIdent;
use serde_json::{Map, Value};
use tokio::time::Instant;
use tributary_function::{Age, Invocation, ScheduledJob, parse_event};
use tributary_runtime::Environment;
use tributary_table::format_table_name;

use crate::connection::{CatalogArgs, Opened};
use crate::error::CliError;
use crate::render::Out;

use progress::Bar;

/// Time a job gets when the command line does not say: what the longest Lambda function gets.
const TIME_LIMIT_DEFAULT: Duration = Duration::from_secs(15 * 60);

/// A job as a command: which one, and which of its options the command's name stands for.
pub trait LocalJob {
    /// The job.
    type Job: ScheduledJob;

    /// An option and its value, where several commands run one job.
    const FIXED: Option<(&'static str, &'static str)> = None;

    /// What the command's report says against the table, where finding faults is what the job is for.
    fn faults(_report: &<Self::Job as ScheduledJob>::Report) -> Option<String> {
        None
    }
}

/// `tributary compact`.
#[derive(Debug, Clone, Copy)]
pub struct Compact;

impl LocalJob for Compact {
    type Job = tributary_compaction::Compaction;
}

/// `tributary expire`.
#[derive(Debug, Clone, Copy)]
pub struct Expire;

impl LocalJob for Expire {
    type Job = tributary_snapshot_expiry::SnapshotExpiry;
    const FIXED: Option<(&'static str, &'static str)> = Some(("mode", "expire"));
}

/// `tributary orphans`.
#[derive(Debug, Clone, Copy)]
pub struct Orphans;

impl LocalJob for Orphans {
    type Job = tributary_snapshot_expiry::SnapshotExpiry;
    const FIXED: Option<(&'static str, &'static str)> = Some(("mode", "orphans"));
}

/// `tributary retain`.
#[derive(Debug, Clone, Copy)]
pub struct Retain;

impl LocalJob for Retain {
    type Job = tributary_retention::Retention;
}

/// `tributary check`.
#[derive(Debug, Clone, Copy)]
pub struct Check;

impl LocalJob for Check {
    type Job = tributary_data_quality::DataQuality;

    fn faults(report: &tributary_data_quality::Report) -> Option<String> {
        let (failed, errored) = (report.checks_failed, report.checks_errored);
        // In full: the table of results cuts long cells.
        let faults = report.results.iter().filter(|result| matches!(result.status.as_str(), "FAIL" | "ERROR"));
        let told: Vec<String> = faults.map(|result| format!("{}: {}", result.name(), result.message)).collect();
        let counts = format!("{failed} failed check(s) and {errored} that could not be judged");
        (failed + errored > 0).then(|| format!("{counts}: {}", told.join("; ")))
    }
}

/// One job on one table.
#[derive(Debug, Clone)]
pub struct JobCommand<L> {
    /// The table.
    table: TableIdent,
    /// Options by their names in the event.
    options: Map<String, Value>,
    /// A file with an event, whose options hold where the command line names none.
    event: Option<PathBuf>,
    time_limit: Option<Age>,
    json: bool,
    job: PhantomData<fn() -> L>,
}

impl<L: LocalJob> JobCommand<L> {
    /// Runs the job. `now_ms` is the wall clock, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`CliError`]: why it could not be done, or what it found wrong with the table.
    pub async fn run(self, catalog: &CatalogArgs, now_ms: i64, out: &mut Out<'_>) -> Result<(), CliError> {
        let options = parse_event::<L::Job>(&self.event_json()?)?.options;
        let environment = Environment::of_process();
        let Opened { connection, table, aws } = catalog.open_with_aws(self.table.clone()).await?;
        let job = L::Job::from_environment(&environment, aws.as_ref())?;
        // A table that can't be read is told before anything is begun.
        table.refresh().await?;
        let bar = Arc::new(Bar::new(L::Job::NAME));
        let limit = self.time_limit.map_or(TIME_LIMIT_DEFAULT, Age::duration);
        let (table, progress) = (Arc::new(table), Arc::clone(&bar));
        let invocation = Invocation { table, connection, now_ms, deadline: Instant::now() + limit, progress };
        let done = job.run(options, &invocation).await;
        bar.clear();
        let report = done?;
        match self.json {
            true => out.json(&report)?,
            false => report::show(&format!("{} of {}", L::Job::NAME, format_table_name(&self.table)), &report, out)?,
        }
        L::faults(&report)
            .map_or(Ok(()), |found| Err(CliError::Faults { table: format_table_name(&self.table), found }))
    }

    /// The event that the options make, on top of the file's.
    fn event_json(&self) -> Result<String, CliError> {
        let mut event = match &self.event {
            None => Map::new(),
            Some(path) => {
                let unreadable = |source| CliError::EventFile { path: path.clone(), source };
                let text = std::fs::read_to_string(path).map_err(unreadable)?;
                // Read as the function reads it, for its errors; then merged.
                parse_event::<L::Job>(&text)?;
                serde_json::from_str(&text).unwrap_or_default()
            }
        };
        event.extend(L::FIXED.map(|(name, value)| (name.to_owned(), value.into())));
        event.extend(self.options.clone());
        Ok(Value::Object(event).to_string())
    }
}
