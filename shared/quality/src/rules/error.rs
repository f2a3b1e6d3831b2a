//! Why rules can't be used.

use serde_saphyr::Location;

/// Rules that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// No YAML, or not of the rules' form.
    #[error("correct the rules{}: {reason}", place(.at))]
    Form {
        /// Line and column, from 1, where they are known.
        at: Option<(u64, u64)>,
        /// The reader's words.
        reason: String,
    },
    /// Of the right form, with a value that makes no sense.
    #[error("correct the rules{}: {subject}: expected {expected}, found {found}", place(.at))]
    Value {
        /// Line and column, from 1, where they are known.
        at: Option<(u64, u64)>,
        /// The check or key at fault.
        subject: String,
        /// What it takes.
        expected: &'static str,
        /// What it has.
        found: String,
    },
    /// Something this version does not do.
    #[error("remove `{subject}` from the rules{}: expected {expected}, found `{subject}`, which is not served yet", place(.at))]
    NotServed {
        /// Line and column, from 1, where they are known.
        at: Option<(u64, u64)>,
        /// The key.
        subject: &'static str,
        /// What is served in its place.
        expected: &'static str,
    },
}

fn place(at: &Option<(u64, u64)>) -> String {
    at.map_or_else(String::new, |(line, column)| format!(" at line {line}, column {column}"))
}

/// A place as errors have it.
pub(super) fn at(location: Location) -> Option<(u64, u64)> {
    (location != Location::UNKNOWN).then(|| (location.line(), location.column()))
}

impl From<serde_saphyr::Error> for RulesError {
    fn from(error: serde_saphyr::Error) -> Self {
        let error = error.without_snippet();
        let (at, reason) = (error.location().and_then(at), error.to_string());
        // The reader ends with the place, which stands at the beginning here.
        let said = at.map_or_else(String::new, |(line, column)| format!(" at line {line}, column {column}"));
        let reason = reason.strip_suffix(&said).unwrap_or(&reason).to_owned();
        Self::Form { at, reason }
    }
}
