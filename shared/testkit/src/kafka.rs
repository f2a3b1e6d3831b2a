//! One Apache Kafka node on loopback, for tests that need a real broker.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

use crate::process::Managed;
use crate::tools::{GroundError, existing, script, tools_dir};

/// Two Java programs start one after the other; alone they take some seconds.
const START_WAIT_MAX: Duration = Duration::from_secs(120);
const START_POLL: Duration = Duration::from_millis(50);
/// A free port can be taken by another process between looking and binding.
const START_ATTEMPTS_MAX: u32 = 3;
const TOPIC_WAIT_MAX: Duration = Duration::from_secs(30);
/// What the broker writes to its log once clients may come.
const READY: &str = "Kafka Server started";
/// Short start before long run: no second compiler, one thread of garbage collection.
const JAVA_OPTIONS: [&str; 4] = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];

/// A running broker with one listener, PLAINTEXT. It makes no topic by itself. It ends, and its data goes, when this is dropped.
#[derive(Debug)]
pub struct KafkaBroker {
    bootstrap: String,
    cluster_id: String,
    _process: Managed,
}

impl KafkaBroker {
    /// Starts a broker on free ports of loopback; it takes clients when this returns.
    ///
    /// # Errors
    /// [`GroundError::NotInstalled`] before `tests/tools/setup`; [`GroundError::Process`] when it does not come up.
    pub fn start() -> Result<Self, GroundError> {
        let mut attempt = 1;
        loop {
            match Self::start_once() {
                Err(GroundError::Process { log, .. })
                    if log.contains("BindException") && attempt < START_ATTEMPTS_MAX =>
                {
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// The broker that all tests of one test program share, started by the first that asks. It ends with the program.
    ///
    /// Each test makes topics of its own.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn shared() -> Result<&'static Self, GroundError> {
        static SHARED: OnceLock<KafkaBroker> = OnceLock::new();
        static STARTING: Mutex<()> = Mutex::new(());
        let _one_starts = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        match SHARED.get() {
            Some(broker) => Ok(broker),
            None => {
                let broker = Self::start()?;
                Ok(SHARED.get_or_init(|| broker))
            }
        }
    }

    /// `127.0.0.1:PORT`.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// The cluster's identity; new with every broker.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// Makes the topic `name` with `partitions` partitions, and waits until it is there.
    ///
    /// # Errors
    /// [`GroundError::Answer`] when the broker refuses, for instance because the topic exists.
    pub fn create_topic(&self, name: &str, partitions: i32) -> Result<(), GroundError> {
        // On a thread of its own: the caller may be inside a runtime already, where another can't be entered.
        thread::scope(|scope| scope.spawn(|| self.create_topic_here(name, partitions)).join())
            .unwrap_or_else(|_| Err(refused(name, "a panic in the admin client")))
    }

    fn create_topic_here(&self, name: &str, partitions: i32) -> Result<(), GroundError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(GroundError::io("start a runtime for the admin client"))?;
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", &self.bootstrap)
            .create()
            .map_err(|error| refused(name, error))?;
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let options = AdminOptions::new().operation_timeout(Some(TOPIC_WAIT_MAX));
        let results =
            runtime.block_on(admin.create_topics([&topic], &options)).map_err(|error| refused(name, error))?;
        for result in results {
            result.map_err(|(_, code)| refused(name, code))?;
        }
        Ok(())
    }

    fn start_once() -> Result<Self, GroundError> {
        let jars = existing(tools_dir()?.join("kafka.done")).and(existing(tools_dir()?.join("kafka")))?;
        let scratch = tempfile::tempdir().map_err(GroundError::io("make a folder for the broker"))?;
        let [port, controller_port] = free_ports()?;
        let cluster_id = new_cluster_id();
        let settings = scratch.path().join("server.properties");
        fs::write(&settings, properties(port, controller_port, scratch.path()))
            .map_err(GroundError::io(format!("write {}", settings.display())))?;
        format_storage(&jars, &settings, &cluster_id)?;
        let mut command = script("run_child.py")?;
        command.arg(scratch.path()).arg("java").args(java_arguments(&jars, "kafka.Kafka")).arg(&settings);
        let mut process = Managed::spawn("kafka", command)?;
        // From here on `run_child.py` removes it, also when this process is killed.
        let _removed_by_the_child = scratch.keep();
        wait_until_ready(&mut process)?;
        Ok(Self { bootstrap: format!("127.0.0.1:{port}"), cluster_id, _process: process })
    }
}

fn refused(topic: &str, why: impl ToString) -> GroundError {
    GroundError::Answer {
        request: format!("create topic {topic}"),
        expected: "a new topic".into(),
        found: why.to_string(),
    }
}

/// Sixteen random bytes as Kafka writes them. The first bit is 0: an id that began with `-` would be taken for an option.
fn new_cluster_id() -> String {
    let mut bytes = *uuid::Uuid::new_v4().as_bytes();
    bytes[0] &= 0x7f;
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Two different ports of loopback that are free now.
fn free_ports() -> Result<[u16; 2], GroundError> {
    let find = || -> std::io::Result<[u16; 2]> {
        // Both are held until both are known, so that they differ.
        let (first, second) = (TcpListener::bind(("127.0.0.1", 0))?, TcpListener::bind(("127.0.0.1", 0))?);
        Ok([first.local_addr()?.port(), second.local_addr()?.port()])
    };
    find().map_err(GroundError::io("find a free port"))
}

/// The broker's settings: <https://kafka.apache.org/documentation/#brokerconfigs>.
fn properties(port: u16, controller_port: u16, scratch: &Path) -> String {
    let settings = [
        ("process.roles", "broker,controller".to_owned()),
        ("node.id", "1".to_owned()),
        ("controller.quorum.voters", format!("1@127.0.0.1:{controller_port}")),
        ("listeners", format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}")),
        ("advertised.listeners", format!("PLAINTEXT://127.0.0.1:{port}")),
        ("controller.listener.names", "CONTROLLER".to_owned()),
        ("inter.broker.listener.name", "PLAINTEXT".to_owned()),
        ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned()),
        ("log.dirs", scratch.join("data").display().to_string()),
        // A topic that a test forgot to make must be an error, not a new topic.
        ("auto.create.topics.enable", "false".to_owned()),
        // One node holds every replica.
        ("offsets.topic.replication.factor", "1".to_owned()),
        ("offsets.topic.num.partitions", "4".to_owned()),
        ("transaction.state.log.replication.factor", "1".to_owned()),
        ("transaction.state.log.num.partitions", "4".to_owned()),
        ("transaction.state.log.min.isr", "1".to_owned()),
        ("share.coordinator.state.topic.replication.factor", "1".to_owned()),
        ("share.coordinator.state.topic.min.isr", "1".to_owned()),
        // A group's first member need not wait for others.
        ("group.initial.rebalance.delay.ms", "0".to_owned()),
        // Records with timestamps long ago are test data, not old data.
        ("log.retention.hours", "-1".to_owned()),
    ];
    settings.map(|(name, value)| format!("{name}={value}\n")).concat()
}

fn java_arguments(jars: &Path, main_class: &str) -> Vec<String> {
    let class_path = ["-cp".to_owned(), jars.join("*").display().to_string(), main_class.to_owned()];
    JAVA_OPTIONS.map(str::to_owned).into_iter().chain(class_path).collect()
}

/// Gives the empty data folder its cluster id, as KRaft asks before a first start.
fn format_storage(jars: &Path, settings: &PathBuf, cluster_id: &str) -> Result<(), GroundError> {
    let output = Command::new("java")
        .args(java_arguments(jars, "kafka.tools.StorageTool"))
        .args(["format", "-t", cluster_id, "-c"])
        .arg(settings)
        .stdin(Stdio::null())
        .output()
        .map_err(GroundError::io("start `java` (needed: Java 17 or newer)"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(GroundError::Process {
        program: "kafka.tools.StorageTool",
        what: output.status.to_string(),
        log: String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
    })
}

fn wait_until_ready(process: &mut Managed) -> Result<(), GroundError> {
    let until = Instant::now() + START_WAIT_MAX;
    while !process.log_tail().contains(READY) {
        if let Some(status) = process.ended()? {
            return Err(process.failed(format!("ended before it was ready ({status})")));
        }
        if Instant::now() > until {
            return Err(process.failed(format!("was not ready within {} s", START_WAIT_MAX.as_secs())));
        }
        thread::sleep(START_POLL);
    }
    Ok(())
}
