//! What an expiry did.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::file_removal::{Kind, Removed};

/// How an expiry ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExpiryOutcome {
    /// Snapshots, refs, schemas or specs were removed.
    Expired,
    /// There is nothing to remove.
    NothingToDo,
    /// Fewer snapshots than `min-snapshots-to-expire`.
    TooFew,
    /// The counts are what would be removed.
    DryRun,
}

/// What an expiry did. Files of any kind: `data_files + delete_files + statistics_files + manifests + manifest_lists +
/// metadata_files` became unreachable, of which `files_deleted + files_refused + files_outside + files_remaining`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExpiryReport {
    /// Always `expire`.
    pub mode: &'static str,
    /// How it ended.
    pub outcome: ExpiryOutcome,
    /// Snapshots removed from the table's metadata.
    pub snapshots_expired: u64,
    /// Snapshots that are left.
    pub snapshots_kept: u64,
    /// Snapshots that would have gone if the checkpoint were not judged by them.
    pub snapshots_kept_for_checkpoint: u64,
    /// Branches and tags removed.
    pub refs_removed: u64,
    /// Schemas removed.
    pub schemas_removed: u64,
    /// Partition specs removed.
    pub specs_removed: u64,
    /// Data files that became unreachable.
    pub data_files: u64,
    /// Delete files that became unreachable.
    pub delete_files: u64,
    /// Statistics files that became unreachable, those of partitions included.
    pub statistics_files: u64,
    /// Manifests that became unreachable.
    pub manifests: u64,
    /// Manifest lists that became unreachable.
    pub manifest_lists: u64,
    /// Metadata files that fell off the metadata log, where the table asks for their deletion.
    pub metadata_files: u64,
    /// Files deleted.
    pub files_deleted: u64,
    /// Files that storage refused to delete; they are orphans now.
    pub files_refused: u64,
    /// Files that lie in none of the table's folders and may belong to others; they stay.
    pub files_outside: u64,
    /// Files there was no time for; they are orphans now.
    pub files_remaining: u64,
}

impl ExpiryReport {
    pub(super) fn new(snapshots: usize) -> Self {
        Self {
            mode: "expire",
            outcome: ExpiryOutcome::NothingToDo,
            snapshots_expired: 0,
            snapshots_kept: snapshots as u64,
            snapshots_kept_for_checkpoint: 0,
            refs_removed: 0,
            schemas_removed: 0,
            specs_removed: 0,
            data_files: 0,
            delete_files: 0,
            statistics_files: 0,
            manifests: 0,
            manifest_lists: 0,
            metadata_files: 0,
            files_deleted: 0,
            files_refused: 0,
            files_outside: 0,
            files_remaining: 0,
        }
    }

    pub(super) fn count(&mut self, unreachable: &BTreeMap<Kind, Vec<String>>) {
        let count = |kind: Kind| unreachable.get(&kind).map_or(0, |paths| paths.len() as u64);
        self.data_files = count(Kind::Data);
        self.delete_files = count(Kind::Deletes);
        self.statistics_files = count(Kind::Statistics);
        self.manifests = count(Kind::Manifest);
        self.manifest_lists = count(Kind::ManifestList);
        self.metadata_files = count(Kind::Metadata);
    }

    pub(super) fn add(&mut self, removed: &Removed) {
        self.files_deleted += removed.deleted;
        self.files_refused += removed.refused;
        self.files_remaining += removed.remaining;
    }
}
