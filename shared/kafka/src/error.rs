//! What can be wrong with an event as a whole.

/// An event that can't be turned into records. It concerns the whole event, so nothing of it may
/// be taken: the caller fails the invocation and Lambda delivers the same event again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The bytes are no JSON, or no Kafka event.
    #[error(
        "the payload is no Kafka event: check that the function is invoked by a Kafka event \
         source mapping, or by a sample event of the same form: {source}"
    )]
    Malformed {
        /// Where and why reading stopped.
        source: serde_json::Error,
    },

    /// The event comes from something else than Kafka.
    #[error(
        "connect the function to a Kafka event source mapping: expected `eventSource` \
         `aws:kafka` or `SelfManagedKafka`, found `{found}`"
    )]
    OtherSource {
        /// The event's `eventSource`.
        found: String,
    },

    /// Nothing in the event or the configuration says which cluster it comes from, and offsets
    /// mean nothing without.
    #[error(
        "configure the cluster identity: expected `eventSourceArn` or `bootstrapServers` in the \
         event, found neither"
    )]
    NoCluster,

    /// A record lacks its place, or its place is impossible.
    #[error("record {index} of `records.{group}`: expected {expected}, found {found}")]
    Place {
        /// The key in `records`, as `topic-partition`.
        group: String,
        /// Index of the record in that group, from 0.
        index: usize,
        /// What the field must be.
        expected: &'static str,
        /// What it was.
        found: String,
    },
}
