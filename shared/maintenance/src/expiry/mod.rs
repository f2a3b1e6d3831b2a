//! Snapshot expiry: snapshots that nobody needs any more go, and then the files that only they reached.
//!
//! plan (pure) -> gather (what they alone reach) -> commit (planned again on each base) -> bring up to date -> delete
//!
//! The commit comes first: until it has landed, and while its outcome is unknown (INV-6), nothing is deleted. Files go in an order
//! in which what names a file goes after it. What a crash or the deadline leaves behind is reached by nothing, so it is found by
//! orphan removal, which compares storage with the table and needs no list of ours (decision 0009).

mod change;
mod gather;
mod plan;
mod report;

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::OnceLock;

use iceberg::spec::TableMetadata;
use tributary_table::{MaybeUpdated, TableError, TableState, Updated, format_table_name};

use crate::file_removal::{Folders, Kind, Reader, Removal, RemovalError, Work, number_property, refuse_without_gc};
use change::Change;
use gather::Gathered;
use plan::{ExpiryPlan, History, Rules, plan_expiry};

pub use plan::YOUNGEST_MS;
pub use report::{ExpiryOutcome, ExpiryReport};

const MAX_SNAPSHOT_AGE: &str = "history.expire.max-snapshot-age-ms";
const MAX_SNAPSHOT_AGE_MS_DEFAULT: i64 = 5 * 24 * 60 * 60 * 1000;
const MIN_SNAPSHOTS: &str = "history.expire.min-snapshots-to-keep";
const MIN_SNAPSHOTS_DEFAULT: u32 = 1;
const MAX_REF_AGE: &str = "history.expire.max-ref-age-ms";
const DELETE_METADATA: &str = "write.metadata.delete-after-commit.enabled";

/// What to expire. Names and defaults are those of Iceberg's `expire_snapshots`, unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiryOptions {
    /// Snapshots from before this time (milliseconds since the epoch) go; `None`: by the table's property
    /// `history.expire.max-snapshot-age-ms` (5 days), and never one younger than [`YOUNGEST_MS`].
    pub older_than_ms: Option<i64>,
    /// How many snapshots of a branch stay; `None`: by the table's property `history.expire.min-snapshots-to-keep` (1).
    pub retain_last: Option<NonZeroU32>,
    /// Whether schemas and partition specs go that nothing uses.
    pub clean_expired_metadata: bool,
    /// Fewer snapshots than this are not worth a commit (ours). A branch or tag past its age always is.
    pub min_snapshots_to_expire: u32,
    /// Delete requests under way at the same time.
    pub max_concurrent_deletes: NonZeroUsize,
    /// Whether nothing is changed and the report says what would be.
    pub dry_run: bool,
}

impl Default for ExpiryOptions {
    fn default() -> Self {
        Self {
            older_than_ms: None,
            retain_last: None,
            clean_expired_metadata: false,
            min_snapshots_to_expire: 20,
            max_concurrent_deletes: NonZeroUsize::MIN.saturating_add(3),
            dry_run: false,
        }
    }
}

/// Expires snapshots of one table and deletes the files that only they reached.
///
/// # Errors
/// [`RemovalError`]; after the commit only if the table reaches a file that was to be deleted. Whatever else goes wrong then leaves
/// orphans, and is in the report and the log.
pub async fn expire(options: &ExpiryOptions, work: Work<'_>) -> Result<ExpiryReport, RemovalError> {
    let expiry = Expiry { options, work };
    let state = work.table.refresh().await?;
    let plan = expiry.plan(&state)?;
    let mut report = ExpiryReport::new(state.metadata().snapshots().len());
    report.snapshots_kept_for_checkpoint = plan.kept_for_checkpoint as u64;
    if let Some(outcome) = expiry.not_worth(&plan) {
        return Ok(ExpiryReport { outcome, ..report });
    }
    let mut gathered = Gathered::read(&expiry.reader(), &state, &plan).await?;
    if options.dry_run {
        expiry.describe(&mut report, &expiry.change(&state, &plan, &plan, &gathered), state.metadata());
        report.count(&gathered.unreachable());
        return Ok(ExpiryReport { outcome: ExpiryOutcome::DryRun, ..report });
    }
    let Some((change, updated)) = expiry.commit(&plan, &gathered).await? else { return Ok(report) };
    expiry.describe(&mut report, &change, updated.base.metadata());
    report.outcome = ExpiryOutcome::Expired;
    expiry.clean_up(&mut gathered, &updated, &mut report).await?;
    Ok(report)
}

