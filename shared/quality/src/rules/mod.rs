//! The rules, read and checked: what a table is expected to be.

mod document;
mod error;
#[cfg(test)]
mod tests;

use std::fmt;

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tributary_runtime::Age;

pub use error::RulesError;

/// What a table is expected to be.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The table they are for, `namespace.name`; `None`: any.
    pub table: Option<String>,
    /// The rows that are judged.
    pub window: Window,
    /// The checks, in the order of the document; no two of one kind and column.
    pub checks: Vec<Check>,
}

/// The rows that `row_count`, `missing` and `invalid` judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Window {
    /// Not said: the whole table; for `invalid`, which must read data, the rows that came since its last check.
    Unset,
    /// Rows that came since the last check.
    SinceLastCheck,
    /// Rows whose time lies in the last while: `now - last <= column < now`.
    Last {
        /// A column of times or dates.
        column: String,
        /// How long a while.
        last: Age,
    },
}

/// One check: what is expected.
#[derive(Debug, Clone)]
pub enum Check {
    /// The newest value of a column of times is young enough.
    Freshness {
        /// The column.
        column: String,
        /// Older than this is a warning.
        warn_after: Option<Age>,
        /// Older than this is a failure.
        error_after: Option<Age>,
    },
    /// Data was committed lately.
    Heartbeat {
        /// How lately.
        last_commit_within: Age,
    },
    /// There are so many rows.
    RowCount {
        /// At least so many.
        min: Option<u64>,
        /// At most so many.
        max: Option<u64>,
    },
    /// There are such columns.
    Schema {
        /// Columns there must be.
        required: Vec<String>,
        /// Whether there may be others.
        allow_extra_columns: bool,
    },
    /// Few values of a column are NULL.
    Missing {
        /// The column.
        column: String,
        /// How few.
        tolerance: Tolerance,
    },
    /// Few values of a column are not as they should be. NULL is not invalid, but missing.
    Invalid {
        /// The column.
        column: String,
        /// How they should be.
        valid: ValidValues,
        /// How few.
        tolerance: Tolerance,
    },
}

/// How a column's values should be; each part that is there must hold.
#[derive(Debug, Clone, Default)]
pub struct ValidValues {
    /// No value is less.
    pub min: Option<Value>,
    /// No value is greater.
    pub max: Option<Value>,
    /// Each value is one of these.
    pub values: Option<Vec<Value>>,
    /// Each value has a part that matches.
    pub regex: Option<Regex>,
}

/// How many rows may break a rule, and what it is called when more do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// So many are let pass.
    pub limit: Limit,
    /// What more are.
    pub level: Level,
}

/// A number of rows that are let pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// Of a hundred judged, 0 to 100.
    Percent(f64),
    /// In all.
    Count(u64),
}

/// What a broken rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// A warning.
    Warn,
    /// A failure.
    #[default]
    Error,
}

/// The kinds of checks, by the names they have in the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// [`Check::Freshness`]
    Freshness,
    /// [`Check::Heartbeat`]
    Heartbeat,
    /// [`Check::RowCount`]
    RowCount,
    /// [`Check::Schema`]
    Schema,
    /// [`Check::Missing`]
    Missing,
    /// [`Check::Invalid`]
    Invalid,
}

impl CheckKind {
    /// Its name in rules, options and results.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Freshness => "freshness",
            Self::Heartbeat => "heartbeat",
            Self::RowCount => "row_count",
            Self::Schema => "schema",
            Self::Missing => "missing",
            Self::Invalid => "invalid",
        }
    }
}

impl Rules {
    /// Reads rules from YAML (of which JSON is a part).
    ///
    /// # Errors
    /// [`RulesError`] names line and column, what was expected and what was found.
    pub fn from_yaml(text: &str) -> Result<Self, RulesError> {
        document::parse(text)
    }
}

impl Check {
    /// Its kind.
    pub fn kind(&self) -> CheckKind {
        match self {
            Check::Freshness { .. } => CheckKind::Freshness,
            Check::Heartbeat { .. } => CheckKind::Heartbeat,
            Check::RowCount { .. } => CheckKind::RowCount,
            Check::Schema { .. } => CheckKind::Schema,
            Check::Missing { .. } => CheckKind::Missing,
            Check::Invalid { .. } => CheckKind::Invalid,
        }
    }

    /// The column it is about, if it is about one.
    pub fn column(&self) -> Option<&str> {
        match self {
            Check::Freshness { column, .. } | Check::Missing { column, .. } | Check::Invalid { column, .. } => {
                Some(column)
            }
            Check::Heartbeat { .. } | Check::RowCount { .. } | Check::Schema { .. } => None,
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column() {
            Some(column) => write!(f, "{}({column})", self.kind().as_str()),
            None => f.write_str(self.kind().as_str()),
        }
    }
}
