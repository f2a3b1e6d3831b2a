//! Why files were not removed.

use tributary_table::{Remedy, TableError};

use crate::orphans::OrphanStop;

/// A failed job. What it deleted before, if anything, was reachable from nothing.
#[derive(Debug, thiserror::Error)]
pub enum RemovalError {
    /// Reading the table or committing failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The table shares its files.
    #[error(
        "set table property `gc.enabled` to `true` if no other table uses its files: table `{table}`: expected a table whose \
         files may be deleted, found `gc.enabled` = `false`"
    )]
    GcDisabled {
        /// The table.
        table: String,
    },
    /// A table property that is no number.
    #[error(
        "correct table property `{property}` of table `{table}`: expected a number greater than 0, found `{found}`"
    )]
    Property {
        /// The table.
        table: String,
        /// The property.
        property: &'static str,
        /// Its value.
        found: String,
    },
    /// An option whose value this job does not take.
    #[error("correct option `{option}`: expected {expected}, found `{found}`")]
    Option {
        /// The option.
        option: &'static str,
        /// What it takes.
        expected: String,
        /// Its value.
        found: String,
    },
    /// Not enough time to plan. Nothing was changed.
    #[error(
        "give the function more time or memory{remedy}: {step} of table `{table}`: expected to finish before the deadline, found \
         no time left; nothing was changed"
    )]
    OutOfTime {
        /// The table.
        table: String,
        /// What took too long.
        step: &'static str,
        /// What else helps.
        remedy: &'static str,
    },
    /// Orphan removal can't tell orphans from files in use.
    #[error("table `{table}`: {stop}")]
    Stopped {
        /// The table.
        table: String,
        /// Why not.
        stop: Box<OrphanStop>,
    },
    /// The check before a deletion found a file in use: a defect of the planning. Nothing of the batch was deleted.
    #[error(
        "report this as a defect and do not run this job again: table `{table}`: expected only unreachable files to delete, found \
         `{location}`, which the table reaches"
    )]
    Reachable {
        /// The table.
        table: String,
        /// The file.
        location: String,
    },
}

/// What a failure asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovalErrorKind {
    /// The next invocation may do better.
    Retry,
    /// The options are wrong.
    Reject,
    /// Somebody must look.
    Halt,
}

impl RemovalError {
    /// What the caller should do.
    pub fn kind(&self) -> RemovalErrorKind {
        match self {
            Self::Table(error) if error.remedy() == Remedy::Retry => RemovalErrorKind::Retry,
            Self::Option { .. } => RemovalErrorKind::Reject,
            _ => RemovalErrorKind::Halt,
        }
    }
}
