//! The course of a compaction: plan, rewrite groups side by side, commit them as they are done.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;
use iceberg::spec::{DEFAULT_SCHEMA_NAME_MAPPING, DataContentType, NameMapping};
use tokio::time::Instant;
use tributary_runtime::Progress;
use tributary_table::{LiveFile, Remedy, Table, TableError, TableState, format_table_name};

use super::commit::{Batch, Commits};
use super::options::{CompactionOptions, Limits, OptionError};
use super::plan::{Group, Plan, plan};
use super::report::{CompactionReport, LeftAs};
use super::rewrite::{GroupError, Rewrite, Rewritten};
use super::survey::{Survey, time_field};

/// What to compact, and until when.
#[derive(Debug)]
pub struct CompactionRequest<'a> {
    /// The table.
    pub table: &'a Table,
    /// What is asked for.
    pub options: &'a CompactionOptions,
    /// The time of the snapshots, in milliseconds since the epoch.
    pub now_ms: i64,
    /// When the answer must be there.
    pub deadline: Instant,
    /// Told how far it is.
    pub progress: &'a dyn Progress,
}

/// A compaction that did not come to its end. What was committed before stays, and is whole.
#[derive(Debug, thiserror::Error)]
pub enum CompactionError {
    /// An option that can't be gone by.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The table could not be read or committed to, does not suit the options, or has a property that can't be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Groups were tried, and each failed for a reason other than another writer.
    #[error("{first} (table `{table}`: {failed} of {failed} groups failed, nothing was changed)")]
    AllFailed {
        /// Why the first one did.
        first: String,
        /// The table.
        table: String,
        /// How many did.
        failed: u64,
        /// Whether another invocation may do better.
        remedy: Remedy,
    },
}

/// Compacts a table, whole groups until the deadline's margin.
///
/// # Errors
/// [`CompactionError`]; failures of single groups are counted in the report, as long as any group was done.
pub async fn compact(request: CompactionRequest<'_>) -> Result<CompactionReport, CompactionError> {
    let table = request.table;
    let state = table.refresh().await?;
    table.refuse_row_lineage(&state)?;
    let limits = request.options.limits(state.metadata().properties())?;
    refuse_timeless(table, &state, &limits)?;
    let survey = Survey::of(table.live_files(&state).await?, state.metadata());
    let planned = plan(&survey.facts, &limits);
    let mut report = foreseen(&state, &survey, &planned);
    if limits.dry_run || planned.groups.is_empty() {
        report.dry_run = limits.dry_run;
        report.groups_remaining = report.groups_planned;
        report.manifests_after = report.manifests_before;
        return Ok(report);
    }
    let files: usize = planned.groups.iter().map(|group| group.files.len()).sum();
    request.progress.expect(files as u64, "files");
    let rewrite = Rewrite {
        table,
        state: &state,
        live_paths: live_paths(&survey.live),
        survey: &survey,
        limits: &limits,
        mapping: name_mapping(table, &state)?,
        stop_at: request.deadline.checked_sub(limits.margin).unwrap_or_else(Instant::now),
        halted: AtomicBool::new(false),
        progress: request.progress,
    };
    let commits = Commits { rewrite: &rewrite, now_ms: request.now_ms, deadline: request.deadline };
    run(&commits, planned.groups, report).await
}

/// Rewrites the groups, so many at a time, and commits those that are done.
async fn run(
    commits: &Commits<'_>,
    groups: Vec<Group>,
    report: CompactionReport,
) -> Result<CompactionReport, CompactionError> {
    let rewrite = commits.rewrite;
    let groups_per_commit = rewrite.limits.commits_max.map(|commits| groups.len().div_ceil(commits));
    let mut outcome = Outcome { report, failures: Vec::new(), batch: Batch::default(), stopped: None };
    // Collected, since a closure inside the stream would keep the whole future from being known as `Send`.
    let work: Vec<_> = groups.iter().map(|group| rewrite.group(group)).collect();
    let mut work = futures::stream::iter(work).buffer_unordered(rewrite.limits.concurrency);
    while let Some(done) = work.next().await {
        outcome.take(done);
        if groups_per_commit.is_some_and(|most| outcome.batch.groups >= most) {
            outcome.commit(commits).await;
        }
    }
    drop(work);
    let is_whole = outcome.batch.groups as u64 == outcome.report.groups_planned;
    if groups_per_commit.is_some() || is_whole {
        outcome.commit(commits).await;
    } else {
        outcome.give_up(commits).await;
    }
    outcome.end(commits)
}

/// How the groups of a run came out so far.
struct Outcome {
    report: CompactionReport,
    failures: Vec<GroupError>,
    batch: Batch,
    /// The error that ended the commits.
    stopped: Option<TableError>,
}

impl Outcome {
    fn take(&mut self, done: Result<Rewritten, GroupError>) {
        match done {
            Ok(rewritten) => self.batch.push(rewritten),
            Err(error) => {
                let left = match error {
                    GroupError::OutOfTime => LeftAs::RemainingGroups,
                    _ => LeftAs::FailedGroups,
                };
                match left {
                    LeftAs::RemainingGroups => self.report.groups_remaining += 1,
                    _ => self.report.groups_failed += 1,
                }
                self.report.because(left, 1, error.to_string());
                tracing::warn!(%error, "a group of files was not rewritten");
                self.failures.push(error);
            }
        }
    }

