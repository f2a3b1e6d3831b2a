//! What can end the program, and how it is told.

use std::path::PathBuf;

use tributary_function::{EventError, JobError};
use tributary_ingest::IngestError;
use tributary_runtime::ConfigError;
use tributary_table::{CatalogError, TableError};

use crate::connection::ConnectionError;
use crate::ddl::DdlError;
use crate::demo::DemoError;
use crate::poll::{EndpointError, PollError};
use crate::publish::PublishError;
use crate::scan::ScanError;
use crate::schema_file::SchemaFileError;
use crate::table_commands::CheckpointChoiceError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// The catalog could not be opened.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The catalog refused.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The table could not be read or changed.
    #[error(transparent)]
    Table(Box<TableError>),
    /// The table's rows could not be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// `--schema` names no schema.
    #[error(transparent)]
    SchemaFile(#[from] SchemaFileError),
    /// `--partition` does not fit the columns.
    #[error("correct `--partition`")]
    Partition(#[source] DdlError),
    /// `set-checkpoint` does not say which cluster it means.
    #[error(transparent)]
    CheckpointChoice(#[from] CheckpointChoiceError),
    /// Rows could not be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// `--endpoint` is no address.
    #[error("correct `--endpoint`")]
    Endpoint(#[from] EndpointError),
    /// Polling ended early.
    #[error(transparent)]
    Poll(#[from] PollError),
    /// The demo failed, or one of its claims.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// An event was not ingested.
    #[error(transparent)]
    Ingest(Box<IngestError>),
    /// A setting of a job is missing or wrong.
    #[error(transparent)]
    Setting(#[from] ConfigError),
    /// `--event` names no readable file.
    #[error("correct `--event`: `{}`: expected a file with a function's event", path.display())]
    EventFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Options that no job can do.
    #[error(transparent)]
    Event(#[from] EventError),
    /// A job failed.
    #[error(transparent)]
    Job(#[from] JobError),
    /// A job did its work, and what it found is a fault of the table's.
    #[error("see the report above: table `{table}`: expected no fault, found {found}")]
    Faults {
        /// The table.
        table: String,
        /// What was found.
        found: String,
    },
    /// The answer could not be printed.
    #[error("the answer could not be written")]
    Output(#[from] std::io::Error),
}

// Boxed: the errors of a whole commit or batch are large, and every call here would carry their size.
impl From<TableError> for CliError {
    fn from(error: TableError) -> Self {
        Self::Table(Box::new(error))
    }
}

impl From<IngestError> for CliError {
    fn from(error: IngestError) -> Self {
        Self::Ingest(Box::new(error))
    }
}

impl CliError {
    /// Whether the reader of the output went away (as `head` does), which nobody needs to be told.
    pub fn is_broken_pipe(&self) -> bool {
        let io = match self {
            Self::Output(error) | Self::Demo(DemoError::Output(error)) => Some(error),
            _ => None,
        };
        io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// The error and its causes, a line each. A cause that the line before already tells in full is
    /// left out.
    pub fn report(&self) -> String {
        let mut told = self.to_string();
        let mut report = format!("error: {told}");
        let causes = std::iter::successors(std::error::Error::source(self), |error| error.source());
        for cause in causes {
            let text = cause.to_string();
            if !told.contains(&text) {
                report.push_str("\n  because: ");
                report.push_str(&text);
            }
            told = text;
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_is_told_once_a_line_each() {
        let endpoint = crate::poll::HttpTarget::try_new("https://h", "f").unwrap_err();
        assert_eq!(
            CliError::from(endpoint).report(),
            "error: correct `--endpoint`\n  because: expected the endpoint as `http://host:port` without TLS, \
             found `https://h`"
        );
    }

    #[test]
    fn a_cause_that_is_told_already_is_not_told_again() {
        let source = iceberg::Error::new(iceberg::ErrorKind::Unexpected, "no such file");
        let error = TableError::Storage { operation: "read", table: "a.b".to_owned(), source: Box::new(source) };
        let report = CliError::from(error).report();
        assert_eq!(report.matches("no such file").count(), 1, "{report}");
    }
}
