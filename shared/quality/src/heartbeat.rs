//! Heartbeat: when data was last committed.

use iceberg::spec::TableMetadata;
use tributary_runtime::Age;

use crate::facts::{AHEAD_MS_MAX, brought_rows, history, seconds};
use crate::judge::Judgement;
use crate::result::{Exactness, Status};

/// When rows last came into the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastData {
    /// At this time, in milliseconds since the epoch.
    At(i64),
    /// Before this time: what is known of the history brought none.
    Before(i64),
    /// Never.
    Never,
}

impl LastData {
    pub(crate) fn of(metadata: &TableMetadata) -> Self {
        if let Some(snapshot) = history(metadata).find(|snapshot| brought_rows(snapshot)) {
            return Self::At(snapshot.timestamp_ms());
        }
        match history(metadata).last() {
            Some(oldest) if oldest.parent_snapshot_id().is_some() => Self::Before(oldest.timestamp_ms()),
            _ => Self::Never,
        }
    }

    /// Its age in seconds, or the least it can be; `None` if there never was any.
    pub(crate) fn seconds_ago(self, now_ms: i64) -> Option<f64> {
        match self {
            Self::At(ms) | Self::Before(ms) => Some(seconds(now_ms.saturating_sub(ms))),
            Self::Never => None,
        }
    }
}

/// A heartbeat that can't be measured counts as failed.
pub(crate) fn judge(last: LastData, within: Age, now_ms: i64) -> Judgement {
    let limit = seconds(within.ms());
    let found = match last {
        LastData::At(ms) => format!("one {}", ago(now_ms.saturating_sub(ms))),
        LastData::Before(ms) => {
            format!("none in the known history, which goes back {}", ago(now_ms.saturating_sub(ms)))
        }
        LastData::Never => "none ever".to_owned(),
    };
    let value = last.seconds_ago(now_ms);
    let in_time =
        matches!(last, LastData::At(ms) if (-AHEAD_MS_MAX..=within.ms()).contains(&now_ms.saturating_sub(ms)));
    Judgement {
        status: if in_time { Status::Pass } else { Status::Fail },
        value,
        threshold: Some(limit),
        exactness: value.map(|_| Exactness::of(matches!(last, LastData::At(_)))),
        message: format!("expected a commit of data within {within}, found {found}"),
    }
}

/// A length of time before now, for people.
pub(crate) fn ago(ms: i64) -> String {
    if ms < 0 {
        return format!("{:.1} s in the future", -seconds(ms));
    }
    format!("{:.1} s ago", seconds(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within_15m(last: LastData, now_ms: i64) -> (Status, Option<f64>, Option<Exactness>) {
        let judged = judge(last, Age::minutes(15), now_ms);
        (judged.status, judged.value, judged.exactness)
    }

    #[test]
    fn a_heartbeat_passes_up_to_its_limit_and_fails_past_it() {
        let exact = Some(Exactness::Exact);
        assert_eq!(within_15m(LastData::At(1000), 901_000), (Status::Pass, Some(900.0), exact));
        assert_eq!(within_15m(LastData::At(1000), 901_001), (Status::Fail, Some(900.001), exact));
    }

    #[test]
    fn a_heartbeat_that_can_not_be_measured_counts_as_failed() {
        assert_eq!(within_15m(LastData::Never, 5), (Status::Fail, None, None));
        // Younger than the limit, but not known to be the last data.
        assert_eq!(within_15m(LastData::Before(1000), 2000), (Status::Fail, Some(1.0), Some(Exactness::Bound)));
        // By a clock that is far ahead.
        assert_eq!(within_15m(LastData::At(300_000), 0).0, Status::Pass);
        assert_eq!(within_15m(LastData::At(300_001), 0).0, Status::Fail);
    }

    #[test]
    fn the_message_says_what_was_expected_and_found() {
        let message = judge(LastData::At(0), Age::minutes(15), 960_500).message;
        assert_eq!(message, "expected a commit of data within 15m, found one 960.5 s ago");
        let message = judge(LastData::Never, Age::minutes(15), 960_500).message;
        assert_eq!(message, "expected a commit of data within 15m, found none ever");
    }
}
