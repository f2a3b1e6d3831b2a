//! Why a job failed, for people (the message) and for machines (the kind).

use std::error::Error;
use std::fmt;

use lambda_runtime::Diagnostic;
use tributary_table::{CatalogError, Remedy, TableError};

use crate::event::EventError;

/// What a failure asks for: the error type that Lambda reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobErrorKind {
    /// Nothing is wrong with the event or the table; the next invocation will do.
    Retry,
    /// The event is wrong: no invocation with it can do.
    Reject,
    /// Somebody must look: trying again gives the same answer.
    Halt,
}

impl JobErrorKind {
    /// Lambda's `errorType`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "Retry",
            Self::Reject => "Reject",
            Self::Halt => "Halt",
        }
    }
}

/// A failed invocation. Its text is the cause's own.
#[derive(Debug)]
pub struct JobError {
    kind: JobErrorKind,
    cause: Box<dyn Error + Send + Sync>,
}

impl JobError {
    /// A failure that another invocation may not have.
    pub fn retry(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: JobErrorKind::Retry, cause: cause.into() }
    }

    /// A failure of the event.
    pub fn reject(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: JobErrorKind::Reject, cause: cause.into() }
    }

    /// A failure that stays until somebody looks.
    pub fn halt(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: JobErrorKind::Halt, cause: cause.into() }
    }

    /// What it asks for.
    pub fn kind(&self) -> JobErrorKind {
        self.kind
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl Error for JobError {
    // The cause's text is this error's own, so the chain goes on behind it.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

impl From<EventError> for JobError {
    fn from(error: EventError) -> Self {
        Self::reject(error)
    }
}

impl From<TableError> for JobError {
    fn from(error: TableError) -> Self {
        match error.remedy() {
            Remedy::Retry => Self::retry(error),
            Remedy::Halt => Self::halt(error),
        }
    }
}

impl From<CatalogError> for JobError {
    fn from(error: CatalogError) -> Self {
        TableError::from(error).into()
    }
}

impl From<JobError> for Diagnostic {
    fn from(error: JobError) -> Self {
        Self { error_type: error.kind.as_str().to_owned(), error_message: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_error_keeps_its_text_and_its_remedy_becomes_the_kind() {
        let table = || "a.b".to_owned();
        let contended = JobError::from(TableError::Contended { table: table(), attempts: 3 });
        assert_eq!(contended.kind(), JobErrorKind::Retry);
        let overwritten = TableError::Overwritten { table: table(), snapshot_id: 7 };
        let text = overwritten.to_string();
        let diagnostic = Diagnostic::from(JobError::from(overwritten));
        assert_eq!((diagnostic.error_type.as_str(), diagnostic.error_message), ("Halt", text));
    }
}
