//! What a check found.

use std::fmt;

use serde::Serialize;

/// How a check ended. In the order of concern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// As expected.
    Pass,
    /// Worth a look.
    Warn,
    /// It could not be judged.
    Error,
    /// Not as expected.
    Fail,
}

impl Status {
    /// Its name in results and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fail => "FAIL",
        }
    }

    /// The status of this name.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        [Self::Pass, Self::Warn, Self::Error, Self::Fail].into_iter().find(|status| status.as_str() == name)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a value is the value, or what is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Exactness {
    /// It is the value.
    Exact,
    /// Deletes, missing metrics or unread files keep it from being the value; the message says which.
    Bound,
}

impl Exactness {
    /// Its name in results and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Bound => "bound",
        }
    }

    pub(crate) fn of(is_exact: bool) -> Self {
        if is_exact { Self::Exact } else { Self::Bound }
    }
}

/// What one check found in one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckResult {
    /// Kind of the check, by its name in the rules.
    pub check: &'static str,
    /// Its column, if it is about one.
    pub column: Option<String>,
    /// How it ended.
    pub status: Status,
    /// What was measured: seconds (`freshness`, `heartbeat`), rows (`row_count`, limits by count), percent (limits by percent),
    /// columns at fault (`schema`). `None` where nothing could be measured.
    pub value: Option<f64>,
    /// What it was held against, in the same unit.
    pub threshold: Option<f64>,
    /// Whether the value is exact; `None` where there is none.
    pub exactness: Option<Exactness>,
    /// Expected and found, in one sentence.
    pub message: String,
    /// The snapshot up to which this check has judged.
    pub snapshot_id: Option<i64>,
}

impl CheckResult {
    /// The check's name, as [`crate::Check`] prints it.
    pub fn name(&self) -> String {
        match &self.column {
            Some(column) => format!("{}({column})", self.check),
            None => self.check.to_owned(),
        }
    }
}
