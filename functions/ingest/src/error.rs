//! Why an invocation failed, for people (the message) and for machines (the kind).

use lambda_runtime::Diagnostic;
use tributary_decode::SchemaError;
use tributary_kafka::{EventError, SourcePartition};
use tributary_table::{Remedy, TableError};

use crate::report::Report;

/// Records shown in an error's text; the count is always given.
const RECORDS_SHOWN_MAX: usize = 5;

/// A record that can't be a row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRecord {
    /// Its partition.
    pub partition: SourcePartition,
    /// Its offset.
    pub offset: i64,
    /// The column at fault, as a path; none where no single column is.
    pub column: Option<String>,
    /// What was expected and found.
    pub reason: String,
}

impl std::fmt::Display for RejectedRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "offset {} of {}: {}", self.offset, self.partition, self.reason)
    }
}

/// A failed invocation. The event source mapping delivers its batch again.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The event is no Kafka event.
    #[error(transparent)]
    Event(#[from] EventError),
    /// Records that can't be rows. What came before them in their partitions is committed.
    #[error(
        "correct the table's schema, or skip the record with `tributary table set-checkpoint --next-offset` set to the \
         offset after it: {count} record(s) rejected, each halting its partition, and with it the event it comes in: {shown}; committed before them: {committed} row(s)",
        count = records.len(),
        shown = shown(records),
        committed = report.rows_committed
    )]
    Rejected {
        /// The first bad record of each partition that has one.
        records: Vec<RejectedRecord>,
        /// What the invocation did all the same.
        report: Box<Report>,
    },
    /// The table's schema has a column the decoder can't serve.
    #[error("table `{table}`: {source}")]
    Schema {
        /// The table.
        table: String,
        /// The column.
        source: SchemaError,
    },
    /// The table could not be read or committed to.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A topic that was committed before arrives under another identity, made up from bootstrap servers.
    #[error(
        "set `TRIBUTARY_CLUSTER` to `{known}` if this is the same cluster (its broker list changed), or to a new name if it is \
         another one: topic `{topic}`: expected records of cluster `{known}`, found bootstrap servers `{found}`"
    )]
    UnknownCluster {
        /// The topic.
        topic: String,
        /// The bootstrap servers of the event.
        found: String,
        /// The identity the checkpoint knows.
        known: String,
    },
    /// The table kept moving under the batch.
    #[error(
        "deliver the batch again: table `{table}`: expected its schema and checkpoint to hold still for one commit, found them changed {replans} times"
    )]
    Unsettled {
        /// The table.
        table: String,
        /// How often the batch was planned again.
        replans: u32,
    },
    /// Decoding failed as a whole, which no record can cause.
    #[error("report this as a bug: expected rows or rejections from the decoder, found: {reason}")]
    Decode {
        /// What happened.
        reason: String,
    },
}

fn shown(records: &[RejectedRecord]) -> String {
    let mut texts: Vec<String> = records.iter().take(RECORDS_SHOWN_MAX).map(ToString::to_string).collect();
    if records.len() > RECORDS_SHOWN_MAX {
        texts.push(format!("and {} more", records.len() - RECORDS_SHOWN_MAX));
    }
    texts.join("; ")
}

impl IngestError {
    /// What the invocation did all the same, where it got so far.
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::Rejected { report, .. } => Some(report),
            _ => None,
        }
    }

    /// `Retry`, `Reject` or `Halt`: the error type Lambda reports.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Rejected { .. } => "Reject",
            Self::Unsettled { .. } => "Retry",
            Self::Table(error) if error.remedy() == Remedy::Retry => "Retry",
            _ => "Halt",
        }
    }
}

impl From<IngestError> for Diagnostic {
    fn from(error: IngestError) -> Self {
        Self { error_type: error.kind().to_owned(), error_message: error.to_string() }
    }
}
