//! The commit: optimistic, in two round trips when nobody else commits, never wrong when somebody does.
//!
//! Each attempt puts its files in one parallel wave, then swaps the pointer. What the swap's answer means:
//!
//! | answer | then |
//! |---|---|
//! | swapped | committed |
//! | conflict | read the table; if it holds our change after all (a lost reply), committed; else delete this attempt's metadata, wait, and try on the table as it stands then |
//! | unknown | read the table before anything else (INV-6); if it holds our change, committed; else try on what is there and delete nothing, since the request may still land |
//! | refused | nothing was changed: delete what was written, report |
//!
//! A late request can never commit twice: every attempt swaps from a version that its predecessor,
//! had it landed, would have replaced, and each re-read looks for the change first.

use std::time::Duration;

use bytes::Bytes;
use futures::future::{join_all, try_join_all};
use iceberg::spec::{ManifestFile, TableMetadata};
use tokio::time::Instant;

use crate::catalog::{Swap, display};
use crate::error::{Blame, Remedy, TableError};
use crate::metadata_file::NewMetadata;
use crate::state::TableState;
use crate::table::Table;

/// Attempts beyond the first when the table does not say (`commit.retry.num-retries`): more than Iceberg's 4, since one
/// ingest function runs per Kafka partition and all of them commit to one table.
const RETRIES_DEFAULT: u32 = 20;
const WAIT_MIN_DEFAULT: Duration = Duration::from_millis(50);
const WAIT_MAX_DEFAULT: Duration = Duration::from_secs(5);
/// Wait between reads of a table that does not answer.
const RELOAD_WAIT: Duration = Duration::from_millis(200);

/// Bounds of one commit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    retries_max: u32,
    wait_min: Duration,
    wait_max: Duration,
    deadline: Instant,
}

impl Limits {
    /// The table's `commit.retry.*` properties, and the caller's deadline.
    pub(crate) fn of_table(metadata: &TableMetadata, deadline: Instant) -> Self {
        let number = |property: &str| metadata.properties().get(property).and_then(|text| text.parse::<u64>().ok());
        let millis = |property: &str| number(property).map(Duration::from_millis);
        let retries = number("commit.retry.num-retries").and_then(|retries| u32::try_from(retries).ok());
        let total = millis("commit.retry.total-timeout-ms").map(|total| Instant::now() + total);
        Self {
            retries_max: retries.unwrap_or(RETRIES_DEFAULT),
            wait_min: millis("commit.retry.min-wait-ms").unwrap_or(WAIT_MIN_DEFAULT),
            wait_max: millis("commit.retry.max-wait-ms").unwrap_or(WAIT_MAX_DEFAULT),
            deadline: total.map_or(deadline, |total| total.min(deadline)),
        }
    }

    /// How long to wait before the attempt after `attempt` (from 1): exponential with full jitter, so that writers that
    /// collided once spread out.
    fn wait(&self, attempt: u32) -> Duration {
        let doubled = self.wait_min.saturating_mul(1 << attempt.min(16));
        doubled.min(self.wait_max).mul_f64(fastrand::f64())
    }
}

/// One attempt's metadata and files.
pub(crate) struct Attempt {
    pub(crate) new: NewMetadata,
    /// The manifests the new head has.
    pub(crate) manifests: Vec<ManifestFile>,
    /// Files of this attempt alone: deleted when it is lost.
    pub(crate) own_files: Vec<(String, Bytes)>,
}

/// What a settled attempt leaves.
pub(crate) enum Settled {
    /// The change is in the table, which now stands so.
    Landed(TableState),
    /// Somebody else was faster; the table now stands so.
    Lost(TableState),
}

/// The course of one commit over its attempts.
pub(crate) struct Course<'a> {
    table: &'a Table,
    limits: Limits,
    /// Files every attempt shares (data files, their manifest); put with the first.
    shared_files: Vec<(String, Bytes)>,
    shared_paths: Vec<String>,
    attempts: u32,
    /// Whether some request may still land: then nothing may be deleted.
    outcome_open: bool,
}

impl<'a> Course<'a> {
    /// `shared_files` are put with the first attempt; `written` are in storage already, and go if the commit is given up.
    pub(crate) fn new(
        table: &'a Table,
        limits: Limits,
        shared_files: Vec<(String, Bytes)>,
        written: Vec<String>,
    ) -> Self {
        let shared_paths = shared_files.iter().map(|(path, _)| path.clone()).chain(written).collect();
        Self { table, limits, shared_files, shared_paths, attempts: 0, outcome_open: false }
    }

