//! Why polling stopped before its time.

use rdkafka::error::KafkaError;

use super::target::InvokeError;

/// Why the poller gave up. Whatever was not committed is delivered again by the next run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PollError {
    /// The client could not be configured.
    #[error("correct the options or `--kafka-property`: librdkafka refuses the configuration")]
    Configuration {
        /// What librdkafka says.
        #[source]
        source: Box<KafkaError>,
    },
    /// The broker did not answer.
    #[error(
        "start a broker or name another with `--bootstrap-servers`: expected `{bootstrap_servers}` \
         to {request}, found no answer"
    )]
    Unreachable {
        /// Where the broker was looked for.
        bootstrap_servers: String,
        /// What it was asked for.
        request: &'static str,
        /// What librdkafka says.
        #[source]
        source: Box<KafkaError>,
    },
    /// A topic does not exist.
    #[error("create topic `{topic}` or name another with `--topic`: it does not exist at `{bootstrap_servers}`")]
    MissingTopic {
        /// Name of the topic.
        topic: String,
        /// The broker that was asked.
        bootstrap_servers: String,
    },
    /// A topic can't be read any further.
    #[error("topic `{topic}` can't be read")]
    Read {
        /// Name of the topic.
        topic: String,
        /// What librdkafka says.
        #[source]
        source: Box<KafkaError>,
    },
    /// The function took a batch, and its offsets could not be committed.
    #[error(
        "check the broker and start again: the function took a batch of topic `{topic}`, whose \
         offsets group `{group}` could not commit; the batch will be delivered again"
    )]
    Commit {
        /// Name of the topic.
        topic: String,
        /// The consumer group.
        group: String,
        /// What librdkafka says.
        #[source]
        source: Box<KafkaError>,
    },
    /// A record fits into no event.
    #[error(
        "skip the record by committing offset {next_offset} for group `{group}`, or keep such records \
         out of the topic: partition {partition} of `{topic}`, offset {offset}: expected an event \
         of at most {event_bytes_max} bytes, found {event_bytes}"
    )]
    RecordTooLarge {
        /// Name of the topic.
        topic: String,
        /// Number of the partition.
        partition: i32,
        /// The record's offset.
        offset: i64,
        /// The offset after it.
        next_offset: i64,
        /// The consumer group.
        group: String,
        /// Length of an event with this record alone.
        event_bytes: usize,
        /// The limit.
        event_bytes_max: usize,
    },
    /// The function failed for as many times as it was allowed to.
    #[error(
        "mend the function or allow more `--retry-attempts`: it failed {attempts} time(s) on the \
         same batch ({batch})"
    )]
    RetriesExhausted {
        /// Invocations, the first included.
        attempts: u64,
        /// Which records the batch holds.
        batch: String,
        /// The last failure.
        #[source]
        source: InvokeError,
    },
    /// The signal handlers could not be installed.
    #[error("the handlers for SIGINT and SIGTERM could not be installed")]
    Signals {
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A task of the poller ended early.
    #[error("start again: the poller's task that {task} ended early")]
    Interrupted {
        /// What the task does.
        task: &'static str,
    },
}
