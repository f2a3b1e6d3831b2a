//! The retention function: rows past their time leave the table, by whole files.
//!
//! event -> options -> rules -> [`retain`] -> report. What goes and what stays is decided in `tributary_maintenance::retention`.

mod options;
mod report;

use std::time::Duration;

use aws_config::SdkConfig;
use tributary_function::{Invocation, JobError, ScheduledJob};
use tributary_maintenance::retention::{RetentionError, retain};
use tributary_runtime::{ConfigError, Environment, EventOption};

pub use options::{OptionError, RetentionOptions};
pub use report::Report;

/// The job; it has no settings of its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Retention;

impl ScheduledJob for Retention {
    const NAME: &'static str = "retention";
    const OPTIONS: &'static [EventOption] = options::DOCUMENTED;

    type Options = RetentionOptions;
    type Report = Report;

    fn from_environment(_environment: &Environment, _aws: Option<&SdkConfig>) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    async fn run(&self, options: RetentionOptions, invocation: &Invocation) -> Result<Report, JobError> {
        let margin = Duration::from_millis(options.deadline_margin_ms.into());
        let rules = options.rules().map_err(JobError::reject)?;
        let done = retain(&invocation.table, &rules, invocation.now_ms, invocation.stop_at(margin)).await;
        done.map(Report).map_err(job_error)
    }
}

fn job_error(error: RetentionError) -> JobError {
    match error {
        RetentionError::Table(error) => error.into(),
        RetentionError::Column { .. } => JobError::reject(error),
        RetentionError::TooMuch { .. } => JobError::halt(error),
        RetentionError::ColumnReplaced { .. } | RetentionError::Moved { .. } => JobError::retry(error),
    }
}

#[cfg(test)]
mod tests {
    use tributary_function::{check_metrics, check_options};

    use super::*;

    #[test]
    fn the_declared_options_and_metrics_are_those_there_are() {
        check_options::<Retention>().unwrap();
        check_metrics(&Report::default()).unwrap();
    }
}
