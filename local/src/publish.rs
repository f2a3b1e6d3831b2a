//! The sample publisher: puts rows on a topic of a real broker, one new row a run.
//!
//! A row's id is the clock's microseconds since 1970 at the start of the run, plus the row's index
//! in the run. A run sends at most one row a microsecond (`--rate` is bounded far below), so it is
//! over only after the last id it used has passed, and the next run begins above it. Two runs
//! begun in the same microsecond, or after the clock was set back, could share ids; for sample
//! data that is good enough, and nothing has to be remembered between runs.

mod sample;
mod topic;

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rdkafka::error::KafkaError;
use rdkafka::producer::future_producer::OwnedDeliveryResult;
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord};
use tokio::time::{Instant, sleep_until};
use tributary_kafka::OffsetRange;

pub use sample::{SampleRow, sample_row};

use crate::broker::{BROKER_TIMEOUT_MS, KafkaProperty, client_config, milliseconds};

/// Rows sent whose delivery is awaited at one time: enough to fill librdkafka's batches, and far
/// below its queue of 100,000.
const IN_FLIGHT_MAX: usize = 5_000;

/// What to publish, and where.
#[derive(Debug, Clone, clap::Args)]
pub struct PublishOptions {
    /// Brokers as `host:port`, separated by commas
    #[arg(long, value_name = "HOST:PORT,...", default_value = "127.0.0.1:9092")]
    pub bootstrap_servers: String,

    /// Topic to publish to
    #[arg(long, default_value = "events")]
    pub topic: String,

    /// Rows to publish
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub count: u64,

    /// Rows per second, if there are more than one
    #[arg(long, value_name = "ROWS", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,

    /// Seed of the generated rows; their ids come from the clock
    #[arg(long, default_value_t = 0)]
    pub seed: u64,

    /// Create the topic with that many partitions, if it is missing
    #[arg(long, value_name = "PARTITIONS", value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub create_topic: Option<i32>,

    /// Milliseconds to wait for the broker, and for each row's delivery
    #[arg(long, value_name = "MS", default_value_t = BROKER_TIMEOUT_MS,
          value_parser = clap::value_parser!(u64).range(100..=600_000))]
    pub timeout_ms: u64,

    /// A librdkafka property, handed on; may be repeated
    #[arg(long = "kafka-property", value_name = "KEY=VALUE")]
    pub kafka_properties: Vec<KafkaProperty>,
}

/// What was published. All of it is acknowledged by every in-sync replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishReport {
    /// Name of the topic.
    pub topic: String,
    /// Rows delivered: always as many as asked for.
    pub rows: u64,
    /// Id of the first row; the others follow without gaps.
    pub first_id: u64,
    /// The offsets the rows got, by partition. Another producer's rows may lie between them.
    pub offsets: BTreeMap<i32, OffsetRange>,
    /// The last row sent, as JSON text: with one row, the row.
    pub last_row: String,
    /// From the first row to the last acknowledgement.
    pub elapsed: Duration,
}

impl fmt::Display for PublishReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, rows, elapsed, .. } = self;
        write!(f, "published {rows} row(s) to `{topic}` in {} ms", elapsed.as_millis())?;
        for (partition, offsets) in &self.offsets {
            write!(f, "; partition {partition}: offsets {offsets}")?;
        }
        Ok(())
    }
}

/// Why rows could not be published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The client could not be configured.
    #[error("correct the options or `--kafka-property`: librdkafka refuses the configuration")]
    Configuration {
        /// What librdkafka says.
        #[source]
        source: Box<KafkaError>,
    },
    /// The broker did not answer.
    #[error(
        "start a broker or name another with `--bootstrap-servers`: expected an answer from \
         `{bootstrap_servers}` within {timeout_ms} ms, found none"
    )]
    Unreachable {
        /// Where the broker was looked for.
        bootstrap_servers: String,
        /// How long it was waited for.
        timeout_ms: u64,
        /// What librdkafka says.
        #[source]
        source: Box<KafkaError>,
    },
    /// The topic does not exist.
    #[error(
        "create topic `{topic}`, for example with `--create-topic 3` (partitions): it does not \
         exist at `{bootstrap_servers}`"
    )]
    MissingTopic {
        /// Name of the topic.
        topic: String,
        /// The broker that was asked.
        bootstrap_servers: String,
    },
    /// The broker refused to show or create the topic.
    #[error("the broker refused to {action} topic `{topic}`")]
    Topic {
        /// `describe` or `create`.
        action: &'static str,
        /// Name of the topic.
        topic: String,
        /// What the broker says.
        #[source]
        source: Box<KafkaError>,
    },
    /// A row was not acknowledged. Whether it was written is unknown.
    #[error(
        "check the broker and publish again: of {count} rows for topic `{topic}` {delivered} were \
         acknowledged, and one failed"
    )]
    Undelivered {
        /// Name of the topic.
        topic: String,
        /// Rows asked for.
        count: u64,
        /// Rows acknowledged before.
        delivered: u64,
        /// What librdkafka says.
        #[source]
        source: Box<KafkaError>,
    },
    /// The client ended while a row was on its way, or its blocking call was cancelled.
    #[error("publish again: the Kafka client ended early")]
    Interrupted,
}

