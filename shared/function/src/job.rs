//! What a scheduled function is: a job with options and a report.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tributary_runtime::{ConfigError, Environment, EventOption, Progress, ReportMetrics, Setting};
use tributary_table::{Connection, Table};

use crate::error::JobError;

/// A job that a schedule starts: options in, report out.
///
/// The type itself is what a cold start builds and every invocation uses again: the job's own settings and clients.
pub trait ScheduledJob: Send + Sync + Sized + 'static {
    /// Name of the Lambda function, its crate's folder and its binary, such as `compaction`.
    const NAME: &'static str;

    /// Settings beyond the common ones.
    const SETTINGS: &'static [Setting] = &[];

    /// Documentation of every option except `table`, which all jobs have; [`crate::check_options`] compares it with
    /// [`Self::Options`].
    const OPTIONS: &'static [EventOption];

    /// What an event asks for: a flat struct with serde's `rename_all = "kebab-case"`, `deny_unknown_fields` and `default`,
    /// whose fields are all written (no `skip_serializing_if`). An option whose default depends on the table is an `Option`.
    type Options: DeserializeOwned + Serialize + Default + Send;

    /// What an invocation did: a flat struct of counts. It is the answer, the log line and the metrics.
    type Report: Serialize + ReportMetrics + Send;

    /// Reads the job's own settings and builds its own clients. `aws` is `None` where no AWS region is configured.
    ///
    /// # Errors
    /// The first setting that is missing or wrong.
    fn from_environment(environment: &Environment, aws: Option<&SdkConfig>) -> Result<Self, ConfigError>;

    /// Does the job on one table, whole units of work until the deadline.
    ///
    /// # Errors
    /// A [`JobError`] says by its kind whether another invocation can do better.
    fn run(
        &self,
        options: Self::Options,
        invocation: &Invocation,
    ) -> impl Future<Output = Result<Self::Report, JobError>> + Send;
}

/// What a job works on and how long it may; made by the Lambda handler, or by a local command.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The table; nothing of it has been read yet, unless a warm function kept it.
    pub table: Arc<Table>,
    /// Catalog and store, to open further tables.
    pub connection: Connection,
    /// Now, in milliseconds since the epoch: the one clock reading of the invocation.
    pub now_ms: i64,
    /// When the answer must be there; what it takes to give it is already kept back.
    pub deadline: Instant,
    /// Who is told how far the job has come.
    pub progress: Arc<dyn Progress>,
}

impl Invocation {
    /// When to begin no further unit of work: the deadline less the job's own margin (its option `deadline-margin-ms`).
    pub fn stop_at(&self, margin: Duration) -> Instant {
        self.deadline.checked_sub(margin).unwrap_or_else(Instant::now)
    }
}
