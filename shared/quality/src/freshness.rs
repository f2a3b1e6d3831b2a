//! Freshness: the age of the newest value of a column of times, by the files' upper bounds.

use tributary_runtime::Age;

use crate::facts::{AHEAD_MS_MAX, Column, seconds, time_us};
use crate::files::{Files, is_absent, nulls};
use crate::heartbeat::ago;
use crate::judge::Judgement;
use crate::result::{Exactness, Status};

/// What the bounds tell of the newest value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Newest {
    /// In milliseconds since the epoch; `None` if there is no value.
    pub(crate) ms: Option<i64>,
    /// Whether no delete and no missing bound keeps it from being the newest value.
    pub(crate) is_exact: bool,
}

/// The newest value of a column in the head's files. Bounds of times are never truncated.
pub(crate) fn newest(files: &Files, column: &Column) -> Newest {
    let field = &column.field;
    let (mut greatest, mut is_exact) = (None, true);
    let mut greatest_may_be_deleted = false;
    for file in &files.data {
        let data = file.data_file();
        let has_none = data.record_count() == 0
            || is_absent(data, file.schema(), field)
            || nulls(data, file.schema(), field) == Some(data.record_count());
        match data.upper_bounds().get(&field.id).and_then(time_us) {
            Some(us) if greatest.is_none_or(|greatest| us > greatest) => {
                greatest = Some(us);
                greatest_may_be_deleted = files.may_have_deletes(file);
            }
            Some(_) => {}
            None => is_exact &= has_none,
        }
    }
    Newest { ms: greatest.map(|us: i64| us.div_euclid(1000)), is_exact: is_exact && !greatest_may_be_deleted }
}

pub(crate) fn judge(
    newest: Newest,
    column: &str,
    warn_after: Option<Age>,
    error_after: Option<Age>,
    now_ms: i64,
) -> Judgement {
    let limit = warn_after.or(error_after).map_or_else(String::new, |age| age.to_string());
    let Some(ms) = newest.ms else {
        let (status, found) = match newest.is_exact {
            true => (Status::Fail, "no value at all"),
            false => {
                (Status::Error, "no upper bound of it in the metadata (see table property `write.metadata.metrics.*`)")
            }
        };
        return Judgement {
            threshold: error_after.or(warn_after).map(|age| seconds(age.ms())),
            message: format!("expected a newest `{column}` at most {limit} old, found {found}"),
            ..Judgement::unmeasured(status)
        };
    };
    let age_ms = now_ms.saturating_sub(ms);
    let past = |limit: Option<Age>| limit.filter(|limit| age_ms > limit.ms());
    let (status, broken) = match (past(error_after), past(warn_after)) {
        (Some(limit), _) => (Status::Fail, Some(limit)),
        (None, Some(limit)) => (Status::Warn, Some(limit)),
        (None, None) if age_ms < -AHEAD_MS_MAX => (Status::Warn, None),
        (None, None) => (Status::Pass, None),
    };
    let limit = broken.or(warn_after).or(error_after);
    let expected = limit.map_or_else(String::new, |limit| limit.to_string());
    let doubt = if newest.is_exact { "" } else { " (a bound: deletes may apply to it, or files have no upper bound)" };
    Judgement {
        status,
        value: Some(seconds(age_ms)),
        threshold: limit.map(|limit| seconds(limit.ms())),
        exactness: Some(Exactness::of(newest.is_exact)),
        message: format!("expected a newest `{column}` at most {expected} old, found one {}{doubt}", ago(age_ms)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_700_000_000_000;

    fn judged(age_ms: i64) -> (Status, Option<f64>, Option<f64>) {
        let newest = Newest { ms: Some(NOW_MS - age_ms), is_exact: true };
        let judged = judge(newest, "at", Some(Age::minutes(10)), Some(Age::minutes(30)), NOW_MS);
        (judged.status, judged.value, judged.threshold)
    }

    #[test]
    fn an_age_passes_warns_and_fails_by_its_limits() {
        assert_eq!(judged(600_000), (Status::Pass, Some(600.0), Some(600.0)));
        assert_eq!(judged(600_001), (Status::Warn, Some(600.001), Some(600.0)));
        assert_eq!(judged(1_800_000), (Status::Warn, Some(1800.0), Some(600.0)));
        assert_eq!(judged(1_800_001), (Status::Fail, Some(1800.001), Some(1800.0)));
    }

    #[test]
    fn a_time_far_ahead_is_no_freshness() {
        assert_eq!(judged(-AHEAD_MS_MAX).0, Status::Pass);
        assert_eq!(judged(-AHEAD_MS_MAX - 1), (Status::Warn, Some(-300.001), Some(600.0)));
    }

    #[test]
    fn no_value_fails_and_no_bound_is_an_error() {
        let of = |is_exact| judge(Newest { ms: None, is_exact }, "at", None, Some(Age::minutes(30)), NOW_MS);
        assert_eq!((of(true).status, of(true).value, of(true).exactness), (Status::Fail, None, None));
        assert_eq!(of(false).status, Status::Error);
        assert!(of(false).message.contains("write.metadata.metrics"), "{}", of(false).message);
        assert_eq!(of(true).message, "expected a newest `at` at most 30m old, found no value at all");
    }

    #[test]
    fn a_bound_says_so() {
        let judged = judge(Newest { ms: Some(NOW_MS), is_exact: false }, "at", None, Some(Age::hours(1)), NOW_MS);
        assert_eq!((judged.status, judged.exactness), (Status::Pass, Some(Exactness::Bound)));
        assert!(
            judged
                .message
                .ends_with("found one 0.0 s ago (a bound: deletes may apply to it, or files have no upper bound)")
        );
    }
}
