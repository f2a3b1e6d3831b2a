//! How a cluster is named in the checkpoint.

use crate::{EventError, KafkaEvent};

/// The name under which the checkpoint keeps a cluster's offsets. Two clusters must never share
/// one, and one cluster must never change it, or its records would be taken for new ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClusterIdentity {
    name: String,
    assumed: bool,
}

impl ClusterIdentity {
    /// The identity of the cluster an event came from: `configured` if given and not blank, else
    /// the `eventSourceArn` (Amazon MSK), else the bootstrap servers, normalised (trimmed,
    /// lower-case, sorted, repeats dropped, joined by commas), which is an assumption: see
    /// [`ClusterIdentity::is_assumed`].
    ///
    /// # Errors
    /// [`EventError::NoCluster`] if there is none of the three.
    pub fn of_event(event: &KafkaEvent, configured: Option<&str>) -> Result<Self, EventError> {
        let configured = configured.and_then(not_blank);
        let arn = event.event_source_arn.as_deref().and_then(not_blank);
        if let Some(name) = configured.or(arn) {
            return Ok(Self { name: name.to_owned(), assumed: false });
        }
        let servers = event.bootstrap_servers.as_deref().map(normalised).unwrap_or_default();
        match not_blank(&servers) {
            Some(_) => Ok(Self { name: servers, assumed: true }),
            None => Err(EventError::NoCluster),
        }
    }

    /// The name, as written into the checkpoint. Never blank.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Whether the name was derived from bootstrap servers. These change when brokers are added
    /// or replaced, and the offsets would then start anew: whoever sees `true` should say so and
    /// advise to configure the identity.
    pub fn is_assumed(&self) -> bool {
        self.assumed
    }
}

fn not_blank(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// The order in which a client lists its brokers carries no meaning, nor does the case of a host.
fn normalised(bootstrap_servers: &str) -> String {
    let lower = bootstrap_servers.to_lowercase();
    let mut servers: Vec<&str> = lower.split(',').filter_map(not_blank).collect();
    servers.sort_unstable();
    servers.dedup();
    servers.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(arn: Option<&str>, bootstrap_servers: Option<&str>) -> KafkaEvent {
        KafkaEvent {
            event_source_arn: arn.map(str::to_owned),
            bootstrap_servers: bootstrap_servers.map(str::to_owned),
            ..KafkaEvent::default()
        }
    }

    #[test]
    fn the_configured_identity_wins() {
        let event = event(Some("arn:aws:kafka:x"), Some("b:1"));
        let identity = ClusterIdentity::of_event(&event, Some(" orders ")).unwrap();
        assert_eq!((identity.as_str(), identity.is_assumed()), ("orders", false));
    }

    #[test]
    fn the_arn_comes_before_the_bootstrap_servers() {
        let event = event(Some("arn:aws:kafka:x"), Some("b:1"));
        let identity = ClusterIdentity::of_event(&event, Some("  ")).unwrap();
        assert_eq!((identity.as_str(), identity.is_assumed()), ("arn:aws:kafka:x", false));
    }

    #[test]
    fn bootstrap_servers_in_any_order_and_case_are_one_cluster_and_an_assumption() {
        for servers in ["B-2:9092, b-1:9092", "b-1:9092,b-2:9092,,", " b-2:9092,b-1:9092,B-1:9092"] {
            let identity = ClusterIdentity::of_event(&event(None, Some(servers)), None).unwrap();
            assert_eq!((identity.as_str(), identity.is_assumed()), ("b-1:9092,b-2:9092", true));
        }
    }

    #[test]
    fn an_event_that_names_no_cluster_is_refused() {
        for event in [event(None, None), event(Some(""), Some(" , "))] {
            let error = ClusterIdentity::of_event(&event, None).unwrap_err();
            assert!(error.to_string().starts_with("configure the cluster identity"), "{error}");
        }
    }
}
