//! What the event asks for.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};
use tributary_function::Age;
use tributary_maintenance::retention::{MeasuredFrom, Ratio, RetentionLevel, RetentionRules};
use tributary_runtime::EventOption;

/// Time for the last puts and the swap of a commit begun just before.
const DEADLINE_MARGIN_MS_DEFAULT: u32 = 10_000;

/// The options, as the event's JSON has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RetentionOptions {
    /// The column that says how old a row is; required.
    pub column: Option<String>,
    /// How long a row stays; required.
    pub retain: Option<Age>,
    /// Which files may go.
    pub level: RetentionLevel,
    /// What age is measured from.
    pub measured_from: MeasuredFrom,
    /// The greatest part of the rows that one run may remove.
    pub max_removed_ratio: Ratio,
    /// Plan and report, remove nothing.
    pub dry_run: bool,
    /// Time kept back from the invocation's limit.
    pub deadline_margin_ms: u32,
}

impl Default for RetentionOptions {
    fn default() -> Self {
        Self {
            column: None,
            retain: None,
            level: RetentionLevel::default(),
            measured_from: MeasuredFrom::default(),
            max_removed_ratio: Ratio::HALF,
            dry_run: false,
            deadline_margin_ms: DEADLINE_MARGIN_MS_DEFAULT,
        }
    }
}

/// Options that ask for nothing this job can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// No column.
    #[error("set option `column`: expected the name of a date or timestamp column, found none")]
    NoColumn,
    /// No age.
    #[error("set option `retain`: expected {}, found none", Age::FORM)]
    NoRetain,
    /// An age of nothing, which would leave the newest rows alone.
    #[error("correct option `retain`: expected {} above 0, found `{found}`", Age::FORM)]
    RetainNothing {
        /// The age.
        found: Age,
    },
}

impl RetentionOptions {
    /// The same, checked.
    ///
    /// # Errors
    /// [`OptionError`] for a required option that is not there.
    pub fn rules(self) -> Result<RetentionRules, OptionError> {
        let column = self.column.filter(|name| !name.is_empty()).ok_or(OptionError::NoColumn)?;
        let retain = self.retain.ok_or(OptionError::NoRetain)?;
        let retain_ms = u64::try_from(retain.ms()).ok().and_then(NonZeroU64::new);
        Ok(RetentionRules {
            column,
            retain_ms: retain_ms.ok_or(OptionError::RetainNothing { found: retain })?,
            level: self.level,
            measured_from: self.measured_from,
            removed_ratio_max: self.max_removed_ratio,
            dry_run: self.dry_run,
        })
    }
}

/// Their documentation.
pub(crate) const DOCUMENTED: &[EventOption] = &[
    EventOption {
        name: "column",
        meaning: "the column that says how old a row is; rows where it is NULL stay",
        values: "the name of a date or timestamp column, with dots between the names of nested ones",
        default: None,
    },
    EventOption {
        name: "retain",
        meaning: "how long a row stays",
        values: "an age above 0, such as `30d` or `36h`",
        default: None,
    },
    EventOption {
        name: "level",
        meaning: "which files may go: those of partitions whose whole time is past, or each file all of whose rows are past",
        values: "`partition` or `file`",
        default: Some("partition"),
    },
    EventOption {
        name: "measured-from",
        meaning: "what age is measured from: the newest committed value up to now, so that a stalled stream does not empty the table, or \
                  the time of the run",
        values: "`newest` or `clock`",
        default: Some("newest"),
    },
    EventOption {
        name: "max-removed-ratio",
        meaning: "the greatest part of the table's rows that one run may remove; above it, it fails and removes nothing",
        values: "a ratio above 0 and up to 1",
        default: Some("0.5"),
    },
    EventOption {
        name: "dry-run",
        meaning: "whether to report what would go and remove nothing",
        values: "`true` or `false`",
        default: Some("false"),
    },
    EventOption {
        name: "deadline-margin-ms",
        meaning: "how long before the end of the invocation the last attempt of the commit may begin",
        values: "a number of milliseconds",
        default: Some("10000"),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(json: &str) -> Result<RetentionRules, OptionError> {
        serde_json::from_str::<RetentionOptions>(json).unwrap().rules()
    }

    #[test]
    fn column_and_retain_must_be_named() {
        assert_eq!(rules("{}"), Err(OptionError::NoColumn));
        assert_eq!(rules(r#"{"column": "", "retain": "1d"}"#), Err(OptionError::NoColumn));
        let error = rules(r#"{"column": "at"}"#).unwrap_err().to_string();
        assert!(error.starts_with("set option `retain`: expected an age such as `5d`"), "{error}");
        let error = rules(r#"{"column": "at", "retain": "0d"}"#).unwrap_err().to_string();
        assert!(error.contains("above 0, found `0s`"), "{error}");
    }

    #[test]
    fn the_rest_has_defaults() {
        let rules = rules(r#"{"column": "at", "retain": "30d"}"#).unwrap();
        assert_eq!(
            rules,
            RetentionRules {
                column: "at".to_owned(),
                retain_ms: NonZeroU64::new(30 * 86_400_000).unwrap(),
                level: RetentionLevel::Partition,
                measured_from: MeasuredFrom::Newest,
                removed_ratio_max: Ratio::HALF,
                dry_run: false,
            }
        );
    }
}
