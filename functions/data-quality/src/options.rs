//! The options of the event.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tributary_quality::CheckKind;
use tributary_runtime::{Age, EventOption};

/// What an invocation is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Options {
    /// The rules themselves: their YAML as a text, or the same as an object.
    pub rules: Option<Value>,
    /// The kinds of checks to run; `None`: all.
    pub checks: Option<Vec<CheckKind>>,
    /// How long after an alert the next one about the same state is due.
    pub remind_after: Age,
    /// Most data files read.
    pub max_files_to_read: usize,
    /// When to begin reading no further file, in milliseconds before the deadline.
    pub deadline_margin_ms: u64,
    /// Neither alerts nor records.
    pub dry_run: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rules: None,
            checks: None,
            remind_after: Age::hours(24),
            max_files_to_read: 500,
            deadline_margin_ms: 15_000,
            dry_run: false,
        }
    }
}

impl Options {
    pub(crate) fn deadline_margin(&self) -> Duration {
        Duration::from_millis(self.deadline_margin_ms)
    }
}

/// Their documentation.
pub const OPTIONS: &[EventOption] = &[
    EventOption {
        name: "rules",
        meaning: "the rules themselves, in place of those at `TRIBUTARY_RULES`",
        values: "the YAML document as a text, or the same as a JSON object",
        default: None,
    },
    EventOption {
        name: "checks",
        meaning: "the kinds of checks to run, so that a frequent schedule can leave out what reads data",
        values: "a list of `freshness`, `heartbeat`, `row_count`, `schema`, `missing`, `invalid`",
        default: Some("all that the rules have"),
    },
    EventOption {
        name: "remind-after",
        meaning: "how long after an alert the next one about a state that has not changed is sent",
        values: Age::FORM,
        default: Some("1d"),
    },
    EventOption {
        name: "max-files-to-read",
        meaning: "most data files read in one run, the newest first; the rest is reported and makes the result a bound",
        values: "a number of files",
        default: Some("500"),
    },
    EventOption {
        name: "deadline-margin-ms",
        meaning: "time before the function's limit when it reads no further data file, to alert and record",
        values: "milliseconds",
        default: Some("15000"),
    },
    EventOption {
        name: "dry-run",
        meaning: "whether only the report is given: no alert, no row in the results table",
        values: "`true` or `false`",
        default: Some("false"),
    },
];
