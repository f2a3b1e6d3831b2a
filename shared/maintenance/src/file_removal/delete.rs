//! Deletes what nothing reaches, by whole requests, until the deadline.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;
use tributary_table::{Deletion, format_table_name};

use super::{PathSet, RemovalError, Work};

/// Files of one request: S3's own bound.
const BATCH_FILES_MAX: usize = 1000;
/// Refusals shown in the log; the report counts all.
const REFUSALS_LOGGED_MAX: usize = 10;

/// Deletes files of one table.
pub(crate) struct Removal<'a> {
    pub(crate) work: Work<'a>,
    /// Everything the table reaches.
    pub(crate) reached: &'a PathSet,
    /// Requests under way at the same time.
    pub(crate) concurrency: usize,
}

/// What became of files that were to be deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Removed {
    /// How many are gone.
    pub(crate) deleted: u64,
    /// How many storage refused to delete.
    pub(crate) refused: u64,
    /// How many were not tried, for want of time.
    pub(crate) remaining: u64,
}

impl Removal<'_> {
    /// Deletes `locations`, in batches begun before the time to stop. A file that stays is an orphan for orphan removal.
    ///
    /// # Errors
    /// [`RemovalError::Reachable`], with nothing deleted, if the table reaches one of them (INV-4).
    pub(crate) async fn delete(&self, locations: &[String]) -> Result<Removed, RemovalError> {
        // The other side of the planning's own comparison: whatever went wrong there, no file in use goes.
        if let Some(reached) = locations.iter().find(|location| self.reached.contains(location)) {
            let table = format_table_name(self.work.table.ident());
            return Err(RemovalError::Reachable { table, location: reached.clone() });
        }
        self.work.progress.expect(locations.len() as u64, "files");
        let (mut waiting, mut running) = (locations.chunks(BATCH_FILES_MAX), FuturesUnordered::new());
        let mut removed = Removed::default();
        loop {
            while running.len() < self.concurrency.max(1)
                && Instant::now() < self.work.stop_at
                && let Some(batch) = waiting.next()
            {
                running.push(self.work.table.store().delete(batch));
            }
            let Some(outcomes) = running.next().await else { break };
            self.work.progress.advance(outcomes.len() as u64);
            removed.add(outcomes);
        }
        removed.remaining = waiting.map(|batch| batch.len() as u64).sum();
        Ok(removed)
    }
}

impl Removed {
    fn add(&mut self, outcomes: Vec<Deletion>) {
        for Deletion { location, refused } in outcomes {
            match refused {
                None => self.deleted += 1,
                Some(reason) => {
                    self.refused += 1;
                    if self.refused <= REFUSALS_LOGGED_MAX as u64 {
                        tracing::warn!(
                            location,
                            reason,
                            "storage refused to delete a file: it stays behind as an orphan"
                        );
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tributary_runtime::NoProgress;
    use tributary_table::{ObjectStore, SqliteCatalog, Table, parse_table_name};

    use super::*;

    struct Ground {
        folder: tempfile::TempDir,
        table: Table,
    }

    impl Ground {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let catalog = SqliteCatalog::open(&folder.path().join("catalog.db"), "local", None).unwrap();
            let table = Table::new(parse_table_name("a.b").unwrap(), Arc::new(catalog), ObjectStore::local());
            Self { folder, table }
        }

        fn files(&self, count: usize) -> Vec<String> {
            let write = |index: usize| {
                let path = self.folder.path().join(format!("{index}.parquet"));
                std::fs::write(&path, "").unwrap();
                format!("file://{}", path.display())
            };
            (0..count).map(write).collect()
        }

        async fn delete(&self, files: &[String], reached: &PathSet, stop_at: Instant) -> Result<Removed, RemovalError> {
            let deadline = Instant::now() + Duration::from_secs(60);
            let work = Work { table: &self.table, now_ms: 0, stop_at, deadline, progress: &NoProgress };
            Removal { work, reached, concurrency: 2 }.delete(files).await
        }

        fn left(&self) -> usize {
            let entries = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
            entries.filter(|name| name.to_string_lossy().ends_with(".parquet")).count()
        }
    }

    fn far() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn whatever_was_planned_a_file_in_use_stops_the_deletion_before_it_begins() {
        let ground = Ground::new();
        let files = ground.files(3);
        let mut reached = PathSet::default();
        // Under another spelling.
        reached.insert(files[2].trim_start_matches("file://"));
        let error = ground.delete(&files, &reached, far()).await.unwrap_err();
        assert!(matches!(&error, RemovalError::Reachable { location, .. } if *location == files[2]), "{error}");
        assert_eq!(ground.left(), 3);
    }

    #[tokio::test]
    async fn every_batch_goes_and_without_time_none_begins() {
        let ground = Ground::new();
        let files = ground.files(2 * BATCH_FILES_MAX + 1);
        let late = ground.delete(&files, &PathSet::default(), Instant::now()).await.unwrap();
        assert_eq!(late, Removed { remaining: files.len() as u64, ..Removed::default() });
        assert_eq!(ground.left(), files.len());
        let removed = ground.delete(&files, &PathSet::default(), far()).await.unwrap();
        assert_eq!((removed.deleted, removed.remaining, ground.left()), (files.len() as u64, 0, 0));
    }
}
