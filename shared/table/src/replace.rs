//! Rewrite and removal: which files the table holds changes, on the same loop as an append (design D1, D6).
//!
//! What is checked at **every** attempt, on the table as it stands then (the rules of Iceberg Java's rewrite and delete):
//!
//! | | rewrite (`replace`) | removal (`delete`) |
//! |---|---|---|
//! | files that go | chosen when planned; each must still be live | chosen anew from what is live |
//! | new delete files | a position delete that may apply to a file that goes fails it; an equality delete stays in force, since the new files keep the start's sequence number, but fails it where it reaches the old files and not the new ones or the other way round, since these have another partition spec | whole files go, whatever deletes apply to them |
//! | history | the head must descend from the start: what was deleted since the start must be seen, and what was applied must not be undone | none |
//! | rows | no more come than go | none come |
//! | schema, spec | those the new files were written by must still be the table's, by content | none |
//! | delete files that go | none of them may apply to a data file that stays | none go |
//!
//! A failed check is final for the change: its files are deleted, and the caller plans again. The checkpoint property is not
//! touched, so ingest goes on as if nothing had happened (INV-5).

use std::collections::HashSet;

use bytes::Bytes;
use futures::future::try_join_all;
use iceberg::spec::{DataContentType, DataFile, FormatVersion, Operation};
use tokio::time::Instant;

use crate::catalog::display;
use crate::commit::{Attempt, Course, Limits, Settled};
use crate::data_files::{self, DataFileError, DescribedFiles, EncodedFiles};
use crate::error::{Blame, TableError};
use crate::files::{LiveFile, same_partition};
use crate::lineage;
use crate::manifests::{self, Change};
use crate::snapshot::{Delta, Draft, Identity};
use crate::state::TableState;
use crate::table::Table;

/// Files that stand for others with the same rows.
#[derive(Debug)]
pub struct RewriteRequest<'a> {
    /// The state it was planned by and its rows were read from.
    pub start: &'a TableState,
    /// Data files that go, and delete files that apply to nothing else.
    pub removed: Vec<LiveFile>,
    /// Files that come, already in storage ([`Table::put_files`]). They get the start's sequence number.
    pub added: DescribedFiles,
    /// The time of the snapshot, in milliseconds since the epoch.
    pub now_ms: i64,
    /// When to give up.
    pub deadline: Instant,
}

/// Whole data files to be removed with their rows.
pub struct RemoveRequest<'a, F> {
    /// The state it was planned by.
    pub base: &'a TableState,
    /// Chooses the data files that go, on each attempt, from the table as it stands.
    pub select: F,
    /// The time of the snapshot, in milliseconds since the epoch.
    pub now_ms: i64,
    /// When to give up.
    pub deadline: Instant,
}

/// What became of a change of files.
#[must_use]
#[derive(Debug)]
pub enum Replaced {
    /// It is in the table.
    Committed {
        /// The snapshot that holds it.
        snapshot_id: i64,
        /// How many attempts it took.
        attempts: u32,
        /// The table after it.
        state: TableState,
        /// What went.
        removed: Vec<LiveFile>,
    },
    /// There was nothing to remove.
    Unchanged {
        /// The table as it stands.
        state: TableState,
    },
    /// Other writers changed what it was planned on. Nothing was committed, its files are deleted; plan again.
    Invalidated {
        /// The table as it stands.
        state: TableState,
        /// What moved.
        reason: ReplaceConflict,
    },
}

/// Why a planned change can't be made on the table as it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplaceConflict {
    /// Another table stands under the name.
    #[error("plan again: expected the table it was planned on, found another one under its name")]
    AnotherTable,
    /// A file that should go went already.
    #[error("plan again: expected file `{path}` in the table, found that another writer removed it")]
    MissingFile {
        /// The file.
        path: String,
    },
    /// Deletes came that were not applied.
    #[error("plan again: expected no new deletes for `{data}`, found delete file `{delete}`")]
    NewDeletes {
        /// The delete file.
        delete: String,
        /// A data file it may apply to.
        data: String,
    },
    /// What happened since can't be told, or was undone.
    #[error(
        "plan again: expected a history from the planned snapshot {start} to the head, found none (rolled back or expired)"
    )]
    History {
        /// The snapshot it was planned on.
        start: i64,
    },
    /// The new files mean something else now.
    #[error(
        "plan again: expected the schema and partition spec the new files were written by, found others under their ids"
    )]
    SchemaOrSpec,
    /// A delete file that should go is still needed.
    #[error("plan again: expected delete file `{delete}` to apply to nothing that stays, found data file `{data}`")]
    DeleteInUse {
        /// The delete file.
        delete: String,
        /// A data file that needs it.
        data: String,
    },
}

