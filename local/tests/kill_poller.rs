//! A real broker, a real poller process, SIGKILL at random: every record is in the table once.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::json;
use tributary_testkit::{AwsServer, IdCount, KafkaBroker, TableAt, count_ids, inspect};

const TOPIC: &str = "events";
const PARTITIONS: i32 = 4;
const ROWS: i64 = 200_000;
const KILLS: u32 = 5;
/// Batches small enough that each kill finds the poller in the middle of its work.
const BATCH_ROWS: &str = "1000";
const PUBLISH_WAIT: Duration = Duration::from_secs(120);

/// The poller, killed with this value so that a failing test leaves none behind.
struct Poller(Child);

impl Drop for Poller {
    fn drop(&mut self) {
        let _already_gone = self.0.kill();
        let _status = self.0.wait();
    }
}

fn tributary(server: &AwsServer) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tributary"));
    command.env_clear().envs(server.env()).env("TRIBUTARY_S3_PATH_STYLE", "true").env("TRIBUTARY_LOG", "warn");
    command
}

fn poller(server: &AwsServer, broker: &KafkaBroker) -> Poller {
    let mut command = tributary(server);
    command.args(["poll", "--bootstrap-servers", broker.bootstrap(), "--topic", TOPIC, "--table", "test.events"]);
    command.args([
        "--cluster",
        "the-broker",
        "--batch-size",
        BATCH_ROWS,
        "--batch-window-ms",
        "100",
        "--until-idle-ms",
        "2000",
    ]);
    Poller(command.stdout(Stdio::null()).spawn().unwrap())
}

fn publish(broker: &KafkaBroker) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("linger.ms", "50")
        .set("queue.buffering.max.messages", "1000000")
        .create()
        .unwrap();
    for id in 0..ROWS {
        let row = json!({
            "id": id,
            "event_time": format!("2026-11-22T10:{:02}:{:02}.{:06}Z", id / 60 % 60, id % 60, id),
            "account_id": format!("account-{}", id % 997),
            "kind": "order",
            "amount": format!("{}.{:02}", id % 10_000, id % 100),
            "tags": ["a", "b"],
        })
        .to_string();
        let partition = i32::try_from(id % i64::from(PARTITIONS)).unwrap();
        producer
            .send(BaseRecord::<(), _>::to(TOPIC).payload(&row).partition(partition))
            .map_err(|(error, _)| error)
            .unwrap();
    }
    producer.flush(PUBLISH_WAIT).unwrap();
    assert_eq!(producer.in_flight_count(), 0);
}

#[test]
fn a_poller_killed_five_times_loses_and_repeats_nothing() {
    let broker = KafkaBroker::start().unwrap();
    broker.create_topic(TOPIC, PARTITIONS).unwrap();
    let server = AwsServer::start().unwrap();
    server.create_bucket("lake").unwrap();
    let created = tributary(&server)
        .args(["table", "create", "test.events", "--location", "s3://lake/test/events", "--ddl"])
        .arg("id long not null, event_time timestamptz, account_id string, kind string, amount decimal(12,2), tags list<string>")
        .args(["--partition", "bucket(4, account_id)"])
        .status()
        .unwrap();
    assert!(created.success());
    publish(&broker);

    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    for kill in 0..KILLS {
        let mut poller = poller(&server, &broker);
        std::thread::sleep(Duration::from_millis(random.u64(500..2000)));
        assert_eq!(
            poller.0.try_wait().unwrap(),
            None,
            "seed {seed}, kill {kill}: the poller had ended before it was killed: nothing was tested"
        );
        poller.0.kill().unwrap();
        poller.0.wait().unwrap();
    }
    let at = TableAt::Glue { endpoint: server.endpoint().to_owned(), table: "test.events".to_owned() };
    let halfway = count_ids(&at, "id").unwrap().rows;
    assert!(
        0 < halfway && halfway < 200_000,
        "the kills hit no running work: {halfway} rows after the last (seed {seed})"
    );
    let mut last = poller(&server, &broker);
    assert!(last.0.wait().unwrap().success());

    let expected = IdCount { rows: 200_000, distinct: 200_000, min: json!(0), max: json!(ROWS - 1) };
    assert_eq!(count_ids(&at, "id").unwrap(), expected, "seed {seed}");
    let seen = inspect(&at).unwrap();
    let checkpoint: serde_json::Value =
        serde_json::from_str(seen["properties"]["tributary.checkpoint"].as_str().unwrap()).unwrap();
    for partition in 0..PARTITIONS {
        let progress = &checkpoint["sources"]["the-broker"][TOPIC][partition.to_string()];
        assert_eq!(progress["next-offset"], ROWS / i64::from(PARTITIONS), "partition {partition}");
    }
}
