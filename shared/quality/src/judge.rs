//! From what was measured to PASS, WARN, FAIL or ERROR. Pure.

use iceberg::spec::Schema;

use crate::measure::Tally;
use crate::result::{CheckResult, Exactness, Status};
use crate::rules::{Check, Level, Limit, Tolerance};

/// What a check makes of what it measured.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Judgement {
    pub(crate) status: Status,
    pub(crate) value: Option<f64>,
    pub(crate) threshold: Option<f64>,
    pub(crate) exactness: Option<Exactness>,
    pub(crate) message: String,
}

impl Judgement {
    pub(crate) fn unmeasured(status: Status) -> Self {
        Self { status, value: None, threshold: None, exactness: None, message: String::new() }
    }

    pub(crate) fn error(message: String) -> Self {
        Self { message, ..Self::unmeasured(Status::Error) }
    }

    /// `judged_to` is the snapshot up to which the check has judged now, `before` that of its last run.
    pub(crate) fn into_result(self, check: &Check, judged_to: Option<i64>, before: Option<i64>) -> CheckResult {
        let Self { status, value, threshold, exactness, message } = self;
        CheckResult {
            check: check.kind().as_str(),
            column: check.column().map(str::to_owned),
            status,
            value,
            threshold,
            exactness,
            message,
            // What was not judged is still new to the next run.
            snapshot_id: if status == Status::Error { before } else { judged_to },
        }
    }
}

pub(crate) fn judge_schema(schema: &Schema, required: &[String], allow_extra_columns: bool) -> Judgement {
    let missing: Vec<&str> =
        required.iter().filter(|name| schema.field_by_name(name).is_none()).map(String::as_str).collect();
    let names = schema.as_struct().fields().iter().map(|field| field.name.as_str());
    let extra: Vec<&str> =
        names.filter(|name| !allow_extra_columns && !required.iter().any(|one| one == name)).collect();
    let faults = missing.len() + extra.len();
    let found = match (missing.as_slice(), extra.as_slice()) {
        ([], []) => "them".to_owned(),
        (missing, []) => format!("no `{}`", missing.join("`, `")),
        ([], extra) => format!("also `{}`", extra.join("`, `")),
        (missing, extra) => format!("no `{}` and also `{}`", missing.join("`, `"), extra.join("`, `")),
    };
    let only = if allow_extra_columns { "" } else { "only " };
    Judgement {
        status: if faults == 0 { Status::Pass } else { Status::Fail },
        value: Some(faults as f64),
        threshold: Some(0.0),
        exactness: Some(Exactness::Exact),
        message: format!("expected {only}columns `{}`, found {found}", required.join("`, `")),
    }
}

/// What a count came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Count {
    pub(crate) tally: Tally,
    /// Files whose rows should have been read and were not.
    pub(crate) unread: u64,
    /// Whether deletes may apply to what was counted.
    pub(crate) may_be_deleted: bool,
    /// Whether the files that came since the last check are known.
    pub(crate) is_incomplete: bool,
}

impl Count {
    /// What keeps it from being exact.
    fn doubt(&self) -> String {
        let mut doubts = Vec::new();
        if self.unread > 0 {
            doubts.push(format!("{} files were not read", self.unread));
        }
        if self.may_be_deleted {
            doubts.push("deletes may apply to rows counted".to_owned());
        }
        if self.is_incomplete {
            doubts.push("the history since the last check is not known, so all rows were judged".to_owned());
        }
        if doubts.is_empty() { String::new() } else { format!(" (a bound: {})", doubts.join(", ")) }
    }
}

pub(crate) fn judge_count(check: &Check, count: &Count) -> Judgement {
    let doubt = count.doubt();
    let rows = count.tally.rows;
    match check {
        Check::Missing { column, tolerance } => judge_hits(column, "missing", *tolerance, count),
        Check::Invalid { column, tolerance, .. } => judge_hits(column, "invalid", *tolerance, count),
        Check::RowCount { min, max } => {
            let (below, above) = (min.filter(|min| rows < *min), max.filter(|max| rows > *max));
            let expected = match (min, max) {
                (Some(min), Some(max)) => format!("{min} to {max}"),
                (Some(min), None) => format!("at least {min}"),
                (None, Some(max)) => format!("at most {max}"),
                (None, None) => "any number of".to_owned(),
            };
            Judgement {
                status: if below.or(above).is_some() { Status::Fail } else { Status::Pass },
                value: Some(rows as f64),
                threshold: above.or(*min).or(*max).map(|limit| limit as f64),
                exactness: Some(Exactness::of(doubt.is_empty())),
                message: format!("expected {expected} rows, found {rows}{doubt}"),
            }
        }
        _ => Judgement::error(format!("expected a check that counts, found `{check}`")),
    }
}

fn judge_hits(column: &str, what: &str, tolerance: Tolerance, count: &Count) -> Judgement {
    let Tally { rows, hits } = count.tally;
    let (value, threshold, expected) = match tolerance.limit {
        Limit::Count(max) => (hits as f64, max as f64, format!("{max}")),
        Limit::Percent(max) => {
            let percent = if rows == 0 { 0.0 } else { hits as f64 * 100.0 / rows as f64 };
            (percent, max, format!("{max} %"))
        }
    };
    let doubt = count.doubt();
    let broken = match tolerance.level {
        Level::Warn => Status::Warn,
        Level::Error => Status::Fail,
    };
    Judgement {
        status: if value > threshold { broken } else { Status::Pass },
        value: Some(value),
        threshold: Some(threshold),
        exactness: Some(Exactness::of(doubt.is_empty())),
        message: format!("expected at most {expected} {what} `{column}`, found {hits} in {rows} rows{doubt}"),
    }
}
