//! The report, as answer, log line and metrics.

use serde::Serialize;
use tributary_maintenance::retention::RetentionReport;
use tributary_runtime::{Measurement, Metric, ReportMetrics, Unit};

/// One run, in the words of [`RetentionReport`].
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Report(pub RetentionReport);

const FILES_REMOVED: Metric =
    Metric { name: "FilesRemoved", unit: Unit::Count, meaning: "data files that left the table with their rows" };
const ROWS_EXPIRED: Metric = Metric {
    name: "RowsExpired",
    unit: Unit::Count,
    meaning: "rows of the files that left the table, those that deletes had hidden included",
};
const FILES_STRADDLING: Metric = Metric {
    name: "FilesStraddling",
    unit: Unit::Count,
    meaning: "data files that stay although some of their rows are past",
};

impl ReportMetrics for Report {
    const METRICS: &'static [Metric] = &[FILES_REMOVED, ROWS_EXPIRED, FILES_STRADDLING];

    fn measurements(&self) -> Vec<Measurement> {
        vec![
            FILES_REMOVED.is(self.0.files_removed),
            ROWS_EXPIRED.is(self.0.rows_expired),
            FILES_STRADDLING.is(self.0.files_straddling),
        ]
    }
}
