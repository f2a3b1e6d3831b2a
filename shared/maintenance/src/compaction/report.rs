//! What a compaction did.

use serde::{Deserialize, Serialize};
use tributary_runtime::{Measurement, Metric, ReportMetrics, Unit};

/// Reasons a report names at most; the counts beside them are complete.
const REASONS_MAX: usize = 20;

/// What became of files or groups that were not rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftAs {
    /// Groups that could not be rewritten or committed.
    FailedGroups,
    /// Groups that the time did not suffice for.
    RemainingGroups,
    /// Groups beyond the invocation's limits.
    SkippedGroups,
    /// Files that can't be rewritten here.
    UnservedFiles,
}

/// Why something was not rewritten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// What was not.
    pub left: LeftAs,
    /// How many, for this reason.
    pub count: u64,
    /// What to do, and why it was not.
    pub reason: String,
}

/// Counts of one invocation. Files are data files unless said otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompactionReport {
    /// Whether it was only planned: then every group remains.
    pub dry_run: bool,
    /// Files the table had.
    pub files_seen: u64,
    /// Files that can't be rewritten here.
    pub files_unserved: u64,
    /// Groups that were worth rewriting: committed, failed or remaining.
    pub groups_planned: u64,
    /// Groups that were worth it but beyond the invocation's limits.
    pub groups_skipped: u64,
    /// Groups now in the table in their new form.
    pub groups_committed: u64,
    /// Groups that could not be rewritten or committed; their files are as they were.
    pub groups_failed: u64,
    /// Groups that the time did not suffice for.
    pub groups_remaining: u64,
    /// Files that went.
    pub files_rewritten: u64,
    /// Files that came in their place.
    pub files_added: u64,
    /// Delete files that went since nothing needs them any more.
    pub delete_files_removed: u64,
    /// Bytes of the files that went.
    pub bytes_rewritten: u64,
    /// Bytes of the files that came.
    pub bytes_added: u64,
    /// Rows of the files that went, deleted ones included.
    pub rows_rewritten: u64,
    /// Rows that delete files had deleted and that are now gone from the files.
    pub rows_deleted: u64,
    /// Commits made.
    pub commits: u64,
    /// Manifests of the table before.
    pub manifests_before: u64,
    /// Manifests of the table after.
    pub manifests_after: u64,
    /// The last snapshot made.
    pub snapshot_id: Option<i64>,
    /// Why groups failed, remain or were skipped and files were left out: the first 20 reasons.
    pub reasons: Vec<Reason>,
}

const FILES_REWRITTEN: Metric =
    Metric { name: "FilesRewritten", unit: Unit::Count, meaning: "data files replaced by others" };
const FILES_ADDED: Metric =
    Metric { name: "FilesAdded", unit: Unit::Count, meaning: "data files that came in their place" };
const BYTES_REWRITTEN: Metric =
    Metric { name: "BytesRewritten", unit: Unit::Bytes, meaning: "bytes of the data files that were replaced" };
const GROUPS_COMMITTED: Metric =
    Metric { name: "GroupsCommitted", unit: Unit::Count, meaning: "groups of files rewritten and committed" };
const GROUPS_FAILED: Metric = Metric {
    name: "GroupsFailed",
    unit: Unit::Count,
    meaning: "groups of files that could not be rewritten or committed, and stay as they were",
};
const GROUPS_REMAINING: Metric =
    Metric { name: "GroupsRemaining", unit: Unit::Count, meaning: "groups of files that the time did not suffice for" };

impl ReportMetrics for CompactionReport {
    const METRICS: &'static [Metric] =
        &[FILES_REWRITTEN, FILES_ADDED, BYTES_REWRITTEN, GROUPS_COMMITTED, GROUPS_FAILED, GROUPS_REMAINING];

    fn measurements(&self) -> Vec<Measurement> {
        vec![
            FILES_REWRITTEN.is(self.files_rewritten),
            FILES_ADDED.is(self.files_added),
            BYTES_REWRITTEN.is(self.bytes_rewritten),
            GROUPS_COMMITTED.is(self.groups_committed),
            GROUPS_FAILED.is(self.groups_failed),
            GROUPS_REMAINING.is(self.groups_remaining),
        ]
    }
}

impl CompactionReport {
    pub(super) fn because(&mut self, left: LeftAs, count: u64, reason: impl Into<String>) {
        let reason = reason.into();
        let known = self.reasons.iter().position(|known| known.left == left && known.reason == reason);
        match known {
            Some(place) => self.reasons[place].count += count,
            None if self.reasons.len() < REASONS_MAX => self.reasons.push(Reason { left, count, reason }),
            None => {}
        }
    }
}
