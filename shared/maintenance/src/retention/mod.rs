//! Retention: rows past their time leave the table, by whole files (INV-5: only those).
//!
//! table -> column -> cutoff -> plan (pure) -> one commit -> report
//!
//! A file goes only when its manifest entry proves that every row in it is past: by the column's upper bound with no NULL among its
//! values, or by the end of its partition. What can't be proven stays and is reported. The cutoff is fixed once a run; which
//! files are past is asked again at each attempt of the commit, since other writers add, merge and remove files meanwhile. No file is
//! deleted from storage here: earlier snapshots still have them, until snapshot expiry.

mod plan;
mod report;
mod rules;

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;
use tributary_table::{LiveFile, RemoveRequest, ReplaceConflict, Replaced, Table, TableError, TableState};

use self::plan::{Plan, plan};
pub use self::report::RetentionReport;
pub use self::rules::{MeasuredFrom, Ratio, RetentionLevel, RetentionRules, RuleError};
use crate::time::TimePoint;
use crate::time_column::{TimeColumn, TimeColumnError};

/// Why nothing was removed.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// The table could not be read or changed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The column is none of the table's, or no time.
    #[error("option `column`, table `{table}`: {source}")]
    Column {
        /// The table.
        table: String,
        /// What is wrong with it.
        source: TimeColumnError,
    },
    /// More rows are past than one run may remove.
    #[error(
        "check options `column` and `retain`, and raise `max-removed-ratio` if they are right: table `{table}`: expected at most {max} of \
         its rows before {cutoff}, found {found:.4} ({rows_past} of {rows}); nothing was removed"
    )]
    TooMuch {
        /// The table.
        table: String,
        /// The greatest part of the rows that may go.
        max: f64,
        /// The part that would go.
        found: f64,
        /// Rows that would go.
        rows_past: u64,
        /// Rows there are.
        rows: u64,
        /// RFC 3339.
        cutoff: String,
    },
    /// The column was replaced by another of its name while the run was under way.
    #[error(
        "run retention again: table `{table}`: expected column `{column}` to stay the one it was planned by, found another under its name"
    )]
    ColumnReplaced {
        /// The table.
        table: String,
        /// Its name.
        column: String,
    },
    /// The table under the name is not the one the plan was made for.
    #[error("table `{table}`: {source}")]
    Moved {
        /// The table.
        table: String,
        /// What moved.
        source: ReplaceConflict,
    },
}

/// Removes whole files of rows that are past by `rules`. `now_ms` is since the epoch; no commit begins or is tried again after
/// `deadline`.
///
/// # Errors
/// [`RetentionError`]; nothing was removed then, unless it says that the outcome is unknown.
pub async fn retain(
    table: &Table,
    rules: &RetentionRules,
    now_ms: i64,
    deadline: Instant,
) -> Result<RetentionReport, RetentionError> {
    let base = table.refresh().await?;
    table.refuse_row_lineage(&base)?;
    let name = tributary_table::format_table_name(table.ident());
    let column = TimeColumn::of_schema(base.schema(), &rules.column)
        .map_err(|source| RetentionError::Column { table: name.clone(), source })?;
    let live = table.live_files(&base).await?;
    let now = TimePoint::of_ms(now_ms);
    let newest = match rules.measured_from {
        MeasuredFrom::Newest => column.newest(&live, now),
        MeasuredFrom::Clock => None,
    };
    let Some(cutoff) = cutoff(rules, newest, now) else {
        let reason = format!("no file tells of a value of `{}` up to now to measure age from", rules.column);
        return Ok(RetentionReport { dry_run: rules.dry_run, ..RetentionReport::default() }.skipped(reason));
    };
    let run = Run { table: name, rules, column, newest, cutoff };
    let planned = plan(&live, &run.column, rules.level, cutoff);
    if rules.dry_run {
        return Ok(run.dry_report(&planned));
    }
    run.check_ratio(&planned)?;
    match planned.going.is_empty() {
        true => Ok(run.report(&planned)),
        false if Instant::now() >= deadline => Ok(run.report(&planned).skipped("the deadline was reached")),
        false => run.commit(table, &base, now_ms, deadline).await,
    }
}

/// Rows before it are past; `None` where there is nothing to measure from.
fn cutoff(rules: &RetentionRules, newest: Option<TimePoint>, now: TimePoint) -> Option<TimePoint> {
    let from = match rules.measured_from {
        MeasuredFrom::Newest => newest?,
        MeasuredFrom::Clock => now,
    };
    Some(from.before_ms(rules.retain_ms.get()))
}

/// What stays the same over all attempts of a run.
struct Run<'a> {
    table: String,
    rules: &'a RetentionRules,
    column: TimeColumn,
    newest: Option<TimePoint>,
    cutoff: TimePoint,
}

impl Run<'_> {
    async fn commit(
        &self,
        table: &Table,
        base: &TableState,
        now_ms: i64,
        deadline: Instant,
    ) -> Result<RetentionReport, RetentionError> {
        // What the latest attempt came to: its files, or why it may take none.
        let latest = Mutex::new(Ok(Plan::default()));
        let select = |current: &TableState, live: &[LiveFile]| {
            let planned = self.plan_again(current, live);
            let going = planned.as_ref().map(|plan| plan.going.clone()).unwrap_or_default();
            *latest.lock().unwrap_or_else(PoisonError::into_inner) = planned;
            going
        };
        let replaced = table.remove(RemoveRequest { base, select, now_ms, deadline }).await?;
        let planned = latest.into_inner().unwrap_or_else(PoisonError::into_inner);
        match replaced {
            Replaced::Committed { snapshot_id, attempts, .. } => {
                let planned = planned?;
                Ok(self.report(&planned).committed(&planned, snapshot_id, attempts))
            }
            Replaced::Unchanged { .. } => Ok(self.report(&planned?)),
            Replaced::Invalidated { reason, .. } => {
                Err(RetentionError::Moved { table: self.table.clone(), source: reason })
            }
        }
    }

    fn plan_again(&self, current: &TableState, live: &[LiveFile]) -> Result<Plan, RetentionError> {
        let known = TimeColumn::all_of_schema(current.schema());
        // By id: a column renamed meanwhile is still the one that was meant, another one under its name is not.
        if !known.iter().any(|column| column.field_id() == self.column.field_id()) {
            let (table, column) = (self.table.clone(), self.rules.column.clone());
            return Err(RetentionError::ColumnReplaced { table, column });
        }
        let planned = plan(live, &self.column, self.rules.level, self.cutoff);
        self.check_ratio(&planned)?;
        Ok(planned)
    }

    fn check_ratio(&self, planned: &Plan) -> Result<(), RetentionError> {
        if !self.exceeds_ratio(planned) {
            return Ok(());
        }
        Err(RetentionError::TooMuch {
            table: self.table.clone(),
            max: self.rules.removed_ratio_max.value(),
            found: report::ratio(planned.past.rows, planned.all.rows),
            rows_past: planned.past.rows,
            rows: planned.all.rows,
            cutoff: self.cutoff.to_string(),
        })
    }

    fn exceeds_ratio(&self, planned: &Plan) -> bool {
        self.rules.removed_ratio_max.is_exceeded_by(planned.past.rows, planned.all.rows)
    }

    fn report(&self, planned: &Plan) -> RetentionReport {
        RetentionReport::planned(planned, self.newest, self.cutoff)
    }

    fn dry_report(&self, planned: &Plan) -> RetentionReport {
        let exceeds_max_removed_ratio = self.exceeds_ratio(planned);
        RetentionReport { dry_run: true, exceeds_max_removed_ratio, ..self.report(planned) }
    }
}
