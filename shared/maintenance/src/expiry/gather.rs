//! The files that become unreachable: reachable before minus reachable after, whole.
//!
//! Read once before the commit, so that a table too large for the time left is not changed; and brought up to the table as it
//! stands after the commit, before anything is deleted. Data files are compared only if some manifest goes: a file that only
//! manifests in use name is in use.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use iceberg::spec::{SnapshotRef, TableMetadata};
use tributary_table::TableState;

use super::plan::ExpiryPlan;
use crate::file_removal::{Kind, PathSet, Reader, RemovalError, named_in_metadata};

/// What the snapshots that stay reach, and what else those that go do.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) reached: PathSet,
    candidates: BTreeMap<Kind, BTreeSet<String>>,
    /// Snapshots whose files are in `reached`.
    read: HashSet<i64>,
    /// The partition specs that their manifests were written by.
    specs: BTreeSet<i32>,
}

impl Gathered {
    /// Reads what stays and what goes by a plan.
    pub(super) async fn read(reader: &Reader<'_>, state: &TableState, plan: &ExpiryPlan) -> Result<Self, RemovalError> {
        let all = state.metadata().snapshots().cloned();
        let (goes, stays): (Vec<_>, Vec<_>) = all.partition(|snapshot| plan.expired.contains(&snapshot.snapshot_id()));
        let mut gathered = Self::default();
        let kept_manifests = gathered.keep(reader, state, &stays).await?;
        gathered.condemn(reader, state, &goes).await?;
        for (snapshot_id, path) in statistics(state.metadata()) {
            match plan.expired.contains(&snapshot_id) {
                true => gathered.candidate(Kind::Statistics, path),
                false => drop(gathered.reached.insert(path)),
            }
        }
        gathered.keep_files(reader, state, &kept_manifests).await?;
        Ok(gathered)
    }

    /// Adds everything that the table, as it stands, reaches.
    pub(super) async fn extend(&mut self, reader: &Reader<'_>, fresh: &TableState) -> Result<(), RemovalError> {
        for (_, path) in named_in_metadata(fresh) {
            self.reached.insert(path);
        }
        let is_new = |snapshot: &&SnapshotRef| !self.read.contains(&snapshot.snapshot_id());
        let new: Vec<SnapshotRef> = fresh.metadata().snapshots().filter(is_new).cloned().collect();
        let manifests = self.keep(reader, fresh, &new).await?;
        self.keep_files(reader, fresh, &manifests).await
    }

    /// A file that goes unless something reaches it.
    pub(super) fn candidate(&mut self, kind: Kind, path: &str) {
        self.candidates.entry(kind).or_default().insert(path.to_owned());
    }

    /// The files nothing reaches, in the order in which they are to be deleted.
    pub(super) fn unreachable(&self) -> BTreeMap<Kind, Vec<String>> {
        let of_kind = |paths: &BTreeSet<String>| -> Vec<String> {
            paths.iter().filter(|path| !self.reached.contains(path)).cloned().collect()
        };
        let all = self.candidates.iter().map(|(kind, paths)| (*kind, of_kind(paths)));
        all.filter(|(_, paths)| !paths.is_empty()).collect()
    }

    /// The partition specs that manifests of these snapshots were written by; `None` where one of them was not read.
    pub(super) fn specs_of(&self, mut snapshots: impl Iterator<Item = i64>) -> Option<&BTreeSet<i32>> {
        snapshots.all(|id| self.read.contains(&id)).then_some(&self.specs)
    }

    /// Reads the manifest lists of snapshots that stay. Returns the manifests that were not known before.
    async fn keep(
        &mut self,
        reader: &Reader<'_>,
        state: &TableState,
        snapshots: &[SnapshotRef],
    ) -> Result<Vec<iceberg::spec::ManifestFile>, RemovalError> {
        let (mut reached, mut specs) = (std::mem::take(&mut self.reached), std::mem::take(&mut self.specs));
        let manifests = reader
            .manifests(state, snapshots, &mut reached, |_, manifests| {
                specs.extend(manifests.iter().map(|manifest| manifest.partition_spec_id));
            })
            .await?;
        for snapshot in snapshots {
            reached.insert(snapshot.manifest_list());
            self.read.insert(snapshot.snapshot_id());
        }
        (self.reached, self.specs) = (reached, specs);
        Ok(manifests)
    }

    async fn keep_files(
        &mut self,
        reader: &Reader<'_>,
        state: &TableState,
        manifests: &[iceberg::spec::ManifestFile],
    ) -> Result<(), RemovalError> {
        let goes = |kind: Kind| self.candidates.get(&kind).is_some_and(|paths| !paths.is_empty());
        if !goes(Kind::Data) && !goes(Kind::Deletes) {
            return Ok(());
        }
        let reached = &mut self.reached;
        reader
            .files(state, manifests, |_, _, path| {
                reached.insert(path);
                Ok(())
            })
            .await
    }

    /// Reads what the snapshots that go reach and those that stay do not. What is gone already, by an expiry that another
    /// writer's commit undid, is left out.
    async fn condemn(
        &mut self,
        reader: &Reader<'_>,
        state: &TableState,
        snapshots: &[SnapshotRef],
    ) -> Result<(), RemovalError> {
        let reader = Reader { skips_missing: true, ..*reader };
        let mut seen = PathSet::default();
        let manifests = reader.manifests(state, snapshots, &mut seen, |_, _| {}).await?;
        let goes: Vec<_> =
            manifests.into_iter().filter(|manifest| !self.reached.contains(&manifest.manifest_path)).collect();
        reader
            .files(state, &goes, |_, kind, path| {
                self.candidate(kind, path);
                Ok(())
            })
            .await?;
        for manifest in &goes {
            self.candidate(Kind::Manifest, &manifest.manifest_path);
        }
        for snapshot in snapshots {
            self.candidate(Kind::ManifestList, snapshot.manifest_list());
        }
        Ok(())
    }
}

/// The statistics files and partition statistics files, each with its snapshot.
pub(super) fn statistics(metadata: &TableMetadata) -> impl Iterator<Item = (i64, &str)> {
    let whole = metadata.statistics_iter().map(|file| (file.snapshot_id, file.statistics_path.as_str()));
    whole.chain(metadata.partition_statistics_iter().map(|file| (file.snapshot_id, file.statistics_path.as_str())))
}
