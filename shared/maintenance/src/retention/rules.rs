//! What retention is asked to do, checked once.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

/// Which files may go whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", rename_all = "lowercase")]
pub enum RetentionLevel {
    /// Those of partitions whose whole time is past: what a reader who filters by partition no longer expects. The default.
    #[default]
    Partition,
    /// Each one whose own bounds or partition say that all its rows are past.
    File,
}

/// What the age of a row is measured from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", rename_all = "lowercase")]
pub enum MeasuredFrom {
    /// The newest committed value that is not in the future, so that a stalled stream does not empty the table. The default.
    #[default]
    Newest,
    /// The time of the run.
    Clock,
}

/// A word that is none of those there are.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RuleError {
    /// Not served.
    #[error(
        "use level `file` or `partition`: expected a level that removes whole files, found `row`, which would rewrite files and is not \
         served"
    )]
    RowLevel,
    /// No such level.
    #[error("expected `partition` or `file`, found `{0}`")]
    Level(String),
    /// No such measure.
    #[error("expected `newest` or `clock`, found `{0}`")]
    MeasuredFrom(String),
    /// No ratio.
    #[error("expected a ratio above 0 and up to 1, found `{0}`")]
    Ratio(f64),
}

impl TryFrom<String> for RetentionLevel {
    type Error = RuleError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "partition" => Ok(Self::Partition),
            "file" => Ok(Self::File),
            "row" => Err(RuleError::RowLevel),
            _ => Err(RuleError::Level(text)),
        }
    }
}

impl TryFrom<String> for MeasuredFrom {
    type Error = RuleError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "newest" => Ok(Self::Newest),
            "clock" => Ok(Self::Clock),
            _ => Err(RuleError::MeasuredFrom(text)),
        }
    }
}

/// A part of a whole: above 0, up to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Ratio(f64);

impl Ratio {
    /// One half.
    pub const HALF: Self = Self(0.5);

    /// Its value.
    pub fn value(self) -> f64 {
        self.0
    }

    /// Whether `part` of `whole` is more than this ratio.
    pub fn is_exceeded_by(self, part: u64, whole: u64) -> bool {
        part as f64 > self.0 * whole as f64
    }
}

impl TryFrom<f64> for Ratio {
    type Error = RuleError;

    fn try_from(value: f64) -> Result<Self, Self::Error> {
        match value > 0.0 && value <= 1.0 {
            true => Ok(Self(value)),
            false => Err(RuleError::Ratio(value)),
        }
    }
}

impl From<Ratio> for f64 {
    fn from(ratio: Ratio) -> Self {
        ratio.0
    }
}

/// What may go, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct RetentionRules {
    /// The date or timestamp column that says how old a row is; dots between the names of nested ones.
    pub column: String,
    /// How long a row stays, in milliseconds.
    pub retain_ms: NonZeroU64,
    /// Which files may go.
    pub level: RetentionLevel,
    /// What age is measured from.
    pub measured_from: MeasuredFrom,
    /// The greatest part of the table's rows that one run may remove; above it, it removes nothing.
    pub removed_ratio_max: Ratio,
    /// Plan and report, remove nothing.
    pub dry_run: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_out_of_files_are_refused_as_not_served() {
        let error = serde_json::from_str::<RetentionLevel>("\"row\"").unwrap_err().to_string();
        assert!(error.contains("use level `file` or `partition`") && error.contains("not served"), "{error}");
        assert_eq!(serde_json::from_str::<RetentionLevel>("\"file\"").unwrap(), RetentionLevel::File);
        assert!(serde_json::from_str::<MeasuredFrom>("\"now\"").is_err());
    }

    #[test]
    fn words_read_back_as_they_are_written() {
        assert_eq!(serde_json::to_string(&RetentionLevel::default()).unwrap(), "\"partition\"");
        assert_eq!(serde_json::to_string(&MeasuredFrom::default()).unwrap(), "\"newest\"");
    }

    #[test]
    fn a_ratio_is_above_nothing_and_up_to_everything() {
        for wrong in ["0", "-0.5", "1.01", "1e300"] {
            assert!(serde_json::from_str::<Ratio>(wrong).is_err(), "{wrong}");
        }
        assert!(Ratio::try_from(f64::NAN).is_err());
        let all = Ratio::try_from(1.0).unwrap();
        assert!(!all.is_exceeded_by(7, 7) && !all.is_exceeded_by(0, 0));
        assert!(!Ratio::HALF.is_exceeded_by(5, 10) && Ratio::HALF.is_exceeded_by(6, 10));
    }
}
