//! Whether the topic is there, and creating it if asked to.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use tokio::time::{Instant, sleep};

use super::{PublishError, PublishOptions};
use crate::broker::{client_config, milliseconds, partitions_of};

/// The broker's own default, which fits a single local broker as well as a cluster of three.
const REPLICATION_DEFAULT: i32 = -1;
/// Between look-ups of a topic just created.
const LOOK_UP_WAIT: Duration = Duration::from_millis(50);

/// Makes sure that the broker answers and has the topic, before anything is sent: otherwise
/// librdkafka would keep rows and wait in silence.
pub(super) async fn ensure(options: &PublishOptions) -> Result<(), PublishError> {
    let admin: AdminClient<DefaultClientContext> =
        client_config(&options.bootstrap_servers, &options.kafka_properties, &[])
            .create()
            .map_err(|source| PublishError::Configuration { source: source.into() })?;
    let admin = Arc::new(admin);
    // Created before it is looked up: on a broker that creates topics by itself, the look-up would make it, with one partition.
    if let Some(partitions) = options.create_topic {
        reachable(Arc::clone(&admin), options).await?;
        create(&admin, options, partitions).await?;
    }
    // A broker tells of a topic only some moments after it has created it.
    let patience = options.create_topic.map_or(Duration::ZERO, |_| milliseconds(options.timeout_ms));
    let give_up = Instant::now() + patience;
    // Ends: at the latest with the time-out.
    while !exists(Arc::clone(&admin), options).await? {
        if Instant::now() >= give_up {
            let (topic, bootstrap_servers) = (options.topic.clone(), options.bootstrap_servers.clone());
            return Err(PublishError::MissingTopic { topic, bootstrap_servers });
        }
        sleep(LOOK_UP_WAIT).await;
    }
    Ok(())
}

/// Whether any broker answers; the error of creating a topic would not say.
async fn reachable(
    admin: Arc<AdminClient<DefaultClientContext>>,
    options: &PublishOptions,
) -> Result<(), PublishError> {
    describe(admin, None, options).await.map(drop)
}

async fn exists(admin: Arc<AdminClient<DefaultClientContext>>, options: &PublishOptions) -> Result<bool, PublishError> {
    let metadata = describe(admin, Some(options.topic.clone()), options).await?;
    let partitions = partitions_of(&options.topic, &metadata);
    let partitions = partitions.map_err(|code| refused("describe", options, code))?;
    Ok(partitions.is_some())
}

/// Metadata of one topic, or of all there are.
async fn describe(
    admin: Arc<AdminClient<DefaultClientContext>>,
    topic: Option<String>,
    options: &PublishOptions,
) -> Result<Metadata, PublishError> {
    let timeout = milliseconds(options.timeout_ms);
    let fetch = move || admin.inner().fetch_metadata(topic.as_deref(), timeout);
    let fetched = tokio::task::spawn_blocking(fetch).await;
    fetched.map_err(|_| PublishError::Interrupted)?.map_err(|source| PublishError::Unreachable {
        bootstrap_servers: options.bootstrap_servers.clone(),
        timeout_ms: options.timeout_ms,
        source: Box::new(source),
    })
}

async fn create(
    admin: &AdminClient<DefaultClientContext>,
    options: &PublishOptions,
    partitions: i32,
) -> Result<(), PublishError> {
    let replication = TopicReplication::Fixed(REPLICATION_DEFAULT);
    let topic = NewTopic::new(&options.topic, partitions, replication);
    let timeout = Some(milliseconds(options.timeout_ms));
    let limits = AdminOptions::new().request_timeout(timeout).operation_timeout(timeout);
    let created = admin.create_topics([&topic], &limits).await.map_err(|source| PublishError::Topic {
        action: "create",
        topic: options.topic.clone(),
        source: Box::new(source),
    })?;
    for result in created {
        match result {
            // Another publisher was quicker.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(refused("create", options, code)),
        }
    }
    Ok(())
}

fn refused(action: &'static str, options: &PublishOptions, code: RDKafkaErrorCode) -> PublishError {
    let source = KafkaError::MetadataFetch(code);
    PublishError::Topic { action, topic: options.topic.clone(), source: Box::new(source) }
}
