//! What is known about the record being read besides its values: how numbers are read, where it failed, what was ignored.

use serde::de;

use crate::rejection::{Rejection, excerpt};

/// Marks that a failure was recorded in the [`Session`]; carries nothing, so the good path stays small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stop;

impl Stop {
    /// The error that makes the JSON reader stop. Its text is never shown: the session holds the real one.
    #[cold]
    pub(crate) fn raise<E: de::Error>(self) -> E {
        E::custom("rejected")
    }
}

/// Largest offset in a batch's strings, fixed values, lists and maps: Arrow's offsets there are 32 bits, signed.
pub(crate) const OFFSET_MAX: usize = i32::MAX as usize;

/// State of one attempt to read one record, kept across records to save allocations.
#[derive(Debug)]
pub(crate) struct Session {
    /// Numbers are read from their text instead of the JSON library's values. Exact but slower: for the second attempt.
    pub(crate) exact_numbers: bool,
    /// A number was met that only its text can judge (`-0`, `1.0`, more than 64 bits): try again with `exact_numbers`.
    pub(crate) inexact_number_met: bool,
    /// Fields of this record without a column.
    pub(crate) fields_ignored: u64,
    /// [`OFFSET_MAX`]; less in tests, which can't fill 2 GiB.
    pub(crate) offset_max: usize,
    failure: Option<Failure>,
    /// Path to the failure, innermost segment first: it is only built while a failure travels up.
    path: Vec<String>,
}

#[derive(Debug)]
struct Failure {
    expected: String,
    found: String,
}

impl Session {
    pub(crate) fn new() -> Self {
        Self {
            exact_numbers: false,
            inexact_number_met: false,
            fields_ignored: 0,
            offset_max: OFFSET_MAX,
            failure: None,
            path: Vec::new(),
        }
    }

    /// Forgets the last attempt.
    #[inline]
    pub(crate) fn begin(&mut self, exact_numbers: bool) {
        self.exact_numbers = exact_numbers;
        self.inexact_number_met = false;
        self.fields_ignored = 0;
        self.failure = None;
        self.path.clear();
    }

    /// Records why the record is refused.
    #[cold]
    pub(crate) fn fail(&mut self, expected: impl Into<String>, found: impl Into<String>) -> Stop {
        self.failure = Some(Failure { expected: expected.into(), found: found.into() });
        Stop
    }

    /// Refuses a record that is fine in itself but for which the batch has no room left.
    #[cold]
    pub(crate) fn full(&mut self) -> Stop {
        let expected = format!("a batch of at most {} bytes or elements in one column", self.offset_max);
        self.fail(expected, "a full batch: finish it and start another")
    }

    /// Adds the field that the failure lies in.
    #[cold]
    pub(crate) fn inside_field(&mut self, name: &str) {
        self.path.push(format!(".{name}"));
    }

    /// Adds the list element that the failure lies in, counted from 0.
    #[cold]
    pub(crate) fn inside_element(&mut self, index: usize) {
        self.path.push(format!("[{index}]"));
    }

    /// Adds the map entry that the failure lies in.
    #[cold]
    pub(crate) fn inside_entry(&mut self, key: &str) {
        self.path.push(format!("[\"{}\"]", excerpt(key)));
    }

    /// Only a second attempt can tell what is wrong, or that nothing is.
    ///
    /// Without a recorded failure the JSON library itself refused: a number past f64's range, among others, which the
    /// second attempt can show as it is written.
    pub(crate) fn needs_exact_numbers(&self) -> bool {
        !self.exact_numbers && (self.inexact_number_met || self.failure.is_none())
    }

    /// The refusal, from the recorded failure or else from the JSON library's own error.
    #[cold]
    pub(crate) fn rejection(&mut self, error: &serde_json::Error) -> Rejection {
        let path: String = self.path.drain(..).rev().collect();
        let column = path.strip_prefix('.').map(str::to_owned);
        let failure =
            self.failure.take().unwrap_or_else(|| Failure { expected: "JSON".into(), found: error.to_string() });
        Rejection::new(column, failure.expected, failure.found)
    }
}
