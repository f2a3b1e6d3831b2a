//! What a run did, what it left, and why.

use serde::Serialize;

use super::plan::Plan;
use crate::time::TimePoint;

/// One run of retention. Counts are of the table's live data files; rows count as their files hold them, also those that delete files
/// hide.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RetentionReport {
    /// Whether nothing was to be removed.
    pub dry_run: bool,
    /// The newest value not in the future, RFC 3339; `None` where age was measured from the clock, or no file tells.
    pub newest: Option<String>,
    /// Rows before it are past, RFC 3339; `None` where there was nothing to measure from.
    pub cutoff: Option<String>,
    /// Data files of the table.
    pub files: u64,
    /// Rows of these files.
    pub rows: u64,
    /// Files all of whose rows are past, and that the level reaches.
    pub files_past: u64,
    /// Rows of these files.
    pub rows_past: u64,
    /// Their part of the table's rows.
    pub removed_ratio: f64,
    /// Whether that is more than one run may remove; only a dry run reports it, any other fails.
    pub exceeds_max_removed_ratio: bool,
    /// Data files removed from the table. They stay in storage until snapshot expiry deletes them.
    pub files_removed: u64,
    /// Rows of these files.
    pub rows_expired: u64,
    /// Bytes of these files.
    pub bytes_removed: u64,
    /// Partitions that files were removed from.
    pub partitions_touched: u64,
    /// Delete files removed, since they applied to nothing else.
    pub delete_files_removed: u64,
    /// Delete files that may name removed rows and stay, since they may name others too. They do no harm.
    pub delete_files_left: u64,
    /// Files past that remain: of a dry run, or because the deadline was near.
    pub files_remaining: u64,
    /// Files with past rows that stay, since other rows in them are not past, or the level does not reach them.
    pub files_straddling: u64,
    /// Rows of these files.
    pub rows_straddling: u64,
    /// Their oldest value, RFC 3339.
    pub oldest_straddling: Option<String>,
    /// Files that stay because a row in them may have no time.
    pub files_with_nulls: u64,
    /// Rows of these files.
    pub rows_with_nulls: u64,
    /// Files that stay because their manifest entries have neither bounds nor a partition of the column.
    pub files_unknown: u64,
    /// Rows of these files.
    pub rows_unknown: u64,
    /// The snapshot that removed them.
    pub snapshot_id: Option<i64>,
    /// How many attempts the commit took.
    pub commit_attempts: u32,
    /// Why nothing was done, where there was something to do.
    pub skipped: Option<String>,
}

impl RetentionReport {
    /// A run that has planned and not acted.
    pub(super) fn planned(plan: &Plan, newest: Option<TimePoint>, cutoff: TimePoint) -> Self {
        Self {
            newest: text(newest),
            cutoff: text(Some(cutoff)),
            files: plan.all.files,
            rows: plan.all.rows,
            files_past: plan.past.files,
            rows_past: plan.past.rows,
            removed_ratio: ratio(plan.past.rows, plan.all.rows),
            partitions_touched: 0,
            delete_files_left: 0,
            files_remaining: plan.past.files,
            files_straddling: plan.straddling.files,
            rows_straddling: plan.straddling.rows,
            oldest_straddling: text(plan.oldest_straddling),
            files_with_nulls: plan.with_nulls.files,
            rows_with_nulls: plan.with_nulls.rows,
            files_unknown: plan.unknown.files,
            rows_unknown: plan.unknown.rows,
            ..Self::default()
        }
    }

    /// The same, its plan committed.
    pub(super) fn committed(self, plan: &Plan, snapshot_id: i64, commit_attempts: u32) -> Self {
        Self {
            files_removed: plan.past.files,
            rows_expired: plan.past.rows,
            bytes_removed: plan.past.bytes,
            partitions_touched: plan.partitions,
            delete_files_removed: plan.delete_files_going,
            delete_files_left: plan.delete_files_left,
            files_remaining: 0,
            snapshot_id: Some(snapshot_id),
            commit_attempts,
            ..self
        }
    }

    /// The same, with the reason why nothing was done.
    pub(super) fn skipped(self, reason: impl Into<String>) -> Self {
        Self { skipped: Some(reason.into()), ..self }
    }
}

pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn text(point: Option<TimePoint>) -> Option<String> {
    point.map(|point| point.to_string())
}
