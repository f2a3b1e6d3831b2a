//! Ages and instants as options have them: "5d", or "2026-01-31T00:00:00Z".

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};

/// The units of an age, from the longest, with their milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// A text that is no age.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected {expected}, found `{found}`")]
pub struct AgeError {
    expected: &'static str,
    found: String,
}

/// A length of time, in text a whole number and a unit: `5d`, `36h`, `90m`, `30s`, `250ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Age {
    ms: u64,
}

impl Age {
    /// What an age looks like, for errors and documentation.
    pub const FORM: &'static str = "an age such as `5d`, `36h`, `90m`, `30s` or `250ms`";

    /// Days of 24 hours.
    pub const fn days(days: u32) -> Self {
        Self { ms: days as u64 * 86_400_000 }
    }

    /// Hours.
    pub const fn hours(hours: u32) -> Self {
        Self { ms: hours as u64 * 3_600_000 }
    }

    /// Minutes.
    pub const fn minutes(minutes: u32) -> Self {
        Self { ms: minutes as u64 * 60_000 }
    }

    /// Its length.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.ms)
    }

    /// Its length in milliseconds, which is never negative.
    pub fn ms(self) -> i64 {
        i64::try_from(self.ms).unwrap_or(i64::MAX)
    }

    /// The time this long before another, both in milliseconds since the epoch.
    pub fn before(self, ms: i64) -> i64 {
        ms.saturating_sub(self.ms())
    }
}

impl FromStr for Age {
    type Err = AgeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || AgeError { expected: Self::FORM, found: text.to_owned() };
        let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits_end);
        let (_, unit_ms) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?;
        let ms = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*unit_ms)).ok_or_else(error)?;
        // What does not fit a timestamp's range can't be compared with one.
        i64::try_from(ms).map(|_| Self { ms }).map_err(|_| error())
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |(_, unit_ms): &&(&str, u64)| self.ms.is_multiple_of(*unit_ms) && self.ms > 0;
        let (unit, unit_ms) = UNITS.iter().find(whole).unwrap_or(&("s", 1000));
        write!(f, "{}{unit}", self.ms / unit_ms)
    }
}

impl TryFrom<String> for Age {
    type Error = AgeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Age> for String {
    fn from(age: Age) -> Self {
        age.to_string()
    }
}

/// A point in time: so long ago, or an instant as RFC 3339 writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum AgeOrInstant {
    /// So long before the invocation.
    Age(Age),
    /// Milliseconds since the epoch.
    Instant {
        /// The milliseconds; what is finer is cut.
        ms: i64,
    },
}

impl AgeOrInstant {
    /// What it looks like, for errors and documentation.
    pub const FORM: &'static str =
        "an age such as `5d`, `36h` or `90m`, or an RFC 3339 instant such as `2026-01-31T00:00:00Z`";

    /// The point in time, in milliseconds since the epoch as `now_ms` is.
    pub fn at_ms(self, now_ms: i64) -> i64 {
        match self {
            Self::Age(age) => age.before(now_ms),
            Self::Instant { ms } => ms,
        }
    }
}

impl FromStr for AgeOrInstant {
    type Err = AgeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || AgeError { expected: Self::FORM, found: text.to_owned() };
        if let Ok(age) = text.parse() {
            return Ok(Self::Age(age));
        }
        let instant = DateTime::parse_from_rfc3339(text).map_err(|_| error())?;
        Ok(Self::Instant { ms: instant.timestamp_millis() })
    }
}

impl fmt::Display for AgeOrInstant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Age(age) => age.fmt(f),
            Self::Instant { ms } => match DateTime::from_timestamp_millis(*ms) {
                Some(instant) => f.write_str(&instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
                None => write!(f, "{ms} ms since the epoch"),
            },
        }
    }
}

impl TryFrom<String> for AgeOrInstant {
    type Error = AgeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<AgeOrInstant> for String {
    fn from(at: AgeOrInstant) -> Self {
        at.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_reads_back_what_it_prints() {
        for (text, ms) in
            [("5d", 432_000_000), ("36h", 129_600_000), ("90m", 5_400_000), ("30s", 30_000), ("250ms", 250)]
        {
            let age: Age = text.parse().unwrap();
            assert_eq!((age.ms(), age.to_string().as_str()), (ms, text));
            assert_eq!(serde_json::to_string(&age).unwrap(), format!("\"{text}\""));
        }
        assert_eq!("48h".parse::<Age>().unwrap(), Age::days(2));
        assert_eq!(Age::days(2).to_string(), "2d");
        assert_eq!("0ms".parse::<Age>().unwrap().to_string(), "0s");
    }

    #[test]
    fn what_is_no_age_is_refused_with_the_form() {
        for text in
            ["", "5", "d", "5 d", "-5d", "+5d", "1.5h", "5D", "5w", "5d3h", "213503982335d", "99999999999999999999ms"]
        {
            let error = text.parse::<Age>().unwrap_err().to_string();
            assert_eq!(error, format!("expected an age such as `5d`, `36h`, `90m`, `30s` or `250ms`, found `{text}`"));
        }
    }

    #[test]
    fn the_longest_age_there_is_goes_before_any_time_without_overflow() {
        let age: Age = format!("{}ms", i64::MAX).parse().unwrap();
        assert_eq!(age.before(-2), i64::MIN);
    }

    #[test]
    fn a_point_in_time_is_an_age_or_an_instant() {
        let now_ms = 1_700_000_000_000;
        let at = |text: &str| text.parse::<AgeOrInstant>().unwrap();
        assert_eq!(at("90m").at_ms(now_ms), now_ms - 5_400_000);
        assert_eq!(at("1970-01-01T01:00:00.25+01:00").at_ms(now_ms), 250);
        for text in ["90m", "2026-01-31T00:00:00Z", "2026-01-31T00:00:00.250Z"] {
            assert_eq!(at(text).to_string(), text);
        }
        assert_eq!(serde_json::from_str::<AgeOrInstant>("\"5d\"").unwrap(), AgeOrInstant::Age(Age::days(5)));
    }

    #[test]
    fn an_instant_without_an_offset_is_refused_since_its_meaning_is_a_guess() {
        for text in ["2026-01-31T00:00:00", "2026-01-31", "yesterday", "1700000000000"] {
            let error = text.parse::<AgeOrInstant>().unwrap_err().to_string();
            assert_eq!(error, format!("expected {}, found `{text}`", AgeOrInstant::FORM));
        }
    }
}
