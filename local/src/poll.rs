//! The poller: behaves as the event source mapping of Amazon MSK does, against a real broker.
//!
//! It reads all partitions of some topics, gathers records into batches (by count, bytes of event
//! JSON and time), and invokes a function with each, one invocation at a time unless told
//! otherwise, and never two with records of one partition. An event may hold several partitions;
//! each keeps its order. A batch that fails is sent again as it is, for ever by default, and
//! offsets are committed only after the function took the batch: at least once, as on AWS.
//!
//! Not done, as the mapping's default mode doesn't either: partial batch answers, bisection of
//! failed batches, filters, on-failure destinations.

mod batch;
mod delivery;
mod error;
mod options;
mod poller;
mod position;
mod reader;
mod signals;
mod target;

use std::collections::BTreeMap;
use std::fmt;

pub use error::PollError;
pub use options::{PollOptions, StartingPosition};
pub use target::{EndpointError, HttpTarget, InvokeError, Target};

/// Why the poller stopped of its own accord.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// All records were delivered and none came for `--until-idle-ms`.
    Idle,
    /// `--max-batches` were delivered.
    MaxBatches,
    /// SIGINT or SIGTERM.
    Signal,
}

/// What the poller did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollReport {
    /// Batches delivered, each with one successful invocation.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Invocations that failed and were repeated.
    pub retries: u64,
    /// The offset after the last delivered record, by topic and partition: what was committed.
    pub next_offsets: BTreeMap<(String, i32), i64>,
    /// The function's last answer, as JSON text.
    pub last_answer: Option<String>,
    /// Why it stopped.
    pub stopped: StopReason,
}

impl fmt::Display for PollReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { batches, records, retries, .. } = self;
        write!(f, "delivered {records} record(s) in {batches} batch(es), {retries} retries")?;
        for ((topic, partition), next_offset) in &self.next_offsets {
            write!(f, "; {topic}-{partition}: next offset {next_offset}")?;
        }
        Ok(())
    }
}

/// Polls until a signal comes, the topics are idle or enough batches were delivered, as the
/// options say. A batch in flight is finished before it returns, on errors too.
///
/// # Errors
/// See [`PollError`].
pub async fn poll<T: Target>(options: PollOptions, target: T) -> Result<PollReport, PollError> {
    let stop = signals::stop_on_signal()?;
    let poller = poller::Poller::open(&options).await?;
    poller.run(&target, stop).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polling_can_be_spawned_on_a_runtime() {
        fn spawnable<F: Future + Send>(_poll: impl Fn(PollOptions, HttpTarget) -> F) {}
        spawnable(poll::<HttpTarget>);
    }
}
