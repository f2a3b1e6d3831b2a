//! The answer and its metrics.

use serde::Serialize;
use tributary_maintenance::expiry::{ExpiryOutcome, ExpiryReport};
use tributary_maintenance::orphans::{OrphansOutcome, OrphansReport};
use tributary_runtime::{Measurement, Metric, ReportMetrics, Unit};

const SNAPSHOTS_EXPIRED: Metric = Metric {
    name: "SnapshotsExpired",
    unit: Unit::Count,
    meaning: "snapshots removed from the table's metadata; measured in mode `expire`",
};
const FILES_DELETED: Metric = Metric {
    name: "FilesDeleted",
    unit: Unit::Count,
    meaning: "files deleted that only expired snapshots reached; measured in mode `expire`",
};
const ORPHANS_FOUND: Metric = Metric {
    name: "OrphansFound",
    unit: Unit::Count,
    meaning: "files that nothing reaches, deleted or not; measured in mode `orphans`",
};
const ORPHANS_DELETED: Metric = Metric {
    name: "OrphansDeleted",
    unit: Unit::Count,
    meaning: "files deleted that nothing reached; measured in mode `orphans`, but for dry runs",
};

/// What an invocation did, by its mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Report {
    /// Snapshots expired.
    Expire(ExpiryReport),
    /// Orphan files.
    Orphans(OrphansReport),
}

impl ReportMetrics for Report {
    const METRICS: &'static [Metric] = &[SNAPSHOTS_EXPIRED, FILES_DELETED, ORPHANS_FOUND, ORPHANS_DELETED];

    fn measurements(&self) -> Vec<Measurement> {
        match self {
            Self::Expire(report) if report.outcome == ExpiryOutcome::DryRun => Vec::new(),
            Self::Expire(report) => {
                vec![SNAPSHOTS_EXPIRED.is(report.snapshots_expired), FILES_DELETED.is(report.files_deleted)]
            }
            Self::Orphans(report) => {
                let deleted =
                    (report.outcome != OrphansOutcome::DryRun).then(|| ORPHANS_DELETED.is(report.files_deleted));
                [ORPHANS_FOUND.is(report.orphans_found)].into_iter().chain(deleted).collect()
            }
        }
    }
}
