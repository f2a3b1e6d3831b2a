//! The compaction function: many small files become few of the right length, with the same rows (INV-5).
//!
//! event -> options -> [`compact`] -> report. What is rewritten, and how, is decided in `tributary_maintenance::compaction`.

use aws_config::SdkConfig;
use tributary_function::{Invocation, JobError, ScheduledJob};
use tributary_maintenance::compaction::{
    COMPACTION_OPTIONS, CompactionError, CompactionOptions, CompactionReport, CompactionRequest, compact,
};
use tributary_runtime::{ConfigError, Environment, EventOption};
use tributary_table::Remedy;

/// The job; it has no settings of its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Compaction;

impl ScheduledJob for Compaction {
    const NAME: &'static str = "compaction";
    const OPTIONS: &'static [EventOption] = COMPACTION_OPTIONS;

    type Options = CompactionOptions;
    type Report = CompactionReport;

    fn from_environment(_environment: &Environment, _aws: Option<&SdkConfig>) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    async fn run(&self, options: CompactionOptions, invocation: &Invocation) -> Result<CompactionReport, JobError> {
        let Invocation { table, now_ms, deadline, progress, .. } = invocation;
        let request = CompactionRequest {
            table,
            options: &options,
            now_ms: *now_ms,
            deadline: *deadline,
            progress: progress.as_ref(),
        };
        compact(request).await.map_err(job_error)
    }
}

fn job_error(error: CompactionError) -> JobError {
    match error.remedy() {
        None => JobError::reject(error),
        Some(Remedy::Retry) => JobError::retry(error),
        Some(Remedy::Halt) => JobError::halt(error),
    }
}

#[cfg(test)]
mod tests {
    use tributary_function::{check_metrics, check_options, parse_event};

    use super::*;

    #[test]
    fn the_declared_options_and_metrics_are_those_there_are() {
        check_options::<Compaction>().unwrap();
        check_metrics(&CompactionReport::default()).unwrap();
    }

    #[test]
    fn options_that_are_not_served_are_refused_by_name() {
        for (event, name) in [
            (r#"{"where": "id > 3"}"#, "`where`"),
            (r#"{"output-spec-id": 1}"#, "`output-spec-id`"),
            (r#"{"strategy": "zorder"}"#, "`strategy`"),
            (r#"{"min-input-files": -1}"#, "`min-input-files`"),
            (r#"{"rewrite-job-order": "fastest"}"#, "`rewrite-job-order`"),
        ] {
            let error = parse_event::<Compaction>(event).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