/// What an attempt would change.
struct Chosen {
    removed: Vec<LiveFile>,
}

/// The two kinds of change, as the commit loop sees them.
struct FileChange<'a> {
    operation: Operation,
    base: &'a TableState,
    added: DescribedFiles,
    /// `None`: that of the new snapshot.
    sequence_number: Option<i64>,
    now_ms: i64,
    deadline: Instant,
}

impl Table {
    /// Puts encoded files into storage, in one parallel wave, to be committed later.
    pub async fn put_files(&self, state: &TableState, files: EncodedFiles) -> Result<DescribedFiles, TableError> {
        let (described, puts) = files.split();
        let puts =
            puts.into_iter().map(|(path, bytes)| async move { state.file_io().new_output(&path)?.write(bytes).await });
        try_join_all(puts).await.map_err(Blame(self.ident()).storage("write a data file"))?;
        Ok(described)
    }

    /// Deletes files that were put and will not be committed. Best effort: what stays is an orphan.
    pub async fn discard_files(&self, state: &TableState, files: &DescribedFiles) {
        let paths = files.files.iter().map(|file| file.file_path().to_owned()).collect();
        Course::new(self, Limits::of_table(state.metadata(), Instant::now()), Vec::new(), paths).abandon(state).await;
    }

    /// Commits files in place of others with the same rows; the module's documentation has the rules.
    pub async fn rewrite(&self, request: RewriteRequest<'_>) -> Result<Replaced, TableError> {
        let RewriteRequest { start, removed, added, now_ms, deadline } = request;
        self.refuse_row_lineage(start)?;
        self.refuse_more_rows(&removed, &added)?;
        let sequence_number = start.metadata().current_snapshot().map(|head| head.sequence_number());
        let change =
            FileChange { operation: Operation::Replace, base: start, added, sequence_number, now_ms, deadline };
        let schema_of = change.added.clone();
        let choose = |current: &TableState, live: &[LiveFile]| {
            if !schema_of.files.is_empty() && !schema_of.fit(current.metadata()) {
                return Err(ReplaceConflict::SchemaOrSpec);
            }
            check_rewrite(start, current, &removed, &schema_of, live)?;
            Ok(Chosen { removed: removed.clone() })
        };
        self.change_files(change, choose).await
    }

