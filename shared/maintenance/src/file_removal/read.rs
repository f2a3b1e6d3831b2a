//! Reads what snapshots reach: each manifest list and each manifest once, some at a time, kept by fingerprint alone.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use iceberg::spec::{DataContentType, ManifestFile, SnapshotRef};
use tokio::time::Instant;
use tributary_table::{LiveFile, Table, TableError, TableState, format_table_name};

use super::{Kind, PathSet, RemovalError};

/// Manifest lists or manifests read at the same time: enough to hide S3's latency, few enough to hold in memory.
const READS_AT_ONCE_MAX: usize = 16;

/// What a metadata file names itself: the metadata files of its log and its own, and statistics. Manifest lists are left to the
/// snapshots.
pub(crate) fn named_in_metadata(state: &TableState) -> impl Iterator<Item = (Kind, &str)> {
    let metadata = state.metadata();
    let log = metadata.metadata_log().iter().map(|log| (Kind::Metadata, log.metadata_file.as_str()));
    let statistics = metadata.statistics_iter().map(|file| (Kind::Statistics, file.statistics_path.as_str()));
    let of_partitions =
        metadata.partition_statistics_iter().map(|file| (Kind::Statistics, file.statistics_path.as_str()));
    [(Kind::Metadata, state.metadata_location())].into_iter().chain(log).chain(statistics).chain(of_partitions)
}

/// Reads manifest lists and manifests of one table until a time.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) table: &'a Table,
    pub(crate) stop_at: Instant,
    /// What else helps when there is no time.
    pub(crate) remedy: &'static str,
    /// Whether a file that is not in storage is left out; otherwise it is an error.
    pub(crate) skips_missing: bool,
}

impl Reader<'_> {
    pub(crate) fn out_of_time(&self, step: &'static str) -> RemovalError {
        RemovalError::OutOfTime { table: format_table_name(self.table.ident()), step, remedy: self.remedy }
    }

    /// The manifests that the snapshots list and `known` does not hold yet, each once; `each` sees every list's manifests.
    pub(crate) async fn manifests(
        &self,
        state: &TableState,
        snapshots: &[SnapshotRef],
        known: &mut PathSet,
        mut each: impl FnMut(&SnapshotRef, &[ManifestFile]),
    ) -> Result<Vec<ManifestFile>, RemovalError> {
        let (mut waiting, mut running) = (snapshots.iter(), FuturesUnordered::new());
        let mut found = Vec::new();
        loop {
            // Not a stream of closures: the compiler could not show that the whole may move between threads.
            while running.len() < READS_AT_ONCE_MAX
                && let Some(snapshot) = waiting.next()
            {
                running.push(self.list_of(state, snapshot));
            }
            let Some((snapshot, manifests)) = running.next().await.transpose()? else { return Ok(found) };
            if Instant::now() >= self.stop_at {
                return Err(self.out_of_time("reading the manifest lists"));
            }
            each(snapshot, &manifests);
            found.extend(manifests.into_iter().filter(|manifest| known.insert(&manifest.manifest_path)));
        }
    }

    async fn list_of<'s>(
        &self,
        state: &TableState,
        snapshot: &'s SnapshotRef,
    ) -> Result<(&'s SnapshotRef, Vec<ManifestFile>), RemovalError> {
        let read = self.table.manifests_of(state, snapshot).await;
        Ok((snapshot, self.unless_missing(snapshot.manifest_list(), read).await?))
    }

    /// Every live file of the manifests, to `each`.
    pub(crate) async fn files(
        &self,
        state: &TableState,
        manifests: &[ManifestFile],
        mut each: impl FnMut(&ManifestFile, Kind, &str) -> Result<(), RemovalError>,
    ) -> Result<(), RemovalError> {
        let (mut waiting, mut running) = (manifests.iter(), FuturesUnordered::new());
        loop {
            while running.len() < READS_AT_ONCE_MAX
                && let Some(manifest) = waiting.next()
            {
                running.push(self.files_of(state, manifest));
            }
            let Some((manifest, files)) = running.next().await.transpose()? else { return Ok(()) };
            if Instant::now() >= self.stop_at {
                return Err(self.out_of_time("reading the manifests"));
            }
            for file in files {
                let kind = match file.content() {
                    DataContentType::Data => Kind::Data,
                    DataContentType::PositionDeletes | DataContentType::EqualityDeletes => Kind::Deletes,
                };
                each(manifest, kind, file.path())?;
            }
        }
    }

    async fn files_of<'m>(
        &self,
        state: &TableState,
        manifest: &'m ManifestFile,
    ) -> Result<(&'m ManifestFile, Vec<LiveFile>), RemovalError> {
        let read = self.table.live_files_of(state, manifest).await;
        Ok((manifest, self.unless_missing(&manifest.manifest_path, read).await?))
    }

    /// What was read of a file, or nothing if it is gone and may be.
    async fn unless_missing<T>(
        &self,
        location: &str,
        read: Result<Vec<T>, TableError>,
    ) -> Result<Vec<T>, RemovalError> {
        let error = match read {
            Ok(read) => return Ok(read),
            Err(error) => error,
        };
        match self.skips_missing && matches!(self.table.store().exists(location).await, Ok(false)) {
            true => {
                tracing::warn!(location, "a file of an expired snapshot is gone already");
                Ok(Vec::new())
            }
            false => Err(error.into()),
        }
    }
}
