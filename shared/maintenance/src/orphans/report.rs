//! What a search for orphan files found and did.

use serde::Serialize;

use super::plan::OrphanPlan;
use crate::file_removal::Removed;

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrphansOutcome {
    /// Orphans were deleted, as far as the counts say.
    Removed,
    /// There are none.
    NothingToDo,
    /// They were looked for only.
    DryRun,
}

/// What a search found and did. `files_listed = files_needed + files_too_young + files_passed_over + orphans_found`, and of the
/// orphans found `orphans_spared + files_deleted + files_refused + files_remaining` (all 0 in a dry run).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrphansReport {
    /// Always `orphans`.
    pub mode: &'static str,
    /// How it ended.
    pub outcome: OrphansOutcome,
    /// Files in storage.
    pub files_listed: u64,
    /// Their size.
    pub bytes_listed: u64,
    /// Files in storage that the table needs.
    pub files_needed: u64,
    /// Files that nothing needs, and that may yet be committed.
    pub files_too_young: u64,
    /// Files that are none of Iceberg's (hidden ones, S3's folder marks), which are left alone.
    pub files_passed_over: u64,
    /// Files of the metadata log that are not in storage: no harm, but nothing can read the table's old metadata there.
    pub old_metadata_missing: u64,
    /// Folders that the table's properties send files to, and that were not looked at, since they lie elsewhere.
    pub folders_not_listed: u64,
    /// Orphans.
    pub orphans_found: u64,
    /// Their size.
    pub orphan_bytes: u64,
    /// Orphans that were committed before they could be deleted.
    pub orphans_spared: u64,
    /// Files deleted.
    pub files_deleted: u64,
    /// Files that storage refused to delete.
    pub files_refused: u64,
    /// Files there was no time for.
    pub files_remaining: u64,
    /// The first of the orphans, by location.
    pub sample: Vec<String>,
}

/// Orphans shown in a report.
const SAMPLE_FILES_MAX: usize = 10;

impl OrphansReport {
    pub(super) fn of(plan: &OrphanPlan, folders_not_listed: u64) -> Self {
        let sample = plan.orphans.iter().take(SAMPLE_FILES_MAX).map(|file| file.location.clone());
        Self {
            mode: "orphans",
            outcome: if plan.orphans.is_empty() { OrphansOutcome::NothingToDo } else { OrphansOutcome::DryRun },
            files_listed: plan.listed,
            bytes_listed: plan.listed_bytes,
            files_needed: plan.needed,
            files_too_young: plan.too_young,
            files_passed_over: plan.passed_over,
            old_metadata_missing: plan.old_metadata_missing,
            folders_not_listed,
            orphans_found: plan.orphans.len() as u64,
            orphan_bytes: plan.orphans.iter().map(|file| file.size_bytes).sum(),
            orphans_spared: 0,
            files_deleted: 0,
            files_refused: 0,
            files_remaining: 0,
            sample: sample.collect(),
        }
    }

    pub(super) fn removed(&mut self, removed: &Removed, spared: u64) {
        self.outcome = OrphansOutcome::Removed;
        self.orphans_spared = spared;
        self.files_deleted = removed.deleted;
        self.files_refused = removed.refused;
        self.files_remaining = removed.remaining;
    }
}
