//! Which results are news: a change of state, or a bad one that has lasted for another while. Pure.

use serde::Serialize;
use tributary_runtime::Age;

use crate::result::{CheckResult, Status};
use crate::results_table::{LastResult, Memory};

/// Why a result is news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It is not as expected, and nothing, or something else, is known of it before.
    Changed,
    /// It is as expected again.
    Recovered,
    /// It still is not as expected, a while after the last alert.
    Reminder,
}

/// A result that is news.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Why.
    pub cause: Cause,
    /// How the check ended before; `None` if that is not known.
    pub previous: Option<Status>,
    /// The result.
    pub result: CheckResult,
}

/// The alert of each result, `None` for those that are no news. Without memory, every result but PASS is news.
///
/// `remind_after`: how long after an alert about a state that has not changed the next one is due.
pub fn plan_alerts(results: &[CheckResult], memory: &Memory, remind_after: Age, now_ms: i64) -> Vec<Option<Alert>> {
    let of = |result: &CheckResult| {
        let last = memory.last_of(result);
        let cause = cause(result.status, last, remind_after, now_ms)?;
        Some(Alert { cause, previous: last.map(|last| last.status), result: result.clone() })
    };
    results.iter().map(of).collect()
}

fn cause(status: Status, last: Option<&LastResult>, remind_after: Age, now_ms: i64) -> Option<Cause> {
    match last {
        None if status == Status::Pass => None,
        None => Some(Cause::Changed),
        Some(last) if last.status != status && status == Status::Pass => Some(Cause::Recovered),
        Some(last) if last.status != status => Some(Cause::Changed),
        Some(_) if status == Status::Pass => None,
        // A state nobody was told of (there was no topic then) is due at once.
        Some(last) => {
            let is_due = last.alerted_at_ms.is_none_or(|at| at <= remind_after.before(now_ms));
            is_due.then_some(Cause::Reminder)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_700_000_000_000;

    fn last(status: Status, alerted_ago_ms: Option<i64>) -> Option<LastResult> {
        let alerted_at_ms = alerted_ago_ms.map(|ago| NOW_MS - ago);
        Some(LastResult { status, alerted_at_ms, snapshot_id: None, run_ms: NOW_MS - 1 })
    }

    #[test]
    fn a_change_of_state_is_news_and_a_lasting_one_is_not() {
        let of = |status, last: Option<LastResult>| cause(status, last.as_ref(), Age::hours(24), NOW_MS);
        assert_eq!(of(Status::Pass, None), None);
        assert_eq!(of(Status::Fail, None), Some(Cause::Changed));
        assert_eq!(of(Status::Fail, last(Status::Pass, None)), Some(Cause::Changed));
        assert_eq!(of(Status::Fail, last(Status::Warn, Some(5))), Some(Cause::Changed));
        assert_eq!(of(Status::Warn, last(Status::Fail, Some(5))), Some(Cause::Changed));
        assert_eq!(of(Status::Pass, last(Status::Fail, Some(5))), Some(Cause::Recovered));
        assert_eq!(of(Status::Pass, last(Status::Pass, None)), None);
        assert_eq!(of(Status::Fail, last(Status::Fail, Some(5))), None);
    }

    #[test]
    fn a_lasting_state_is_news_again_after_a_while_or_if_nobody_was_told() {
        let of = |ago| cause(Status::Fail, last(Status::Fail, ago).as_ref(), Age::hours(1), NOW_MS);
        assert_eq!(of(Some(3_599_999)), None);
        assert_eq!(of(Some(3_600_000)), Some(Cause::Reminder));
        assert_eq!(of(None), Some(Cause::Reminder));
    }
}
