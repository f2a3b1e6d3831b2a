//! Deletes what nothing reaches, by whole requests, until the deadline.

use futures::{StreamExt, stream};
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
        self.work.progress.total(locations.len() as u64);
        let batches = locations.chunks(BATCH_FILES_MAX).map(|batch| async move {
            match Instant::now() < self.work.stop_at {
                true => Ok(self.work.table.store().delete(batch).await),
                false => Err(batch.len() as u64),
            }
        });
        let mut batches = stream::iter(batches).buffer_unordered(self.concurrency.max(1));
        let mut removed = Removed::default();
        while let Some(batch) = batches.next().await {
            match batch {
                Ok(outcomes) => {
                    self.work.progress.done(outcomes.len() as u64);
                    removed.add(outcomes);
                }
                Err(untried) => removed.remaining += untried,
            }
        }
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
