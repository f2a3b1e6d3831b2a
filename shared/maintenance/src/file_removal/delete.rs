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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Removed {
    /// Gone.
    pub(crate) deleted: Vec<String>,
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
                None => self.deleted.push(location),
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
