//! What the publisher and the poller share: reaching a Kafka broker through librdkafka.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::metadata::Metadata;

/// How long a request to the broker may take before it counts as unreachable, unless the
/// options say otherwise.
pub(crate) const BROKER_TIMEOUT_MS: u64 = 10_000;

/// A librdkafka property, `key=value`, handed to the client as it stands. The broker's security
/// settings come in this way; TLS and SASL/SCRAM need a librdkafka built with OpenSSL, which this
/// local tool leaves out.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaProperty {
    key: String,
    value: String,
}

/// Text that is no `key=value`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected a librdkafka property as `key=value`, found `{found}`")]
pub struct KafkaPropertyError {
    found: String,
}

impl FromStr for KafkaProperty {
    type Err = KafkaPropertyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                Ok(Self { key: key.trim().to_owned(), value: value.to_owned() })
            }
            _ => Err(KafkaPropertyError { found: text.to_owned() }),
        }
    }
}

impl fmt::Debug for KafkaProperty {
    /// Without the value, which may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=...", self.key)
    }
}

/// A client configuration: the user's properties, over which those in `fixed` win, because the
/// caller's promises rest on them.
pub(crate) fn client_config(
    bootstrap_servers: &str,
    properties: &[KafkaProperty],
    fixed: &[(&str, &str)],
) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("client.id", "tributary-local");
    for KafkaProperty { key, value } in properties {
        config.set(key, value);
    }
    config.set("bootstrap.servers", bootstrap_servers);
    for (key, value) in fixed {
        config.set(*key, *value);
    }
    config
}

/// The partitions of a topic, ascending; none if the broker doesn't have the topic.
pub(crate) fn partitions_of(topic: &str, metadata: &Metadata) -> Result<Option<Vec<i32>>, RDKafkaErrorCode> {
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
        return Ok(None);
    };
    match found.error().map(RDKafkaErrorCode::from) {
        // A topic just created has no leader yet; it exists all the same.
        None | Some(RDKafkaErrorCode::LeaderNotAvailable) => {}
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
            return Ok(None);
        }
        Some(code) => return Err(code),
    }
    let mut partitions: Vec<i32> = found.partitions().iter().map(|found| found.id()).collect();
    partitions.sort_unstable();
    Ok(Some(partitions))
}

/// Milliseconds from a command line, as a duration.
pub(crate) fn milliseconds(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_splits_at_its_first_equals_sign_and_hides_its_value() {
        let property: KafkaProperty = "sasl.password=a=b".parse().unwrap();
        assert_eq!((property.key.as_str(), property.value.as_str()), ("sasl.password", "a=b"));
        assert_eq!(format!("{property:?}"), "sasl.password=...");
    }

    #[test]
    fn text_that_is_no_property_is_refused() {
        for text in ["", "key", "=value", " =x"] {
            assert!(text.parse::<KafkaProperty>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_the_caller_fixes_wins_over_the_users_properties() {
        let properties = ["acks=0".parse().unwrap(), "linger.ms=7".parse().unwrap()];
        let config = client_config("b:1", &properties, &[("acks", "all")]);
        assert_eq!(config.get("acks"), Some("all"));
        assert_eq!(config.get("linger.ms"), Some("7"));
        assert_eq!(config.get("bootstrap.servers"), Some("b:1"));
    }
}
