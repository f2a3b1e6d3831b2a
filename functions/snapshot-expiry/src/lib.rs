//! The snapshot-expiry function: snapshots that nobody needs go, with the files that only they reached; and, as a mode of its own,
//! files in storage that nothing reaches.
//!
//! options -> checked -> `tributary_maintenance::{expiry, orphans}` -> report

mod options;
mod report;

use std::time::Duration;

use aws_config::SdkConfig;
use tributary_function::{Invocation, JobError, ScheduledJob};
use tributary_maintenance::expiry::expire;
use tributary_maintenance::file_removal::{RemovalError, RemovalErrorKind, Work};
use tributary_maintenance::orphans::remove_orphans;
use tributary_runtime::{ConfigError, Environment, EventOption};

pub use options::{Mode, OPTIONS, Options};
pub use report::Report;

/// The job; it has no settings or clients of its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct SnapshotExpiry;

impl ScheduledJob for SnapshotExpiry {
    const NAME: &'static str = "snapshot-expiry";
    const OPTIONS: &'static [EventOption] = OPTIONS;
    type Options = Options;
    type Report = Report;

    fn from_environment(_environment: &Environment, _aws: Option<&SdkConfig>) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    async fn run(&self, options: Options, invocation: &Invocation) -> Result<Report, JobError> {
        let work = Work {
            table: &invocation.table,
            now_ms: invocation.now_ms,
            stop_at: invocation.stop_at(Duration::from_millis(options.deadline_margin_ms)),
            deadline: invocation.deadline,
            progress: invocation.progress.as_ref(),
        };
        let done = match options.mode {
            Mode::Expire => expire(&options.expiry(work.now_ms)?, work).await.map(Report::Expire),
            Mode::Orphans => remove_orphans(&options.orphans(work.now_ms)?, work).await.map(Report::Orphans),
        };
        done.map_err(job_error)
    }
}

fn job_error(error: RemovalError) -> JobError {
    match error.kind() {
        RemovalErrorKind::Retry => JobError::retry(error),
        RemovalErrorKind::Reject => JobError::reject(error),
        RemovalErrorKind::Halt => JobError::halt(error),
    }
}
