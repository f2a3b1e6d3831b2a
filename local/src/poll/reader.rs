//! Reading a topic: all of its partitions, assigned by hand.
//!
//! The partitions are assigned, not subscribed to: a group's coordinator would keep a killed
//! poller's partitions for its session timeout, and the next one would wait. So two pollers of
//! one group on one topic both read everything; run one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{Message, Offset, Timestamp, TopicPartitionList};
use tokio::sync::mpsc;
use tributary_kafka::{EncodedRecord, Payload, Record, TIMESTAMP_MS_UNKNOWN};

use super::error::PollError;
use super::options::PollOptions;
use super::position::{Start, start_offsets};
use crate::broker::{BROKER_TIMEOUT_MS, client_config, milliseconds, partitions_of};

const COORDINATOR_ATTEMPTS_MAX: u32 = 5;
/// Pause after a passing error of a read.
const READ_BACKOFF: Duration = Duration::from_secs(1);
const COORDINATOR_BACKOFF: Duration = Duration::from_millis(500);

/// What a topic's reading gives.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// The next record of its partition.
    Record(EncodedRecord),
    /// All records of the partition that exist now were given.
    End { topic: String, partition: i32 },
}

/// One topic's consumer.
pub(crate) struct TopicReader {
    topic: String,
    bootstrap_servers: String,
    consumer: Arc<StreamConsumer>,
    committer: Committer,
    assigned: BTreeSet<i32>,
}

impl TopicReader {
    /// Connects, and assigns every partition of the topic.
    pub(crate) async fn open(topic: &str, options: &PollOptions) -> Result<Self, PollError> {
        let consumer: StreamConsumer =
            consumer_config(options).create().map_err(|source| PollError::Configuration { source: source.into() })?;
        let consumer = Arc::new(consumer);
        let committer =
            Committer { topic: topic.to_owned(), group: options.group.clone(), consumer: Arc::clone(&consumer) };
        let mut reader = Self {
            topic: topic.to_owned(),
            bootstrap_servers: options.bootstrap_servers.clone(),
            consumer,
            committer,
            assigned: BTreeSet::new(),
        };
        if reader.assign_new(options.start()).await? == 0 {
            return Err(PollError::MissingTopic {
                topic: topic.to_owned(),
                bootstrap_servers: options.bootstrap_servers.clone(),
            });
        }
        Ok(reader)
    }

    /// What commits this topic's offsets.
    pub(crate) fn committer(&self) -> Committer {
        self.committer.clone()
    }

    /// The partitions read.
    pub(crate) fn assigned(&self) -> impl Iterator<Item = i32> {
        self.assigned.iter().copied()
    }

    /// Looks for partitions not read yet and reads them too, from the group's committed offset or
    /// else from `start`. Says how many.
    pub(crate) async fn assign_new(&mut self, start: Start) -> Result<usize, PollError> {
        let (topic, assigned) = (self.topic.clone(), self.assigned.clone());
        let consumer = Arc::clone(&self.consumer);
        let look = move || assign_unassigned(&consumer, &topic, &assigned, start);
        let found = tokio::task::spawn_blocking(look).await;
        let found = found.map_err(|_| PollError::Interrupted { task: "looks for partitions" })?;
        let found = found.map_err(|(request, source)| PollError::Unreachable {
            bootstrap_servers: self.bootstrap_servers.clone(),
            request,
            source: Box::new(source),
        })?;
        self.assigned.extend(&found);
        Ok(found.len())
    }

    /// Stops reading a partition for a while; what was fetched ahead is fetched again later.
    pub(crate) fn pause(&self, partition: i32) -> Result<(), PollError> {
        self.consumer.pause(&self.one(partition)).map_err(|source| self.read_error(source))
    }

    /// Goes on after [`TopicReader::pause`], at the next record.
    pub(crate) fn resume(&self, partition: i32) -> Result<(), PollError> {
        self.consumer.resume(&self.one(partition)).map_err(|source| self.read_error(source))
    }

    fn one(&self, partition: i32) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(&self.topic, partition);
        list
    }

    fn read_error(&self, source: KafkaError) -> PollError {
        PollError::Read { topic: self.topic.clone(), source: Box::new(source) }
    }

    /// Reads on and on; gives why it ended: the topic can't be read, or nobody receives.
    pub(crate) fn read_into(&self, arrivals: mpsc::Sender<Arrival>) -> impl Future<Output = PollError> + Send + use<> {
        let (consumer, topic) = (Arc::clone(&self.consumer), self.topic.clone());
        async move {
            loop {
                let arrival = match consumer.recv().await {
                    Ok(message) => Arrival::Record(encoded(&message)),
                    Err(KafkaError::PartitionEOF(partition)) => Arrival::End { topic: topic.clone(), partition },
                    Err(source) if is_final(&source) => {
                        return PollError::Read { topic, source: source.into() };
                    }
                    Err(passing) => {
                        // librdkafka reconnects by itself, and says many times a second that it can't yet.
                        tracing::warn!("topic `{topic}`: {passing}; reading goes on");
                        tokio::time::sleep(READ_BACKOFF).await;
                        continue;
                    }
                };
                if arrivals.send(arrival).await.is_err() {
                    return PollError::Interrupted { task: "takes arrivals" };
                }
            }
        }
    }
}