    /// Removes whole data files with their rows; the module's documentation has the rules.
    pub async fn remove<F>(&self, request: RemoveRequest<'_, F>) -> Result<Replaced, TableError>
    where
        F: Fn(&TableState, &[LiveFile]) -> Vec<LiveFile>,
    {
        let RemoveRequest { base, select, now_ms, deadline } = request;
        self.refuse_row_lineage(base)?;
        let added = DescribedFiles::none(base.metadata());
        let operation = Operation::Delete;
        let change = FileChange { operation, base, added, sequence_number: None, now_ms, deadline };
        self.change_files(change, |current, live| Ok(Chosen { removed: select(current, live) })).await
    }

    async fn change_files(
        &self,
        change: FileChange<'_>,
        choose: impl Fn(&TableState, &[LiveFile]) -> Result<Chosen, ReplaceConflict>,
    ) -> Result<Replaced, TableError> {
        let limits = Limits::of_table(change.base.metadata(), change.deadline);
        let written = change.added.files.iter().map(|file| file.file_path().to_owned()).collect();
        let mut course = Course::new(self, limits, Vec::new(), written);
        let done = self.change_files_on(&mut course, &change, choose).await;
        // An attempt that fails cleans up itself; before and between attempts nobody else does.
        if !matches!(done, Ok(Replaced::Committed { .. })) {
            course.abandon(change.base).await;
        }
        done
    }

    async fn change_files_on(
        &self,
        course: &mut Course<'_>,
        change: &FileChange<'_>,
        choose: impl Fn(&TableState, &[LiveFile]) -> Result<Chosen, ReplaceConflict>,
    ) -> Result<Replaced, TableError> {
        let blame = Blame(self.ident());
        let identity = Identity::try_new(change.base.metadata()).map_err(blame.metadata("draw a snapshot id"))?;
        let mut current = change.base.clone();
        // Ends: `Course` bounds the attempts.
        loop {
            if current.metadata().uuid() != change.base.metadata().uuid() {
                return Ok(Replaced::Invalidated { state: current, reason: ReplaceConflict::AnotherTable });
            }
            let live = self.live_files(&current).await?;
            let removed = match choose(&current, &live) {
                Ok(chosen) => chosen.removed,
                Err(reason) => return Ok(Replaced::Invalidated { state: current, reason }),
            };
            if removed.is_empty() && change.added.files.is_empty() {
                return Ok(Replaced::Unchanged { state: current });
            }
            self.refuse_unwritable(&removed)?;
            let attempt = self.attempt_of(change, &identity, &current, &removed, course.attempts()).await?;
            let holds_it = |state: &TableState| state.metadata().snapshot_by_id(identity.snapshot_id).is_some();
            match course.attempt(&current, attempt, holds_it).await? {
                Settled::Landed(state) => {
                    let (snapshot_id, attempts) = (identity.snapshot_id, course.attempts());
                    return Ok(Replaced::Committed { snapshot_id, attempts, state, removed });
                }
                Settled::Lost(state) => current = state,
            }
        }
    }

    async fn attempt_of(
        &self,
        change: &FileChange<'_>,
        identity: &Identity,
        current: &TableState,
        removed: &[LiveFile],
        attempt: u32,
    ) -> Result<Attempt, TableError> {
        let blame = Blame(self.ident());
        let head = self.manifests_of_head(current).await?;
        let paths: HashSet<&str> = removed.iter().map(LiveFile::path).collect();
        let files = Change { removed: &paths, added: &change.added, sequence_number: change.sequence_number };
        let changed = manifests::changed(current.metadata(), &head, &files, identity, attempt).await;
        let changed = changed.map_err(blame.metadata("write the manifests"))?;
        let draft = Draft {
            operation: change.operation.clone(),
            delta: Delta::of(&change.added.files, removed.iter().map(LiveFile::data_file)),
            created: changed.written.iter().map(|(manifest, _)| manifest.clone()).collect(),
            kept: changed.kept,
            replaced: changed.replaced,
            summary: Vec::new(),
        };
        let proposal = draft.propose(identity, current, attempt, change.now_ms, |_| Default::default()).await;
        let proposal = proposal.map_err(blame.metadata("build the snapshot"))?;
        let manifests = changed.written.into_iter().map(|(manifest, bytes)| (manifest.manifest_path, bytes));
        let own_files: Vec<(String, Bytes)> = manifests.chain([proposal.manifest_list]).collect();
        Ok(Attempt { new: proposal.new, manifests: proposal.manifests, own_files })
    }

    /// Refuses what no rewrite or removal here would do right, also for a dry run: format version 3 gives each row an id that a
    /// rewritten manifest or file would lose (spec, "Row Lineage").
    ///
    /// # Errors
    /// [`TableError::Unsupported`] with the format version found.
    pub fn refuse_row_lineage(&self, state: &TableState) -> Result<(), TableError> {
        if state.metadata().format_version() < FormatVersion::V3 {
            return Ok(());
        }
        Err(TableError::Unsupported {
            remedy: "maintain it with an engine that carries row ids (Spark)",
            table: display(self.ident()),
            expected: "format version 2",
            found: "format version 3, whose row lineage a rewrite here would lose".to_owned(),
        })
    }

    /// The manifests that list what goes are written anew, with the partition values of what stays.
    fn refuse_unwritable(&self, removed: &[LiveFile]) -> Result<(), TableError> {
        let check = |file: &LiveFile| {
            let spec = file.partition_spec();
            let partition_type = spec.partition_type(file.schema()).map_err(DataFileError::Partition)?;
            data_files::refuse_unwritable_values(spec, &partition_type)
        };
        let mut checked = HashSet::new();
        removed
            .iter()
            .filter(|file| checked.insert(file.partition_spec().spec_id()))
            .try_for_each(check)
            .map_err(|source| TableError::DataFile { table: display(self.ident()), source: Box::new(source) })
    }

    fn refuse_more_rows(&self, removed: &[LiveFile], added: &DescribedFiles) -> Result<(), TableError> {
        let gone = removed.iter().filter(|file| file.content() == DataContentType::Data);
        let gone: u64 = gone.map(|file| file.data_file().record_count()).sum();
        let come: u64 = added.files.iter().map(DataFile::record_count).sum();
        if come <= gone {
            return Ok(());
        }
        Err(TableError::Unsupported {
            remedy: "report this as a bug: nothing was committed",
            table: display(self.ident()),
            expected: "a rewrite that holds at most the rows of the files it replaces",
            found: format!("{come} rows in place of {gone}"),
        })
    }
}

fn check_rewrite(
    start: &TableState,
    current: &TableState,
    removed: &[LiveFile],
    added: &DescribedFiles,
    live: &[LiveFile],
) -> Result<(), ReplaceConflict> {
    let start_id = start.metadata().current_snapshot_id().unwrap_or_default();
    if !lineage::descends_from(current.metadata(), start_id) {
        return Err(ReplaceConflict::History { start: start_id });
    }
    let still: HashSet<&str> = live.iter().map(LiveFile::path).collect();
    if let Some(gone) = removed.iter().find(|file| !still.contains(file.path())) {
        return Err(ReplaceConflict::MissingFile { path: gone.path().to_owned() });
    }
    refuse_new_deletes(start, removed, added, live)?;
    refuse_deletes_in_use(removed, live)
}

/// A position delete younger than the start was not applied to the rows that were read. An equality delete need not be: it is younger
/// than the start's sequence number, which the new files carry, and so applies to them, unless they changed their partition spec.
fn refuse_new_deletes(
    start: &TableState,
    removed: &[LiveFile],
    added: &DescribedFiles,
    live: &[LiveFile],
) -> Result<(), ReplaceConflict> {
    let known = start.metadata().current_snapshot().map_or(0, |head| head.sequence_number());
    let fresh: Vec<&LiveFile> =
        live.iter().filter(|file| file.content() != DataContentType::Data && file.sequence_number() > known).collect();
    let conflict = |delete: &LiveFile, data: &str| {
        Err(ReplaceConflict::NewDeletes { delete: delete.path().to_owned(), data: data.to_owned() })
    };
    let moves = |data: &LiveFile| data.partition_spec().spec_id() != added.partition_spec.spec_id();
    let rows: Vec<&LiveFile> = removed.iter().filter(|file| file.content() == DataContentType::Data).collect();
    for data in &rows {
        let misses = |delete: &LiveFile| delete.content() == DataContentType::PositionDeletes || moves(data);
        let hit = |delete: &&&LiveFile| !delete.is_global() && misses(delete) && delete.may_delete_from(data);
        if let Some(delete) = fresh.iter().find(hit) {
            return conflict(delete, data.path());
        }
    }
    if !rows.iter().any(|data| moves(data)) {
        return Ok(());
    }
    let in_partition = |delete: &LiveFile, file: &DataFile| {
        let same_spec = delete.partition_spec().spec_id() == added.partition_spec.spec_id();
        let is_equality = delete.content() == DataContentType::EqualityDeletes && !delete.is_global();
        is_equality && same_spec && same_partition(delete.data_file().partition(), file.partition())
    };
    for file in &added.files {
        if let Some(delete) = fresh.iter().find(|delete| in_partition(delete, file)) {
            return conflict(delete, file.file_path());
        }
    }
    Ok(())
}

/// An equality delete may only go when every older row it could match has gone. Of position deletes the planner has read the rows,
/// and knows that they name nothing but files that go.
fn refuse_deletes_in_use(removed: &[LiveFile], live: &[LiveFile]) -> Result<(), ReplaceConflict> {
    let going: HashSet<&str> = removed.iter().map(LiveFile::path).collect();
    let deletes = removed.iter().filter(|file| file.content() == DataContentType::EqualityDeletes);
    for delete in deletes {
        let user = live.iter().find(|data| {
            data.content() == DataContentType::Data && !going.contains(data.path()) && delete.may_delete_from(data)
        });
        if let Some(data) = user {
            let (delete, data) = (delete.path().to_owned(), data.path().to_owned());
            return Err(ReplaceConflict::DeleteInUse { delete, data });
        }
    }
    Ok(())
}
