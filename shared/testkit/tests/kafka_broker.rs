//! The Kafka broker of the test ground, by a real client.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in test functions, but does not see that their helpers are tests as well"
)]

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tributary_testkit::KafkaBroker;

const WAIT_MAX: Duration = Duration::from_secs(30);

fn client(broker: &KafkaBroker) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.bootstrap()).set("group.id", "reader");
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_sent_can_be_read_again() {
    let broker = KafkaBroker::shared().unwrap();
    broker.create_topic("orders", 2).unwrap();
    let producer: FutureProducer = client(broker).create().unwrap();
    let record = FutureRecord::to("orders").partition(1).key("k").payload("v").timestamp(1_000);
    let delivery = producer.send(record, WAIT_MAX).await.unwrap();
    assert_eq!((delivery.partition, delivery.offset), (1, 0));

    let consumer: BaseConsumer = client(broker).create().unwrap();
    let mut from = TopicPartitionList::new();
    from.add_partition_offset("orders", 1, Offset::Beginning).unwrap();
    consumer.assign(&from).unwrap();
    let message = consumer.poll(WAIT_MAX).unwrap().unwrap();
    assert_eq!((message.key(), message.payload()), (Some(&b"k"[..]), Some(&b"v"[..])));
    assert_eq!(message.timestamp().to_millis(), Some(1_000));
}

#[test]
fn a_topic_is_made_once_and_never_by_accident() {
    let broker = KafkaBroker::shared().unwrap();
    broker.create_topic("payments", 1).unwrap();
    let error = broker.create_topic("payments", 1).unwrap_err().to_string();
    assert!(error.contains("create topic payments") && error.to_lowercase().contains("exists"), "{error}");

    let consumer: BaseConsumer = client(broker).create().unwrap();
    let metadata = consumer.fetch_metadata(Some("nobody-made-this"), WAIT_MAX).unwrap();
    assert!(metadata.topics()[0].error().is_some());
}

#[test]
fn clients_see_the_cluster_identity_that_the_broker_tells() {
    let broker = KafkaBroker::shared().unwrap();
    let consumer: BaseConsumer = client(broker).create().unwrap();
    assert_eq!(consumer.client().fetch_cluster_id(WAIT_MAX).as_deref(), Some(broker.cluster_id()));
}