    /// How many attempts were made.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Makes one attempt from `base` and settles its outcome; `landed` recognises the change in a table read again.
    pub(crate) async fn attempt(
        &mut self,
        base: &TableState,
        attempt: Attempt,
        landed: impl Fn(&TableState) -> bool,
    ) -> Result<Settled, TableError> {
        self.attempts += 1;
        let ident = self.table.ident();
        let own_paths = self.put(base, &attempt).await?;
        let NewMetadata { metadata, location, expired, .. } = attempt.new;
        match self.table.catalog().swap(ident, &base.pointer, &location, &metadata).await {
            Ok(Swap::Swapped) => {
                let state = self.table.after_swap(base, &location, metadata, attempt.manifests).await?;
                self.delete(base, &expired).await;
                Ok(Settled::Landed(state))
            }
            Ok(Swap::Conflict) => {
                // It may be the echo of our own request: until the table is read, nothing may be deleted.
                let was_open = std::mem::replace(&mut self.outcome_open, true);
                let now = self.reload("a conflict").await?;
                self.outcome_open = was_open;
                if landed(&now) {
                    return Ok(Settled::Landed(now));
                }
                if !self.outcome_open {
                    self.delete(base, &own_paths).await;
                }
                self.lost(now, landed).await
            }
            Ok(Swap::Unknown { reason }) => {
                tracing::warn!(table = %display(ident), reason, "commit outcome unknown: reading the table again");
                self.outcome_open = true;
                let now = self.reload(&reason).await?;
                if landed(&now) {
                    return Ok(Settled::Landed(now));
                }
                self.lost(now, landed).await
            }
            Err(refused) => {
                if !self.outcome_open {
                    self.delete(base, &own_paths).await;
                }
                self.abandon(base).await;
                Err(refused.into())
            }
        }
    }

    /// Deletes the shared files after the commit was given up for good, unless some request may still land.
    pub(crate) async fn abandon(&mut self, base: &TableState) {
        if !self.outcome_open {
            let paths = std::mem::take(&mut self.shared_paths);
            self.delete(base, &paths).await;
        }
    }

    /// Puts everything not in storage yet in one parallel wave. Returns the paths of this attempt's own files.
    async fn put(&mut self, base: &TableState, attempt: &Attempt) -> Result<Vec<String>, TableError> {
        let metadata_file = (attempt.new.location.clone(), attempt.new.bytes.clone());
        let own: Vec<(String, Bytes)> = attempt.own_files.iter().cloned().chain([metadata_file]).collect();
        let own_paths: Vec<String> = own.iter().map(|(path, _)| path.clone()).collect();
        let shared = std::mem::take(&mut self.shared_files);
        let puts = shared
            .into_iter()
            .chain(own)
            .map(|(path, bytes)| async move { base.file_io.new_output(&path)?.write(bytes).await });
        if let Err(source) = try_join_all(puts).await {
            if !self.outcome_open {
                self.delete(base, &own_paths).await;
                self.abandon(base).await;
            }
            return Err(Blame(self.table.ident()).storage("write a file of the commit")(source));
        }
        Ok(own_paths)
    }

    /// Another writer was faster: waits, and fails when the bounds are reached.
    async fn lost(&mut self, now: TableState, landed: impl Fn(&TableState) -> bool) -> Result<Settled, TableError> {
        let wait = self.limits.wait(self.attempts);
        if self.attempts > self.limits.retries_max || Instant::now() + wait >= self.limits.deadline {
            self.abandon(&now).await;
            if self.outcome_open {
                let reason = format!("no answer to an attempt, then conflicts, in {} attempts", self.attempts);
                return Err(TableError::OutcomeUnknown { table: display(self.table.ident()), reason });
            }
            return Err(TableError::Contended { table: display(self.table.ident()), attempts: self.attempts });
        }
        tracing::info!(table = %display(self.table.ident()), attempt = self.attempts, wait_ms = wait.as_millis(), "commit conflict: trying again");
        tokio::time::sleep(wait).await;
        // Whatever others committed during the wait, a base from before it would lose to. If the table can't be read, that base is
        // still a safe one; and a request whose outcome was open may have landed meanwhile.
        let now = self.table.refresh().await.unwrap_or(now);
        Ok(if landed(&now) { Settled::Landed(now) } else { Settled::Lost(now) })
    }

    /// Reads the table again, as often as the deadline allows: without it nothing may be concluded.
    async fn reload(&self, after: &str) -> Result<TableState, TableError> {
        loop {
            match self.table.refresh().await {
                Ok(state) => return Ok(state),
                Err(error) if error.remedy() == Remedy::Halt => return Err(error),
                Err(error) if Instant::now() + RELOAD_WAIT >= self.limits.deadline => {
                    let reason = format!("{after}, then {error}");
                    return Err(TableError::OutcomeUnknown { table: display(self.table.ident()), reason });
                }
                Err(error) => {
                    tracing::warn!(table = %display(self.table.ident()), %error, "reading the table again");
                    tokio::time::sleep(RELOAD_WAIT).await;
                }
            }
        }
    }

    /// Best effort: a file that stays is an orphan for the orphan removal, no error of this commit.
    async fn delete(&self, base: &TableState, paths: &[String]) {
        let deletes = paths.iter().map(|path| async move { (path, base.file_io.delete(path).await) });
        for (path, done) in join_all(deletes).await {
            if let Err(error) = done {
                tracing::warn!(path, %error, "a file of a lost attempt stays behind");
            }
        }
    }
}