fn consumer_config(options: &PollOptions) -> rdkafka::ClientConfig {
    let fixed = [
        ("group.id", options.group.as_str()),
        // Offsets are committed by hand, after the function took the records.
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("enable.partition.eof", "true"),
        // Committed offsets that retention overtook: go on with what is there, never past it.
        ("auto.offset.reset", "earliest"),
        ("allow.auto.create.topics", "false"),
        // What is fetched ahead, for all partitions together: some batches, not librdkafka's 64 MB.
        ("queued.max.messages.kbytes", "16384"),
        // Full, it would wait a second by default before it fetches again.
        ("fetch.queue.backoff.ms", "20"),
    ];
    client_config(&options.bootstrap_servers, &options.kafka_properties, &fixed)
}

/// Blocking. The errors say what was asked for.
fn assign_unassigned(
    consumer: &StreamConsumer,
    topic: &str,
    assigned: &BTreeSet<i32>,
    start: Start,
) -> Result<Vec<i32>, (&'static str, KafkaError)> {
    const DESCRIBE: &str = "describe the topic";
    let timeout = milliseconds(BROKER_TIMEOUT_MS);
    let metadata = consumer.fetch_metadata(Some(topic), timeout);
    let metadata = metadata.map_err(|source| (DESCRIBE, source))?;
    let partitions = partitions_of(topic, &metadata)
        .map_err(|code| (DESCRIBE, KafkaError::MetadataFetch(code)))?
        .unwrap_or_default();
    let new: Vec<i32> = partitions.into_iter().filter(|new| !assigned.contains(new)).collect();
    if !new.is_empty() {
        let offsets = patiently(|| start_offsets(consumer, topic, &new, start, timeout));
        let offsets = offsets.map_err(|source| ("tell the group's offsets", source))?;
        let done = consumer.incremental_assign(&offsets);
        done.map_err(|source| ("assign partitions", source))?;
        tracing::info!("reading {} partition(s) of `{topic}`: {new:?}", new.len());
    }
    Ok(new)
}

/// Whether an error will not pass by waiting.
fn is_final(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    if matches!(error, KafkaError::MessageConsumptionFatal(_)) {
        return true;
    }
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::Authentication
                | Code::SaslAuthenticationFailed
                | Code::ClusterAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::TopicAuthorizationFailed
                | Code::UnknownPartition
                | Code::UnknownTopic
                | Code::UnknownTopicOrPartition
        )
    )
}

fn encoded(message: &BorrowedMessage<'_>) -> EncodedRecord {
    let (timestamp_ms, timestamp_type) = match message.timestamp() {
        Timestamp::NotAvailable => (TIMESTAMP_MS_UNKNOWN, "NO_TIMESTAMP_TYPE"),
        Timestamp::CreateTime(ms) => (ms, "CREATE_TIME"),
        Timestamp::LogAppendTime(ms) => (ms, "LOG_APPEND_TIME"),
    };
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    let record = Record {
        offset: message.offset(),
        timestamp_ms,
        timestamp_type: Some(timestamp_type.to_owned()),
        key: payload(message.key()),
        value: payload(message.payload()),
        headers: headers.map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec())).collect(),
    };
    EncodedRecord::new(message.topic(), message.partition(), &record)
}

fn payload(bytes: Option<&[u8]>) -> Payload {
    bytes.map_or(Payload::Null, |bytes| Payload::Bytes(bytes.to_vec().into()))
}

/// Commits one topic's offsets for the group, and waits until the broker has them.
#[derive(Clone)]
pub(crate) struct Committer {
    topic: String,
    group: String,
    consumer: Arc<StreamConsumer>,
}

impl std::fmt::Debug for Committer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Committer({} of {})", self.topic, self.group)
    }
}

impl Committer {
    /// Commits `(partition, next offset)` pairs.
    pub(crate) async fn commit(&self, next_offsets: impl Iterator<Item = (i32, i64)>) -> Result<(), PollError> {
        let error = |source| PollError::Commit {
            topic: self.topic.clone(),
            group: self.group.clone(),
            source: Box::new(source),
        };
        let mut list = TopicPartitionList::new();
        for (partition, next_offset) in next_offsets {
            let offset = Offset::Offset(next_offset);
            list.add_partition_offset(&self.topic, partition, offset).map_err(error)?;
        }
        let consumer = Arc::clone(&self.consumer);
        let committed = tokio::task::spawn_blocking(move || commit_blocking(&consumer, &list)).await;
        let committed = committed.map_err(|_| PollError::Interrupted { task: "commits offsets" })?;
        committed.map_err(error)
    }
}

fn commit_blocking(consumer: &StreamConsumer, list: &TopicPartitionList) -> KafkaResult<()> {
    patiently(|| consumer.commit(list, CommitMode::Sync))
}

/// Asks a group's coordinator again while it moves, restarts or is not made yet: it is back within seconds. Blocking.
fn patiently<T>(request: impl Fn() -> KafkaResult<T>) -> KafkaResult<T> {
    let mut result = request();
    for _ in 1..COORDINATOR_ATTEMPTS_MAX {
        if result.is_ok() {
            break;
        }
        std::thread::sleep(COORDINATOR_BACKOFF);
        result = request();
    }
    result
}
