//! Groups that were rewritten go into the table, with the delete files that nothing needs any more.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use iceberg::spec::{DataContentType, DataFile};
use tokio::time::Instant;
use tributary_table::{DescribedFiles, LiveFile, Replaced, RewriteRequest, TableError};

use super::report::{CompactionReport, LeftAs};
use super::rewrite::{Rewrite, Rewritten};

/// Groups that are committed as one.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) groups: usize,
    /// Places of the files that go.
    files: Vec<usize>,
    added: Option<DescribedFiles>,
    rows_read: u64,
    rows_deleted: u64,
    named: BTreeMap<String, BTreeSet<String>>,
}

impl Batch {
    pub(crate) fn push(&mut self, group: Rewritten) {
        self.groups += 1;
        self.files.extend(group.files);
        self.rows_read += group.rows_read;
        self.rows_deleted += group.rows_deleted;
        self.named.extend(group.named);
        match &mut self.added {
            // All by the schema and spec of one state.
            Some(added) => added.files.extend(group.added.files),
            None => self.added = Some(group.added),
        }
    }
}

/// The commits of a compaction.
pub(crate) struct Commits<'a> {
    pub(crate) rewrite: &'a Rewrite<'a>,
    pub(crate) now_ms: i64,
    pub(crate) deadline: Instant,
}

impl Commits<'_> {
    /// Commits a batch, or finds that other writers got ahead of it: then its groups failed.
    ///
    /// # Errors
    /// What concerns the whole table: no group after this one would fare better.
    pub(crate) async fn commit(&self, batch: Batch, report: &mut CompactionReport) -> Result<(), TableError> {
        let Rewrite { table, state, survey, .. } = *self.rewrite;
        let gone: Vec<LiveFile> = batch.files.iter().map(|place| survey.live[*place].clone()).collect();
        let deletes = match self.needless_deletes(&batch, &gone).await {
            Ok(deletes) => deletes,
            Err(error) => {
                self.discard(batch).await;
                return Err(error);
            }
        };
        let added = batch.added.unwrap_or_else(|| DescribedFiles::none(state.metadata()));
        let done = Done {
            groups: batch.groups as u64,
            rows_read: batch.rows_read,
            rows_deleted: batch.rows_deleted,
            files_added: added.files.len() as u64,
            bytes_added: added.files.iter().map(DataFile::file_size_in_bytes).sum(),
        };
        let removed = gone.into_iter().chain(deletes).collect();
        let request = RewriteRequest { start: state, removed, added, now_ms: self.now_ms, deadline: self.deadline };
        match table.rewrite(request).await? {
            Replaced::Committed { snapshot_id, removed, .. } => done.committed(snapshot_id, &removed, report),
            Replaced::Unchanged { .. } => {}
            Replaced::Invalidated { reason, .. } => {
                tracing::warn!(%reason, groups = done.groups, "another writer got ahead of a rewrite");
                report.groups_failed += done.groups;
                report.because(LeftAs::FailedGroups, done.groups, reason.to_string());
            }
        }
        Ok(())
    }

    /// Gives up a batch that will not be committed.
    pub(crate) async fn discard(&self, batch: Batch) {
        if let Some(added) = &batch.added {
            self.rewrite.table.discard_files(self.rewrite.state, added).await;
        }
    }

    /// The delete files that apply to nothing once `gone` are gone, by what the table holds now.
    async fn needless_deletes(&self, batch: &Batch, gone: &[LiveFile]) -> Result<Vec<LiveFile>, TableError> {
        let applied = self.rewrite.survey.deletes_of(&batch.files);
        if applied.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.rewrite.table.refresh().await?;
        let live = self.rewrite.table.live_files(&now).await?;
        Ok(needless(applied, &batch.named, gone, &live))
    }
}

/// Those of the delete files `applied` that no data file of `live` needs but `gone`. Of position deletes `named` says which files they
/// name; equality deletes may need every older file they can apply to.
fn needless(
    applied: Vec<&LiveFile>,
    named: &BTreeMap<String, BTreeSet<String>>,
    gone: &[LiveFile],
    live: &[LiveFile],
) -> Vec<LiveFile> {
    let going: HashSet<&str> = gone.iter().map(LiveFile::path).collect();
    let staying: Vec<&LiveFile> =
        live.iter().filter(|file| file.content() == DataContentType::Data && !going.contains(file.path())).collect();
    let staying_paths: HashSet<&str> = staying.iter().map(|file| file.path()).collect();
    let is_live: HashSet<&str> = live.iter().map(LiveFile::path).collect();
    let is_needed = |delete: &LiveFile| match delete.content() {
        DataContentType::PositionDeletes => {
            named.get(delete.path()).is_none_or(|named| named.iter().any(|path| staying_paths.contains(path.as_str())))
        }
        _ => staying.iter().any(|data| delete.may_delete_from(data)),
    };
    applied.into_iter().filter(|delete| is_live.contains(delete.path()) && !is_needed(delete)).cloned().collect()
}

/// What a commit does, to be counted once it is done.
struct Done {
    groups: u64,
    rows_read: u64,
    rows_deleted: u64,
    files_added: u64,
    bytes_added: u64,
}

impl Done {
    fn committed(self, snapshot_id: i64, removed: &[LiveFile], report: &mut CompactionReport) {
        let (data, deletes): (Vec<&LiveFile>, Vec<&LiveFile>) =
            removed.iter().partition(|file| file.content() == DataContentType::Data);
        report.commits += 1;
        report.snapshot_id = Some(snapshot_id);
        report.groups_committed += self.groups;
        report.files_rewritten += data.len() as u64;
        report.bytes_rewritten += data.iter().map(|file| file.data_file().file_size_in_bytes()).sum::<u64>();
        report.delete_files_removed += deletes.len() as u64;
        report.files_added += self.files_added;
        report.bytes_added += self.bytes_added;
        report.rows_rewritten += self.rows_read;
        report.rows_deleted += self.rows_deleted;
    }
}