/// Publishes rows and waits until the broker acknowledged each. `now` is the wall clock: ids and
/// the rows' `event_time` go out from there.
///
/// # Errors
/// See [`PublishError`]. On an error some of the rows may have been written.
pub async fn publish(options: PublishOptions, now: SystemTime) -> Result<PublishReport, PublishError> {
    topic::ensure(&options).await?;
    let timeout_ms = options.timeout_ms.to_string();
    // Acknowledged by all in-sync replicas, and never twice because the producer retried.
    let fixed = [("acks", "all"), ("enable.idempotence", "true"), ("message.timeout.ms", timeout_ms.as_str())];
    let producer: FutureProducer = client_config(&options.bootstrap_servers, &options.kafka_properties, &fixed)
        .create()
        .map_err(|source| PublishError::Configuration { source: source.into() })?;
    Run::new(&options, now).send_all(&producer).await
}

/// One run of the publisher.
struct Run<'a> {
    options: &'a PublishOptions,
    now: SystemTime,
    started: Instant,
    delivered: u64,
    offsets: BTreeMap<i32, OffsetRange>,
    last_row: String,
}

impl<'a> Run<'a> {
    fn new(options: &'a PublishOptions, now: SystemTime) -> Self {
        Self { options, now, started: Instant::now(), delivered: 0, offsets: BTreeMap::new(), last_row: String::new() }
    }

    async fn send_all(mut self, producer: &FutureProducer) -> Result<PublishReport, PublishError> {
        let first_id = first_id(self.now);
        let mut in_flight = FuturesUnordered::new();
        for index in 0..self.options.count {
            self.wait_for_turn(index, &mut in_flight).await?;
            in_flight.push(self.send(producer, first_id + index)?);
        }
        while let Some(delivery) = in_flight.next().await {
            self.acknowledge(delivery)?;
        }
        Ok(PublishReport {
            topic: self.options.topic.clone(),
            rows: self.delivered,
            first_id,
            offsets: self.offsets,
            last_row: self.last_row,
            elapsed: self.started.elapsed(),
        })
    }

    /// Waits until the row's time has come and there is room, taking acknowledgements meanwhile,
    /// so that a failure stops the run at once.
    async fn wait_for_turn(
        &mut self,
        index: u64,
        in_flight: &mut FuturesUnordered<DeliveryFuture>,
    ) -> Result<(), PublishError> {
        let due = self.started + turn(index, self.options.rate);
        loop {
            let full = in_flight.len() >= IN_FLIGHT_MAX;
            tokio::select! {
                Some(delivery) = in_flight.next() => self.acknowledge(delivery)?,
                () = sleep_until(due), if !full => return Ok(()),
            }
        }
    }

    fn send(&mut self, producer: &FutureProducer, id: u64) -> Result<DeliveryFuture, PublishError> {
        let row = SampleRow::generate(id, self.options.seed, self.now + self.started.elapsed());
        self.last_row = row.to_json();
        let record = FutureRecord::to(&self.options.topic).key(row.account_id()).payload(&self.last_row);
        producer.send_result(record).map_err(|(source, _)| self.undelivered(source))
    }

    fn acknowledge(&mut self, delivery: Acknowledgement) -> Result<(), PublishError> {
        let delivery = delivery.map_err(|_| PublishError::Interrupted)?;
        let delivery = delivery.map_err(|(source, _)| self.undelivered(source))?;
        self.delivered += 1;
        let widened = match self.offsets.get(&delivery.partition) {
            Some(range) => (range.first().min(delivery.offset), range.last().max(delivery.offset)),
            None => (delivery.offset, delivery.offset),
        };
        // An offset is negative only if the broker did not tell it, which acks=all excludes.
        if let Ok(range) = OffsetRange::try_new(widened.0, widened.1) {
            self.offsets.insert(delivery.partition, range);
        }
        Ok(())
    }

    fn undelivered(&self, source: KafkaError) -> PublishError {
        PublishError::Undelivered {
            topic: self.options.topic.clone(),
            count: self.options.count,
            delivered: self.delivered,
            source: Box::new(source),
        }
    }
}

/// What a [`DeliveryFuture`] gives.
type Acknowledgement = Result<OwnedDeliveryResult, futures::channel::oneshot::Canceled>;

/// Microseconds since 1970; 0 if the clock stands before.
fn first_id(now: SystemTime) -> u64 {
    let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX / 2)
}

/// When the row's turn comes, from the start of the run.
fn turn(index: u64, rate: u32) -> Duration {
    let (seconds, rest) = (index / u64::from(rate), index % u64::from(rate));
    milliseconds(seconds.saturating_mul(1000)) + Duration::from_secs(rest) / rate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_spread_evenly_at_the_rate() {
        assert_eq!(turn(0, 3), Duration::ZERO);
        assert_eq!(turn(1, 4), Duration::from_millis(250));
        assert_eq!(turn(9, 4), Duration::from_millis(2250));
        assert_eq!(turn(1_000_000_000, 1), Duration::from_secs(1_000_000_000));
    }

    #[test]
    fn a_run_begins_above_the_ids_of_one_that_ended_before() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_763_000_000);
        for (count, rate) in [(1_u64, 1_u32), (2, 100_000), (1_000_000, 100_000)] {
            let last_id = first_id(start) + count - 1;
            let ended = start + turn(count - 1, rate) + Duration::from_micros(1);
            assert!(first_id(ended) > last_id, "{count} rows at {rate} a second");
        }
    }
}