struct Expiry<'a> {
    options: &'a ExpiryOptions,
    work: Work<'a>,
}

impl<'a> Expiry<'a> {
    fn reader(&self) -> Reader<'a> {
        Reader {
            table: self.work.table,
            stop_at: self.work.stop_at,
            remedy: ", or let option `older-than` name an earlier time for a first run",
            skips_missing: false,
        }
    }

    /// The rules of options and properties, applied to a state.
    fn plan(&self, state: &TableState) -> Result<ExpiryPlan, RemovalError> {
        let (table, metadata) = (self.work.table, state.metadata());
        refuse_without_gc(table, metadata)?;
        if let Some(fault) = state.checkpoint_fault() {
            // The lineage in its snapshots is what a person needs to mend the checkpoint.
            let (table, source) = (format_table_name(table.ident()), Box::new(fault.clone()));
            return Err(TableError::Checkpoint { table, source }.into());
        }
        let anchor = state.checkpoint().anchor.map(|anchor| anchor.snapshot_id);
        Ok(plan_expiry(&History::of(metadata, state.refs(table.ident())?, anchor), &self.rules(metadata)?))
    }

    fn rules(&self, metadata: &TableMetadata) -> Result<Rules, RemovalError> {
        let (table, now_ms) = (self.work.table, self.work.now_ms);
        let age_ms = number_property(table, metadata, MAX_SNAPSHOT_AGE, MAX_SNAPSHOT_AGE_MS_DEFAULT)?;
        let count = number_property(table, metadata, MIN_SNAPSHOTS, MIN_SNAPSHOTS_DEFAULT)?;
        let youngest_ms = now_ms.saturating_sub(YOUNGEST_MS);
        let retain_last = self.options.retain_last.map_or(count, NonZeroU32::get);
        Ok(Rules {
            now_ms,
            older_than_ms: self.options.older_than_ms.unwrap_or(now_ms.saturating_sub(age_ms)),
            // Who names a later time means it.
            youngest_ms: self.options.older_than_ms.map_or(youngest_ms, |asked| asked.max(youngest_ms)),
            retain_last: usize::try_from(retain_last).unwrap_or(usize::MAX),
            max_ref_age_ms: number_property(table, metadata, MAX_REF_AGE, i64::MAX)?,
        })
    }

    /// Why a plan is not carried out.
    fn not_worth(&self, plan: &ExpiryPlan) -> Option<ExpiryOutcome> {
        let enough = u64::from(self.options.min_snapshots_to_expire);
        // A table with nothing to expire may still have schemas and specs to clean, if no commit is too small.
        let cleans = self.options.clean_expired_metadata && enough == 0;
        match (plan.expired.len() as u64, plan.removed_refs.is_empty()) {
            (_, false) => None,
            (0, true) => (!cleans).then_some(ExpiryOutcome::NothingToDo),
            (found, true) => (found < enough).then_some(ExpiryOutcome::TooFew),
        }
    }

    fn change(&self, base: &TableState, plan: &ExpiryPlan, gathered_by: &ExpiryPlan, gathered: &Gathered) -> Change {
        let change = Change::of(plan, gathered_by);
        match self.options.clean_expired_metadata {
            true => change.with_unused_metadata(base.metadata(), gathered),
            false => change,
        }
    }

    /// Commits; `None` if others left nothing to expire.
    async fn commit(&self, plan: &ExpiryPlan, gathered: &Gathered) -> Result<Option<(Change, Updated)>, RemovalError> {
        let table = self.work.table;
        let refused = OnceLock::new();
        let change_of = |base: &TableState| self.plan(base).map(|fresh| self.change(base, &fresh, plan, gathered));
        let done = table.update_if(self.work.deadline, |base, builder| {
            let change = match change_of(base) {
                Ok(change) if change.is_empty() => return Ok(None),
                Ok(change) => change,
                Err(error) => {
                    let _first = refused.set(error);
                    return Ok(None);
                }
            };
            let invalid = |source| TableError::Metadata {
                operation: "expire snapshots",
                table: format_table_name(table.ident()),
                source: Box::new(source),
            };
            change.apply(base.metadata(), builder).map(Some).map_err(invalid)
        });
        match (done.await?, refused.into_inner()) {
            (_, Some(error)) => Err(error),
            (MaybeUpdated::Unchanged(_), None) => Ok(None),
            (MaybeUpdated::Committed(updated), None) => Ok(Some((change_of(&updated.base)?, updated))),
        }
    }

    fn describe(&self, report: &mut ExpiryReport, change: &Change, base: &TableMetadata) {
        report.snapshots_expired = change.snapshots.len() as u64;
        report.snapshots_kept = (base.snapshots().len() as u64).saturating_sub(report.snapshots_expired);
        report.refs_removed = change.refs.len() as u64;
        report.schemas_removed = change.schemas.len() as u64;
        report.specs_removed = change.specs.len() as u64;
    }

    /// Deletes what the table, as it stands now, does not reach.
    async fn clean_up(
        &self,
        gathered: &mut Gathered,
        updated: &Updated,
        report: &mut ExpiryReport,
    ) -> Result<(), RemovalError> {
        for path in fallen_off_the_log(updated) {
            gathered.candidate(Kind::Metadata, path);
        }
        let fresh = match self.bring_up_to_date(gathered).await {
            Ok(fresh) => fresh,
            Err(error) => {
                tracing::warn!(%error, "the snapshots are expired, but what the table reaches now can't be read: their files stay as orphans");
                report.count(&gathered.unreachable());
                report.files_remaining = gathered.unreachable().values().map(|paths| paths.len() as u64).sum();
                return Ok(());
            }
        };
        let unreachable = gathered.unreachable();
        report.count(&unreachable);
        let own = self.only_own(&Folders::of(fresh.metadata()), unreachable, report);
        let concurrency = self.options.max_concurrent_deletes.get();
        let removal = Removal { work: self.work, reached: &gathered.reached, concurrency };
        for paths in own.values() {
            report.add(&removal.delete(paths).await?);
        }
        Ok(())
    }

    async fn bring_up_to_date(&self, gathered: &mut Gathered) -> Result<TableState, RemovalError> {
        let fresh = self.work.table.refresh().await?;
        gathered.extend(&self.reader(), &fresh).await?;
        Ok(fresh)
    }

    /// Leaves out what lies in none of the table's folders: files that were added from elsewhere may be others' too.
    fn only_own(
        &self,
        folders: &Folders,
        mut unreachable: BTreeMap<Kind, Vec<String>>,
        report: &mut ExpiryReport,
    ) -> BTreeMap<Kind, Vec<String>> {
        for (kind, paths) in &mut unreachable {
            let found = paths.len();
            let mut outside = None;
            paths.retain(|path| {
                folders.hold(path) || {
                    outside.get_or_insert_with(|| path.clone());
                    false
                }
            });
            if let Some(example) = outside {
                tracing::info!(
                    kind = kind.as_str(),
                    files = found - paths.len(),
                    example,
                    "files outside the table's folders stay"
                );
            }
            report.files_outside += (found - paths.len()) as u64;
        }
        unreachable
    }
}

/// Old metadata files that the commit dropped from the log, where the table asks for their deletion.
fn fallen_off_the_log(updated: &Updated) -> impl Iterator<Item = &str> {
    let (base, state) = (updated.base.metadata(), updated.state.metadata());
    let wanted = base.properties().get(DELETE_METADATA).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let left: std::collections::HashSet<&str> =
        state.metadata_log().iter().map(|log| log.metadata_file.as_str()).collect();
    let fallen =
        base.metadata_log().iter().map(|log| log.metadata_file.as_str()).filter(move |path| !left.contains(path));
    fallen.filter(move |_| wanted)
}