    /// Commits what is done. After an error nothing more is begun: its cause is the table's, not a group's.
    async fn commit(&mut self, commits: &Commits<'_>) {
        let batch = std::mem::take(&mut self.batch);
        if batch.groups == 0 {
            return;
        }
        if self.stopped.is_some() {
            self.report.groups_remaining += batch.groups as u64;
            return commits.discard(batch).await;
        }
        if let Err(error) = commits.commit(batch, &mut self.report).await {
            commits.rewrite.halted.store(true, Ordering::Relaxed);
            self.stopped = Some(error);
        }
    }

    /// All or nothing, and it is not all.
    async fn give_up(&mut self, commits: &Commits<'_>) {
        let batch = std::mem::take(&mut self.batch);
        let groups = batch.groups as u64;
        self.report.groups_remaining += groups;
        self.report.because(
            LeftAs::RemainingGroups,
            groups,
            "set `partial-progress.enabled` to true, or see why other groups were not done: expected every group, since all are committed or none is",
        );
        commits.discard(batch).await;
    }

    fn end(self, commits: &Commits<'_>) -> Result<CompactionReport, CompactionError> {
        if let Some(error) = self.stopped {
            return Err(error.into());
        }
        let (mut report, rewrite) = (self.report, commits.rewrite);
        let after = rewrite.table.cached().unwrap_or_else(|| rewrite.state.clone());
        report.manifests_after = after.manifests().len() as u64;
        let failed = self.failures.iter().filter(|error| !matches!(error, GroupError::OutOfTime));
        match self.failures.iter().find(|error| !matches!(error, GroupError::OutOfTime)) {
            Some(first) if failed.count() as u64 == report.groups_planned => Err(CompactionError::AllFailed {
                first: first.to_string(),
                table: format_table_name(rewrite.table.ident()),
                failed: report.groups_failed,
                remedy: first.remedy(),
            }),
            _ => Ok(report),
        }
    }
}

/// What can be said before anything is done.
fn foreseen(state: &TableState, survey: &Survey, planned: &Plan) -> CompactionReport {
    let mut report = CompactionReport {
        files_seen: survey.live.iter().filter(|file| file.content() == DataContentType::Data).count() as u64,
        files_unserved: survey.unserved.values().sum(),
        groups_planned: planned.groups.len() as u64,
        groups_skipped: planned.skipped.len() as u64,
        manifests_before: state.manifests().len() as u64,
        ..CompactionReport::default()
    };
    for (reason, files) in &survey.unserved {
        report.because(LeftAs::UnservedFiles, *files, reason);
    }
    if !planned.skipped.is_empty() {
        let bytes: u64 = planned.skipped.iter().map(|group| group.bytes).sum();
        let reason = format!(
            "run again, or raise `max-rewrite-bytes` or `max-files-to-rewrite`: expected groups within them, found {bytes} bytes more"
        );
        report.because(LeftAs::SkippedGroups, planned.skipped.len() as u64, reason);
    }
    report
}

fn live_paths(live: &[LiveFile]) -> HashSet<String> {
    let data = live.iter().filter(|file| file.content() == DataContentType::Data);
    data.map(|file| file.path().to_owned()).collect()
}

fn refuse_timeless(table: &Table, state: &TableState, limits: &Limits) -> Result<(), TableError> {
    let spec = state.metadata().default_partition_spec();
    if limits.newest_skipped == 0 || time_field(spec, state.schema()).is_some() {
        return Ok(());
    }
    Err(TableError::Unsupported {
        remedy: "leave out option `skip-newest-partitions`",
        table: format_table_name(table.ident()),
        expected: "a partition field that is a time, by which partitions are newer or older",
        found: "none".to_owned(),
    })
}

fn name_mapping(table: &Table, state: &TableState) -> Result<Option<NameMapping>, TableError> {
    let Some(text) = state.metadata().properties().get(DEFAULT_SCHEMA_NAME_MAPPING) else { return Ok(None) };
    serde_json::from_str(text).map(Some).map_err(|error| TableError::Unsupported {
        remedy: "correct table property `schema.name-mapping.default`",
        table: format_table_name(table.ident()),
        expected: "a name mapping as JSON",
        found: format!("`{text}` ({error})"),
    })
}

impl GroupError {
    /// Whether another invocation may do better.
    fn remedy(&self) -> Remedy {
        match self {
            Self::Table(error) => error.remedy(),
            Self::Read(error) => error.remedy(),
            Self::Delete(super::deletes::DeleteError::Read(error)) => error.remedy(),
            _ => Remedy::Halt,
        }
    }
}

impl CompactionError {
    /// What the caller should do; `None` for an error of the options.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Self::Option(_) => None,
            Self::Table(error) => Some(error.remedy()),
            Self::AllFailed { remedy, .. } => Some(*remedy),
        }
    }
}
