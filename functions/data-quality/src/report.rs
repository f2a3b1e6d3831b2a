//! What a run found: answer, log line and metrics.

use serde::Serialize;
use tributary_quality::{CheckResult, CheckRun, Status};
use tributary_runtime::{Measurement, Metric, ReportMetrics, Unit};

/// What a run found and did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// Checks that ended PASS.
    pub checks_passed: u64,
    /// Checks that ended WARN.
    pub checks_warned: u64,
    /// Checks that ended FAIL.
    pub checks_failed: u64,
    /// Checks that could not be judged.
    pub checks_errored: u64,
    /// Whether the heartbeat has failed; `None` if it was not checked.
    pub heartbeat_failed: Option<bool>,
    /// Age of the last commit that brought rows, in seconds.
    pub seconds_since_last_commit: Option<f64>,
    /// Age of the newest value, in seconds, of the first freshness check.
    pub data_freshness_seconds: Option<f64>,
    /// Data files read.
    pub files_read: u64,
    /// Rows in them.
    pub rows_read: u64,
    /// Data files left unread.
    pub files_unread: u64,
    /// Alerts published, in one message.
    pub alerts_sent: u64,
    /// Rows appended to the results table.
    pub results_recorded: u64,
    /// What each check found.
    pub results: Vec<CheckResult>,
}

impl Report {
    pub(crate) fn of(run: CheckRun, alerts_sent: u64, results_recorded: u64) -> Self {
        let count = |status| run.results.iter().filter(|result| result.status == status).count() as u64;
        let heartbeat = run.results.iter().find(|result| result.check == "heartbeat");
        Self {
            checks_passed: count(Status::Pass),
            checks_warned: count(Status::Warn),
            checks_failed: count(Status::Fail),
            checks_errored: count(Status::Error),
            heartbeat_failed: heartbeat.map(|result| result.status == Status::Fail),
            seconds_since_last_commit: run.seconds_since_last_commit,
            data_freshness_seconds: run.data_freshness,
            files_read: run.files_read,
            rows_read: run.rows_read,
            files_unread: run.files_unread,
            alerts_sent,
            results_recorded,
            results: run.results,
        }
    }
}

const SECONDS_SINCE_LAST_COMMIT: Metric = Metric {
    name: "SecondsSinceLastCommit",
    unit: Unit::Seconds,
    meaning: "age of the last commit that brought rows; maintenance commits do not count",
};
const DATA_FRESHNESS: Metric = Metric {
    name: "DataFreshness",
    unit: Unit::Seconds,
    meaning: "age of the newest value of the first freshness check's column",
};
const CHECKS_PASSED: Metric = count("ChecksPassed", "checks that ended PASS");
const CHECKS_WARNED: Metric = count("ChecksWarned", "checks that ended WARN");
const CHECKS_FAILED: Metric = count("ChecksFailed", "checks that ended FAIL");
const CHECKS_ERRORED: Metric = count("ChecksErrored", "checks that could not be judged");
const HEARTBEAT_FAILED: Metric =
    count("HeartbeatFailed", "1 if no data was committed lately, or that could not be told; else 0");

const fn count(name: &'static str, meaning: &'static str) -> Metric {
    Metric { name, unit: Unit::Count, meaning }
}

impl ReportMetrics for Report {
    const METRICS: &'static [Metric] = &[
        SECONDS_SINCE_LAST_COMMIT,
        DATA_FRESHNESS,
        CHECKS_PASSED,
        CHECKS_WARNED,
        CHECKS_FAILED,
        CHECKS_ERRORED,
        HEARTBEAT_FAILED,
    ];

    fn measurements(&self) -> Vec<Measurement> {
        let mut measured = vec![
            CHECKS_PASSED.is(self.checks_passed),
            CHECKS_WARNED.is(self.checks_warned),
            CHECKS_FAILED.is(self.checks_failed),
            CHECKS_ERRORED.is(self.checks_errored),
        ];
        measured.extend(self.seconds_since_last_commit.map(|seconds| SECONDS_SINCE_LAST_COMMIT.is(seconds)));
        measured.extend(self.data_freshness_seconds.map(|seconds| DATA_FRESHNESS.is(seconds)));
        measured.extend(self.heartbeat_failed.map(|failed| HEARTBEAT_FAILED.is(failed)));
        measured
    }
}

#[cfg(test)]
mod tests {
    use tributary_function::{check_metrics, check_options};

    use super::*;
    use crate::DataQuality;

    #[test]
    fn options_and_metrics_are_those_declared() {
        check_options::<DataQuality>().unwrap();
        let report = Report {
            heartbeat_failed: Some(true),
            seconds_since_last_commit: Some(960.5),
            data_freshness_seconds: Some(0.5),
            ..Report::default()
        };
        check_metrics(&report).unwrap();
        assert_eq!(report.measurements().len(), Report::METRICS.len());
    }

    #[test]
    fn what_was_not_measured_is_no_metric() {
        let names: Vec<&str> = Report::default().measurements().iter().map(|one| one.metric.name).collect();
        assert_eq!(names, ["ChecksPassed", "ChecksWarned", "ChecksFailed", "ChecksErrored"]);
    }
}
