//! Where the rules come from, and whether they go with the run.

use serde_json::Value;
use tributary_function::{Invocation, JobError};
use tributary_quality::{Memory, Rules, RulesError, Window};
use tributary_table::LocationError;

use crate::settings;

/// Rules that can't be had.
#[derive(Debug, thiserror::Error)]
pub enum RulesSourceError {
    /// Neither the event nor the environment has any.
    #[error(
        "give rules, by option `rules` of the event or by environment variable `{setting}`: expected rules, found none"
    )]
    None {
        /// The environment variable.
        setting: &'static str,
    },
    /// The option is neither of the two things it can be.
    #[error("correct option `rules`: expected a YAML document as a text, or an object, found {found}")]
    Option {
        /// What it is.
        found: String,
    },
    /// In the event, and wrong.
    #[error("option `rules`: {0}")]
    Inline(RulesError),
    /// At a location, and wrong.
    #[error("rules at `{location}`: {source}")]
    At {
        /// The location.
        location: String,
        /// What is wrong.
        source: RulesError,
    },
    /// A location of a kind that is not served.
    #[error("environment variable `{setting}`: {source}")]
    Location {
        /// The environment variable.
        setting: &'static str,
        /// Why not.
        source: LocationError,
    },
    /// A location that can't be read.
    #[error(
        "put the rules there or grant the function to read them: rules at `{location}`: expected a file, found: {reason}"
    )]
    Unreadable {
        /// The location.
        location: String,
        /// The storage's words.
        reason: String,
    },
    /// Rules of another table.
    #[error("give the table its own rules: expected rules for table `{expected}`, found rules for `{found}`")]
    Table {
        /// The table that is checked.
        expected: String,
        /// The table the rules name.
        found: String,
    },
    /// Rules about what came since the last check, of which nothing is known.
    #[error(
        "set environment variable `{setting}`, or give the window a column and a length: window `since: last_check`: expected a results table that knows the last check, found none"
    )]
    NoMemory {
        /// The environment variable.
        setting: &'static str,
    },
}

/// The rules of the event, else those at the configured location.
pub(crate) async fn rules(
    inline: Option<&Value>,
    location: Option<&str>,
    invocation: &Invocation,
) -> Result<Rules, JobError> {
    let parsed = |text: &str| Rules::from_yaml(text).map_err(|error| JobError::reject(RulesSourceError::Inline(error)));
    match (inline, location) {
        (Some(Value::String(text)), _) => parsed(text),
        // JSON is YAML too; in lines, so that a place in it means something.
        (Some(object @ Value::Object(_)), _) => parsed(&format!("{object:#}")),
        (Some(other), _) => Err(JobError::reject(RulesSourceError::Option { found: other.to_string() })),
        (None, Some(location)) => at(location, invocation).await,
        (None, None) => Err(JobError::reject(RulesSourceError::None { setting: settings::RULES.name })),
    }
}

async fn at(location: &str, invocation: &Invocation) -> Result<Rules, JobError> {
    let unreadable = |reason: String| RulesSourceError::Unreadable { location: location.to_owned(), reason };
    let file_io = invocation.connection.store.file_io(location);
    let file_io = file_io
        .map_err(|source| JobError::halt(RulesSourceError::Location { setting: settings::RULES.name, source }))?;
    let input = file_io.new_input(location).map_err(|error| JobError::halt(unreadable(error.to_string())))?;
    // It may pass, or not: the next invocation tells.
    let bytes = input.read().await.map_err(|error| JobError::retry(unreadable(error.to_string())))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| JobError::halt(unreadable(error.to_string())))?;
    let at = |source| RulesSourceError::At { location: location.to_owned(), source };
    Rules::from_yaml(text).map_err(|error| JobError::halt(at(error)))
}

pub(crate) fn refuse_other_table(rules: &Rules, table: &str) -> Result<(), JobError> {
    match &rules.table {
        Some(found) if found != table => {
            Err(JobError::halt(RulesSourceError::Table { expected: table.to_owned(), found: found.clone() }))
        }
        _ => Ok(()),
    }
}

pub(crate) fn refuse_since_without_memory(rules: &Rules, memory: &Memory) -> Result<(), JobError> {
    match (&rules.window, memory) {
        (Window::SinceLastCheck, Memory::None) => {
            Err(JobError::halt(RulesSourceError::NoMemory { setting: settings::RESULTS_TABLE.name }))
        }
        _ => Ok(()),
    }
}
