//! Orphan files: what attempts, crashes and metadata-only expiries left in storage, reached by nothing.
//!
//! list storage -> read the table -> strike off what it names (pure) -> read the table again -> delete
//!
//! In this order, so that whatever is committed while the job runs is either too young to be an orphan or named by the table read
//! after it. The survey's signs to stop are in [`OrphanStop`]; when in doubt, nothing is deleted (decision 0009).

mod plan;
mod report;

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::path::Path;

use futures::TryStreamExt;
use iceberg::spec::{SnapshotRef, TableMetadata};
use tokio::time::Instant;
use tributary_table::{StoredFile, TableError, TableState, format_table_name};

use crate::file_removal::{
    Folders, Kind, PathSet, Reader, Removal, RemovalError, Work, local_path, named_in_metadata, refuse_without_gc,
};
use plan::{OrphanPlan, Place, Survey, is_metadata_file};

pub use plan::{OrphanStop, YOUNGEST_MS};
pub use report::{OrphansOutcome, OrphansReport};

const OLDER_THAN_MS_DEFAULT: i64 = 3 * 24 * 60 * 60 * 1000;
/// Metadata files that nothing names and that are read to see whose they are: half the oldest, half the newest.
const METADATA_READ_MAX: usize = 16;

/// What to look for. Names and defaults are those of Iceberg's `remove_orphan_files`, unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrphansOptions {
    /// Files last written before this time (milliseconds since the epoch) can be orphans; `None`: three days ago. Never later than
    /// [`YOUNGEST_MS`] ago.
    pub older_than_ms: Option<i64>,
    /// The folder to look in: the table's location (`None`), one below it, or where its properties send data or metadata. A
    /// folder that the table shares with others must not be named.
    pub location: Option<String>,
    /// Delete requests under way at the same time.
    pub max_concurrent_deletes: NonZeroUsize,
    /// Whether they are only looked for (the default, ours).
    pub dry_run: bool,
}

impl Default for OrphansOptions {
    fn default() -> Self {
        let max_concurrent_deletes = NonZeroUsize::MIN.saturating_add(3);
        Self { older_than_ms: None, location: None, max_concurrent_deletes, dry_run: true }
    }
}

/// Looks for files that nothing reaches, and deletes them if that is asked for.
///
/// # Errors
/// [`RemovalError`]: nothing was deleted.
pub async fn remove_orphans(options: &OrphansOptions, work: Work<'_>) -> Result<OrphansReport, RemovalError> {
    let search = Search { options, work };
    let cutoff_ms = search.cutoff_ms()?;
    let before = work.table.refresh().await?;
    refuse_without_gc(work.table, before.metadata())?;
    let folder = search.folder(before.metadata())?;
    let survey = search.list(&folder, &before).await?;
    let (plan, after) = search.plan(survey, &folder, &before, cutoff_ms).await?;
    search.refuse_another_table(&folder, &plan, &after).await?;
    let mut report = OrphansReport::of(&plan, search.folders_not_listed(&folder, after.metadata()));
    if options.dry_run || plan.orphans.is_empty() {
        return Ok(report);
    }
    search.delete(plan, &after, &mut report).await?;
    Ok(report)
}

struct Search<'a> {
    options: &'a OrphansOptions,
    work: Work<'a>,
}

