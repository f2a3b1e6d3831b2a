//! The function's metrics: name, unit and meaning.

use tributary_runtime::{Measurement, Metric, ReportMetrics, Unit};

use crate::report::Report;

const ROWS_IN: Metric =
    Metric { name: "RowsIn", unit: Unit::Count, meaning: "records in the event; the sum of the next four" };
const ROWS_COMMITTED: Metric = Metric { name: "RowsCommitted", unit: Unit::Count, meaning: "rows added to the table" };
const ROWS_REDELIVERED: Metric = Metric {
    name: "RowsRedelivered",
    unit: Unit::Count,
    meaning: "records dropped since the table holds them already",
};
const ROWS_REJECTED: Metric = Metric {
    name: "RowsRejected",
    unit: Unit::Count,
    meaning: "records that can't be rows of the table, each halting its partition",
};
const ROWS_HELD: Metric =
    Metric { name: "RowsHeld", unit: Unit::Count, meaning: "records waiting behind a rejected one" };
const OFFSET_GAP: Metric = Metric {
    name: "OffsetGap",
    unit: Unit::Count,
    meaning: "offsets missing between the checkpoint and the event; transactions, log compaction and topic retention make gaps",
};
const ROWS_HEALED: Metric = Metric {
    name: "RowsHealed",
    unit: Unit::Count,
    meaning: "rows put back after another writer had overwritten their commit",
};
const DATA_FILES_WRITTEN: Metric =
    Metric { name: "DataFilesWritten", unit: Unit::Count, meaning: "data files added to the table" };
const COMMIT_ATTEMPTS: Metric = Metric {
    name: "CommitAttempts",
    unit: Unit::Count,
    meaning: "attempts the commit took; measured when there was something to commit",
};
const COMMIT_DURATION: Metric = Metric {
    name: "CommitDuration",
    unit: Unit::Milliseconds,
    meaning: "time from data files in memory to the catalog's answer, all attempts together; measured as `CommitAttempts` is",
};
const DATA_FRESHNESS: Metric = Metric {
    name: "DataFreshness",
    unit: Unit::Seconds,
    meaning: "age of the newest committed record at the snapshot's time: that time less the greatest Kafka timestamp committed; \
              measured when rows were committed",
};

impl ReportMetrics for Report {
    const METRICS: &'static [Metric] = &[
        ROWS_IN,
        ROWS_COMMITTED,
        ROWS_REDELIVERED,
        ROWS_REJECTED,
        ROWS_HELD,
        OFFSET_GAP,
        ROWS_HEALED,
        DATA_FILES_WRITTEN,
        COMMIT_ATTEMPTS,
        COMMIT_DURATION,
        DATA_FRESHNESS,
    ];

    fn measurements(&self) -> Vec<Measurement> {
        let mut measurements = vec![
            ROWS_IN.is(self.rows_in),
            ROWS_COMMITTED.is(self.rows_committed),
            ROWS_REDELIVERED.is(self.rows_redelivered),
            ROWS_REJECTED.is(self.rows_rejected),
            ROWS_HELD.is(self.rows_held),
            OFFSET_GAP.is(self.offset_gap),
            ROWS_HEALED.is(self.rows_healed),
            DATA_FILES_WRITTEN.is(self.data_files),
        ];
        if self.commit_attempts > 0 {
            measurements.push(COMMIT_ATTEMPTS.is(self.commit_attempts));
            measurements.push(COMMIT_DURATION.is(self.commit_duration_ms));
        }
        measurements.extend(self.data_freshness_ms.map(|ms| DATA_FRESHNESS.is(ms as f64 / 1000.0)));
        measurements
    }
}

#[cfg(test)]
mod tests {
    use tributary_function::check_metrics;
    use tributary_runtime::MetricValue;

    use super::*;

    #[test]
    fn a_commit_measures_every_declared_metric_once() {
        let report = Report { commit_attempts: 1, data_freshness_ms: Some(1500), ..Report::default() };
        check_metrics(&report).unwrap();
        assert_eq!(report.measurements().len(), Report::METRICS.len());
        assert!(report.measurements().contains(&DATA_FRESHNESS.is(MetricValue::Real(1.5))));
    }

    #[test]
    fn what_was_not_measured_is_left_out_and_not_zero() {
        let names: Vec<&str> = Report::default().measurements().iter().map(|one| one.metric.name).collect();
        for absent in ["CommitAttempts", "CommitDuration", "DataFreshness"] {
            assert!(!names.contains(&absent), "{absent}");
        }
    }
}
