//! One run: the rules against the table as it stands.

use tokio::time::Instant;
use tributary_table::{Table, TableState};

use crate::counted::counts_of;
use crate::facts::Column;
use crate::files::Files;
use crate::freshness::{self, newest};
use crate::heartbeat::{self, LastData};
use crate::judge::{Judgement, judge_count, judge_schema};
use crate::result::{CheckResult, Status};
use crate::results_table::Memory;
use crate::rules::{Check, CheckKind, Rules};

/// What is to be checked.
#[derive(Debug)]
pub struct CheckRequest<'a> {
    /// The table.
    pub table: &'a Table,
    /// The state of it that is judged.
    pub state: &'a TableState,
    /// What it is expected to be.
    pub rules: &'a Rules,
    /// The kinds of checks to run; `None`: all.
    pub kinds: Option<&'a [CheckKind]>,
    /// What is known of earlier runs.
    pub memory: &'a Memory,
    /// Most data files read; the rest is reported as not read.
    pub files_max: usize,
    /// Now, in milliseconds since the epoch.
    pub now_ms: i64,
    /// When to read no further.
    pub stop_at: Instant,
}

/// What a run found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CheckRun {
    /// One result a check, in the order of the rules.
    pub results: Vec<CheckResult>,
    /// Age of the last commit that brought rows, in seconds; `None` if it can't be told.
    pub seconds_since_last_commit: Option<f64>,
    /// Age of the newest value, in seconds, of the first freshness check; `None` if there is none.
    pub data_freshness: Option<f64>,
    /// Data files read.
    pub files_read: u64,
    /// Rows in them.
    pub rows_read: u64,
    /// Data files that should have been read, and were not for lack of time or by `files_max`.
    pub files_unread: u64,
}

/// Checks the table. Never fails: what can't be judged is a result of its own.
pub async fn check(request: CheckRequest<'_>) -> CheckRun {
    let metadata = request.state.metadata();
    let last_data = LastData::of(metadata);
    let mut run = CheckRun { seconds_since_last_commit: last_data.seconds_ago(request.now_ms), ..CheckRun::default() };
    let checks: Vec<&Check> = chosen(request.rules, request.kinds).collect();
    let files = match checks.iter().any(|check| needs_files(check)) {
        true => request.table.live_files(request.state).await.map(Files::of).map_err(|error| error.to_string()),
        false => Ok(Files::default()),
    };
    let counts = counts_of(&request, &checks, &files, &mut run).await;
    for (check, count) in checks.into_iter().zip(counts) {
        let judged = match (check, count) {
            (_, Some(count)) => count.map(|count| judge_count(check, &count)),
            (Check::Heartbeat { last_commit_within }, _) => {
                Ok(heartbeat::judge(last_data, *last_commit_within, request.now_ms))
            }
            _ => judge_metadata(check, &request, &files),
        };
        let judged = judged.unwrap_or_else(Judgement::error);
        if check.kind() == CheckKind::Freshness && run.data_freshness.is_none() {
            run.data_freshness = judged.value;
        }
        let before = request.memory.last(check).and_then(|last| last.snapshot_id);
        run.results.push(judged.into_result(check, metadata.current_snapshot_id(), before));
    }
    run
}

fn judge_metadata(
    check: &Check,
    request: &CheckRequest<'_>,
    files: &Result<Files, String>,
) -> Result<Judgement, String> {
    let schema = request.state.schema();
    match check {
        Check::Schema { required, allow_extra_columns } => Ok(judge_schema(schema, required, *allow_extra_columns)),
        Check::Freshness { column, warn_after, error_after } => {
            let files = files.as_ref().map_err(Clone::clone)?;
            let newest = newest(files, &Column::find_time(schema, column)?);
            Ok(freshness::judge(newest, column, *warn_after, *error_after, request.now_ms))
        }
        _ => Err(format!("expected a measurement for `{check}`, found none")),
    }
}

/// The results for a table that can't be read: nothing can be judged, and so the heartbeat has failed.
pub fn unreadable(rules: &Rules, kinds: Option<&[CheckKind]>, memory: &Memory, reason: &str) -> CheckRun {
    let results = chosen(rules, kinds).map(|check| {
        let status = if check.kind() == CheckKind::Heartbeat { Status::Fail } else { Status::Error };
        let message = format!("expected a table that can be read, found: {reason}");
        let judged = Judgement { message, ..Judgement::unmeasured(status) };
        let before = memory.last(check).and_then(|last| last.snapshot_id);
        judged.into_result(check, before, before)
    });
    CheckRun { results: results.collect(), ..CheckRun::default() }
}

fn chosen<'a>(rules: &'a Rules, kinds: Option<&'a [CheckKind]>) -> impl Iterator<Item = &'a Check> {
    rules.checks.iter().filter(move |check| kinds.is_none_or(|kinds| kinds.contains(&check.kind())))
}

fn needs_files(check: &Check) -> bool {
    !matches!(check, Check::Heartbeat { .. } | Check::Schema { .. })
}