impl<'a> Search<'a> {
    fn reader(&self) -> Reader<'a> {
        Reader { table: self.work.table, stop_at: self.work.stop_at, remedy: "", skips_missing: false }
    }

    fn stopped(&self, stop: OrphanStop) -> RemovalError {
        RemovalError::Stopped { table: format_table_name(self.work.table.ident()), stop: Box::new(stop) }
    }

    fn cutoff_ms(&self) -> Result<i64, RemovalError> {
        let latest = self.work.now_ms.saturating_sub(YOUNGEST_MS);
        let asked = self.options.older_than_ms.unwrap_or(self.work.now_ms.saturating_sub(OLDER_THAN_MS_DEFAULT));
        match asked <= latest {
            true => Ok(asked),
            false => Err(RemovalError::Option {
                option: "older-than",
                expected: "at least 24 hours ago, since younger files may belong to a commit under way".to_owned(),
                found: format!("{} s ago", self.work.now_ms.saturating_sub(asked) / 1000),
            }),
        }
    }

    /// The folder to list: one of the table's own.
    fn folder(&self, metadata: &TableMetadata) -> Result<String, RemovalError> {
        let Some(asked) = &self.options.location else { return Ok(metadata.location().to_owned()) };
        match Folders::of(metadata).hold(asked) {
            true => Ok(asked.clone()),
            false => Err(RemovalError::Option {
                option: "location",
                expected: format!(
                    "a folder at or below the table's location `{}` or its `write.data.path` or `write.metadata.path`",
                    metadata.location()
                ),
                found: asked.clone(),
            }),
        }
    }

    fn folders_not_listed(&self, folder: &str, metadata: &TableMetadata) -> u64 {
        let listed = Folders::only(folder);
        Folders::of(metadata).iter().filter(|own| !listed.hold(own)).count() as u64
    }

    async fn list(&self, folder: &str, before: &TableState) -> Result<Survey, RemovalError> {
        let mut survey = Survey::new(folder, metadata_folders(before));
        let mut pages = self.work.table.store().list(folder).map_err(TableError::from)?;
        while let Some(page) = pages.try_next().await.map_err(|error| self.storage("list the table's files", error))? {
            if Instant::now() >= self.work.stop_at {
                return Err(self.reader().out_of_time("listing the files"));
            }
            for file in page {
                survey.list(file).map_err(|stop| self.stopped(stop))?;
            }
        }
        Ok(survey)
    }

    fn storage(&self, operation: &'static str, source: iceberg::Error) -> RemovalError {
        let table = format_table_name(self.work.table.ident());
        TableError::Storage { operation, table, source: Box::new(source) }.into()
    }

    /// Strikes off everything that the table names, as it stands after the listing.
    async fn plan(
        &self,
        mut survey: Survey,
        folder: &str,
        before: &TableState,
        cutoff_ms: i64,
    ) -> Result<(OrphanPlan, TableState), RemovalError> {
        let after = self.work.table.refresh().await?;
        let (was, is) = (before.metadata(), after.metadata());
        if was.uuid() != is.uuid() || was.location() != is.location() {
            return Err(self.stopped(OrphanStop::Moved { folder: folder.to_owned() }));
        }
        let local = LocalFolder::of(folder);
        let mut name = |kind: Kind, location: &str, is_old: bool| {
            let place = match kind {
                Kind::Metadata if location != after.metadata_location() => survey.name_old_metadata(location),
                _ => survey.name(kind, location, is_old),
            };
            match place.map_err(|stop| self.stopped(stop))? {
                Place::Elsewhere if local.holds(location) => Err(self.stopped(survey.spelling(location))),
                _ => Ok(()),
            }
        };
        let is_old = before.metadata_location() == after.metadata_location();
        let known: HashSet<&str> = named_in_metadata(before).map(|(_, location)| location).collect();
        for (kind, location) in named_in_metadata(&after) {
            name(kind, location, is_old || known.contains(location))?;
        }
        let (old, new): (Vec<SnapshotRef>, Vec<SnapshotRef>) =
            is.snapshots().cloned().partition(|snapshot| was.snapshot_by_id(snapshot.snapshot_id()).is_some());
        let mut seen = PathSet::default();
        for (snapshots, is_old) in [(old, true), (new, false)] {
            for snapshot in &snapshots {
                name(Kind::ManifestList, snapshot.manifest_list(), is_old)?;
            }
            let manifests = self.reader().manifests(&after, &snapshots, &mut seen, |_, _| {}).await?;
            for manifest in &manifests {
                name(Kind::Manifest, &manifest.manifest_path, is_old)?;
            }
            self.reader().files(&after, &manifests, |_, kind, location| name(kind, location, is_old)).await?;
        }
        let plan = survey.orphans(cutoff_ms).map_err(|stop| self.stopped(stop))?;
        Ok((plan, after))
    }

    /// Two tables in one folder can't be told by names. Of the metadata files that nothing names, some are read: if one is of
    /// another table, nothing here may be deleted. A second line only: no sample can prove that there is none.
    async fn refuse_another_table(
        &self,
        folder: &str,
        plan: &OrphanPlan,
        state: &TableState,
    ) -> Result<(), RemovalError> {
        let mut unnamed: Vec<&StoredFile> =
            plan.orphans.iter().filter(|file| is_metadata_file(&file.location)).collect();
        unnamed.sort_unstable_by_key(|file| file.modified_ms);
        let (head, tail) = unnamed.split_at(unnamed.len().min(METADATA_READ_MAX / 2));
        let sample = head.iter().chain(tail.iter().rev().take(METADATA_READ_MAX / 2)).map(|file| &file.location);
        let locations: Vec<String> = sample.cloned().collect();
        for location in locations {
            let is_own = match self.work.table.is_own_metadata(state, &location).await {
                // Gone since it was listed, by whoever else removes orphans.
                Err(_) if matches!(self.work.table.store().exists(&location).await, Ok(false)) => true,
                read => read?,
            };
            if !is_own {
                return Err(self.stopped(OrphanStop::AnotherTable { location, folder: folder.to_owned() }));
            }
        }
        Ok(())
    }

    /// Deletes the orphans, but for those the table names by now.
    async fn delete(
        &self,
        plan: OrphanPlan,
        after: &TableState,
        report: &mut OrphansReport,
    ) -> Result<(), RemovalError> {
        let mut reached = plan.reached;
        let now = self.work.table.refresh().await?;
        if now.metadata_location() != after.metadata_location() {
            self.reach(&mut reached, after, &now).await?;
        }
        let found = plan.orphans.len();
        let locations: Vec<String> =
            plan.orphans.into_iter().map(|file| file.location).filter(|location| !reached.contains(location)).collect();
        let spared = (found - locations.len()) as u64;
        let concurrency = self.options.max_concurrent_deletes.get();
        let removal = Removal { work: self.work, reached: &reached, concurrency };
        report.removed(&removal.delete(&locations).await?, spared);
        Ok(())
    }

    /// Adds what the table reaches now and did not before.
    async fn reach(&self, reached: &mut PathSet, before: &TableState, now: &TableState) -> Result<(), RemovalError> {
        for (_, location) in named_in_metadata(now) {
            reached.insert(location);
        }
        let is_new = |snapshot: &&SnapshotRef| before.metadata().snapshot_by_id(snapshot.snapshot_id()).is_none();
        let new: Vec<SnapshotRef> = now.metadata().snapshots().filter(is_new).cloned().collect();
        for snapshot in &new {
            reached.insert(snapshot.manifest_list());
        }
        let manifests = self.reader().manifests(now, &new, reached, |_, _| {}).await?;
        self.reader()
            .files(now, &manifests, |_, _, location| {
                reached.insert(location);
                Ok(())
            })
            .await
    }
}

/// The folders in which the table's metadata files are, or may have been.
fn metadata_folders(state: &TableState) -> Vec<String> {
    let metadata = state.metadata();
    let configured = metadata.properties().get("write.metadata.path").cloned();
    let named = named_in_metadata(state).filter(|(kind, _)| *kind == Kind::Metadata);
    let parents = named.filter_map(|(_, location)| location.rsplit_once('/').map(|(parent, _)| parent.to_owned()));
    let usual = format!("{}/metadata", metadata.location().trim_end_matches('/'));
    [usual].into_iter().chain(configured).chain(parents).collect()
}

/// A folder of local files with its links resolved: a file may be named by a path that leads there through one.
struct LocalFolder(Option<std::path::PathBuf>);

impl LocalFolder {
    fn of(folder: &str) -> Self {
        Self(local_path(folder).and_then(|path| Path::new(path).canonicalize().ok()))
    }

    fn holds(&self, location: &str) -> bool {
        let Some(folder) = &self.0 else { return false };
        let path = local_path(location).and_then(|path| Path::new(path).canonicalize().ok());
        path.is_some_and(|path| path.starts_with(folder))
    }
}
