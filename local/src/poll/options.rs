//! What the poller is told, in the words of Lambda's event source mapping.

use std::time::Duration;

use tributary_kafka::EventBuilder;

use super::batch::BatchLimits;
use super::position::Start;
use crate::broker::KafkaProperty;

/// The most that Lambda takes in a synchronous invocation: 6 MB.
const EVENT_BYTES_MAX: u32 = 6 * 1024 * 1024;

/// Where to start in a partition for which the group committed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum StartingPosition {
    /// At the oldest record
    TrimHorizon,
    /// After the newest record
    Latest,
    /// At the first record of `--starting-position-timestamp-ms` or later
    AtTimestamp,
}

/// What to poll, and how: the settings of an Amazon MSK event source mapping under its own names,
/// with its defaults and bounds.
#[derive(Debug, Clone, clap::Args)]
pub struct PollOptions {
    /// Brokers as `host:port`, separated by commas
    #[arg(long, value_name = "HOST:PORT,...", default_value = "127.0.0.1:9092")]
    pub bootstrap_servers: String,

    /// Topic to read; may be repeated
    #[arg(long = "topic", value_name = "TOPIC", default_value = "events")]
    pub topics: Vec<String>,

    /// Consumer group under which offsets are committed. Two pollers must not share one
    #[arg(long, default_value = "tributary-local")]
    pub group: String,

    /// ARN of the MSK cluster to name in the events; without, they are those of a self-managed one
    #[arg(long, value_name = "ARN")]
    pub event_source_arn: Option<String>,

    /// Where to start in a partition for which the group committed nothing
    #[arg(long, value_enum, default_value_t = StartingPosition::TrimHorizon)]
    pub starting_position: StartingPosition,

    /// For `at-timestamp`: milliseconds since 1970-01-01 UTC
    #[arg(long, value_name = "MS", required_if_eq("starting_position", "at-timestamp"))]
    pub starting_position_timestamp_ms: Option<i64>,

    /// Most records in one event
    #[arg(long, value_name = "RECORDS", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub batch_size: u32,

    /// Most bytes of one event's JSON, at most what Lambda takes
    #[arg(long, value_name = "BYTES", default_value_t = EVENT_BYTES_MAX,
          value_parser = clap::value_parser!(u32).range(1024..=i64::from(EVENT_BYTES_MAX)))]
    pub batch_bytes_max: u32,

    /// Milliseconds to gather records before an event is sent that is not full
    #[arg(long, value_name = "MS", default_value_t = 500,
          value_parser = clap::value_parser!(u64).range(0..=300_000))]
    pub batch_window_ms: u64,

    /// Invocations at one time; a partition is never in two of them
    #[arg(long, value_name = "INVOCATIONS", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub concurrency: u16,

    /// Send a failed batch again that many times and then give up; without, for ever
    #[arg(long, value_name = "RETRIES")]
    pub retry_attempts: Option<u64>,

    /// Seconds between looks for new partitions
    #[arg(long, value_name = "SECONDS", default_value_t = 30,
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub metadata_refresh_s: u64,

    /// Stop when all records are delivered and none came for that many milliseconds
    #[arg(long, value_name = "MS")]
    pub until_idle_ms: Option<u64>,

    /// Stop after that many batches
    #[arg(long, value_name = "BATCHES")]
    pub max_batches: Option<u64>,

    /// A librdkafka property, handed on; may be repeated
    #[arg(long = "kafka-property", value_name = "KEY=VALUE")]
    pub kafka_properties: Vec<KafkaProperty>,
}

impl PollOptions {
    pub(crate) fn limits(&self) -> BatchLimits {
        BatchLimits {
            records_max: self.batch_size as usize,
            event_bytes_max: self.batch_bytes_max as usize,
            window: Duration::from_millis(self.batch_window_ms),
        }
    }

    pub(crate) fn start(&self) -> Start {
        match self.starting_position {
            StartingPosition::TrimHorizon => Start::TrimHorizon,
            StartingPosition::Latest => Start::Latest,
            // The command line requires the timestamp; a caller that leaves it out means all.
            StartingPosition::AtTimestamp => {
                self.starting_position_timestamp_ms.map_or(Start::TrimHorizon, Start::AtTimestamp)
            }
        }
    }

    /// An event without records.
    pub(crate) fn empty_event(&self) -> EventBuilder {
        match &self.event_source_arn {
            Some(arn) => EventBuilder::msk(arn, &self.bootstrap_servers),
            None => EventBuilder::self_managed(&self.bootstrap_servers),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        options: PollOptions,
    }

    fn parse(arguments: &[&str]) -> Result<PollOptions, clap::Error> {
        let arguments = std::iter::once(&"poll").chain(arguments);
        Cli::try_parse_from(arguments).map(|cli| cli.options)
    }

    #[test]
    fn the_defaults_are_those_of_the_event_source_mapping() {
        let options = parse(&[]).unwrap();
        let limits = options.limits();
        assert_eq!((limits.records_max, limits.event_bytes_max), (100, 6_291_456));
        assert_eq!(limits.window, Duration::from_millis(500));
        assert_eq!((options.concurrency, options.retry_attempts), (1, None));
    }

    #[test]
    fn values_out_of_the_mappings_bounds_are_refused() {
        for arguments in [
            ["--batch-size", "10001"],
            ["--batch-size", "0"],
            ["--batch-window-ms", "300001"],
            ["--batch-bytes-max", "6291457"],
            ["--concurrency", "0"],
            ["--starting-position", "at-timestamp"],
            ["--kafka-property", "debug"],
        ] {
            assert!(parse(&arguments).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn a_starting_timestamp_is_taken_with_its_position() {
        let options = parse(&["--starting-position=at-timestamp", "--starting-position-timestamp-ms=1763000000000"]);
        assert_eq!(options.unwrap().start(), Start::AtTimestamp(1_763_000_000_000));
    }
}
