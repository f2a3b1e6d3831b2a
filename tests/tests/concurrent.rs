//! Every function on one table at the same time, at the S3 and Glue endpoint, for two minutes, with calls that fail.
//!
//! Several ingest instances take batches, some of them delivered again or to two instances at once, while compaction, snapshot expiry
//! (of whatever is a few seconds old, so that files go while others work), orphan removal (looking only) and retention run over and
//! over by their own handlers. Each invocation succeeds or asks for another one. Then the table is compared with what was delivered.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use lambda_runtime::LambdaEvent;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tributary_compaction::Compaction;
use tributary_function::{Context, EventJson, JobErrorKind, ScheduledJob, invoke};
use tributary_maintenance::expiry::ExpiryReport;
use tributary_maintenance::orphans::OrphansReport;
use tributary_retention::Retention;
use tributary_runtime::now_ms;
use tributary_snapshot_expiry::{Report as RemovalReport, SnapshotExpiry};
use tributary_table::parse_table_name;
use tributary_testkit::aws::{Fault, FaultMode};
use tributary_testkit::{count_ids, read_both};
use tributary_tests::{BUCKET, Batch, GlueLake, Reachability, TABLE, events_schema, id, ids, partitioned};

/// How long they run together.
const TOGETHER: Duration = Duration::from_secs(120);
/// An invocation's limit.
const INVOCATION: Duration = Duration::from_secs(60);
/// Kafka partitions, each with a function instance of its own.
const PARTITIONS: i32 = 3;
/// Of these rows, the first is past its time when it arrives.
const ROWS_A_BATCH: i64 = 5;
/// Bounds the table however fast the machine is.
const BATCHES_MAX: i64 = 150;
/// Least pause after a batch and after a job's run: as long as it took, so that no machine is too slow for somebody to get through.
const BATCH_PAUSE: Duration = Duration::from_millis(700);
const JOB_PAUSE: Duration = Duration::from_millis(1500);
const FAULT_PAUSE: Duration = Duration::from_millis(1500);
/// How often Lambda is to deliver one batch.
const DELIVERIES_MAX: usize = 20;
/// Every so manieth run of a job is two at once: a schedule may start an invocation twice.
const DOUBLED_EVERY: u64 = 4;
/// Later than any file is young, for orphan removal.
const NINE_DAYS_MS: i64 = 9 * 24 * 60 * 60 * 1000;
const SEED: u64 = 4;
/// One more way in which files go while others work; and shorter waits than the default, of 5 s, for shorter runs.
const PROPERTIES: [(&str, &str); 2] =
    [("write.metadata.delete-after-commit.enabled", "true"), ("commit.retry.max-wait-ms", "1000")];

/// What goes wrong, one after another: the operation, how, and for how many calls (an SDK tries three times by itself).
const FAULTS: &[(&str, FaultMode, u32)] = &[
    ("UpdateTable", FaultMode::LostReply, 1),
    ("PutObject", FaultMode::Throttle, 2),
    ("UpdateTable", FaultMode::Throttle, 2),
    ("GetObject", FaultMode::Unavailable, 4),
    ("UpdateTable", FaultMode::DroppedReply, 1),
    ("DeleteObjects", FaultMode::Throttle, 3),
    ("GetTable", FaultMode::Throttle, 4),
    ("UpdateTable", FaultMode::Conflict, 2),
    ("PutObject", FaultMode::Unavailable, 6),
    ("UpdateTable", FaultMode::Unavailable, 2),
    ("GetObject", FaultMode::Throttle, 6),
    ("ListObjectsV2", FaultMode::Throttle, 2),
];

/// Compacts what two batches bring.
fn compaction() -> Value {
    json!({"min-input-files": 3})
}

fn expiry() -> Value {
    json!({"older-than": "3s", "min-snapshots-to-expire": 1})
}

fn orphans(dry_run: bool) -> Value {
    json!({"mode": "orphans", "dry-run": dry_run})
}

fn retention() -> Value {
    json!({"column": "event_time", "retain": "30d"})
}

/// The row at a place: past its time, in a day of its partition's own, or not.
fn row(partition: i32, offset: i64) -> Value {
    let time = match is_old(offset) {
        true => format!("2025-10-{:02}T09:00:00Z", 1 + partition),
        false => "2025-11-21T10:00:00Z".to_owned(),
    };
    json!({"id": id(partition, offset), "event_time": time, "kind": "order"})
}

fn is_old(offset: i64) -> bool {
    offset % ROWS_A_BATCH == 0
}

fn batch(partition: i32, offsets: Range<i64>) -> String {
    offsets.fold(Batch::new(), |batch, offset| batch.json(partition, offset, &row(partition, offset))).event()
}

/// The table, and until when all work on it.
struct Ground {
    lake: GlueLake,
    until: Instant,
}

/// The invocations of one function.
struct Runs<R> {
    done: Vec<R>,
    /// Why the others are to be tried again.
    retries: Vec<String>,
}

impl<R> Runs<R> {
    fn new() -> Self {
        Self { done: Vec::new(), retries: Vec::new() }
    }

    fn add(&mut self, run: Result<R, String>) {
        match run {
            Ok(report) => self.done.push(report),
            Err(reason) => self.retries.push(reason),
        }
    }

    fn sum(&self, count: impl Fn(&R) -> u64) -> u64 {
        self.done.iter().map(count).sum()
    }
}

impl Ground {
    async fn new() -> Self {
        let lake = GlueLake::new().await;
        let mut definition = partitioned(events_schema(), &[(2, "event_day", "day")]);
        definition.properties = PROPERTIES.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        lake.create(TABLE, definition).await;
        Self { lake, until: Instant::now() + TOGETHER }
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// A cold function.
    fn job<J: ScheduledJob + Default>(&self) -> Context<J> {
        Context::new(J::default(), self.lake.connection(), Some(parse_table_name(TABLE).unwrap()))
    }

    fn stored(&self) -> BTreeSet<String> {
        let objects = self.lake.server().objects(BUCKET, "").unwrap();
        objects.into_iter().map(|object| format!("s3://{BUCKET}/{}", object.key)).collect()
    }

    async fn reachable(&self) -> Reachability {
        let state = self.lake.table(TABLE).refresh().await.unwrap();
        Reachability::of(state.metadata_location(), Some(self.lake.server().endpoint()))
    }
}

/// Delivers a batch as often as it is asked for.
async fn deliver(event: &str, context: &tributary_ingest::Context, runs: &mut Runs<tributary_ingest::Report>) {
    for _ in 0..DELIVERIES_MAX {
        let payload: EventJson = serde_json::from_str(event).unwrap();
        let mut invocation = lambda_runtime::Context::default();
        invocation.deadline = u64::try_from(now_ms()).unwrap() + INVOCATION.as_millis() as u64;
        match tributary_ingest::handle(LambdaEvent::new(payload, invocation), context).await {
            Ok(report) => return runs.add(Ok(report)),
            Err(failed) => {
                assert_eq!(failed.error_type, "Retry", "ingest: {}", failed.error_message);
                runs.add(Err(failed.error_message));
            }
        }
    }
    panic!("a batch could not be delivered: {:?}", runs.retries);
}

/// What Lambda's event source mapping does with one Kafka partition. Returns its next offset.
async fn stream(ground: Arc<Ground>, partition: i32, mut dice: Rng) -> (i64, Runs<tributary_ingest::Report>) {
    let (mut context, mut runs, mut next) = (ground.lake.context(TABLE), Runs::new(), 0);
    while !ground.is_over() && next < BATCHES_MAX * ROWS_A_BATCH {
        let begun = Instant::now();
        if dice.u8(..8) == 0 {
            context = ground.lake.context(TABLE);
        }
        // Some begin with records of the batch before.
        let first = if dice.u8(..4) == 0 { i64::max(next - ROWS_A_BATCH, 0) } else { next };
        next += ROWS_A_BATCH;
        let event = batch(partition, first..next);
        if dice.u8(..4) == 0 {
            let (other, mut others) = (ground.lake.context(TABLE), Runs::new());
            tokio::join!(deliver(&event, &context, &mut runs), deliver(&event, &other, &mut others));
            runs.done.extend(others.done);
            runs.retries.extend(others.retries);
        } else {
            deliver(&event, &context, &mut runs).await;
        }
        sleep(begun.elapsed().max(BATCH_PAUSE)).await;
    }
    (next, runs)
}

/// One invocation of a scheduled function, so much later than now; an error that asks for another one is no failure.
async fn run<J: ScheduledJob>(context: &Context<J>, event: &Value, later_ms: i64) -> Result<J::Report, String> {
    let deadline = Instant::now() + INVOCATION;
    invoke(&event.to_string(), deadline, now_ms() + later_ms, context).await.map_err(|error| {
        assert_eq!(error.kind(), JobErrorKind::Retry, "{}: {error}", J::NAME);
        error.to_string()
    })
}

/// What a schedule does: one invocation after another, by a warm function.
async fn scheduled<J: ScheduledJob + Default>(ground: Arc<Ground>, event: Value, later_ms: i64) -> Runs<J::Report> {
    let (warm, mut runs) = (ground.job::<J>(), Runs::new());
    for round in 1.. {
        if ground.is_over() {
            break;
        }
        let begun = Instant::now();
        if round % DOUBLED_EVERY == 0 {
            let cold = ground.job::<J>();
            let (one, other) = tokio::join!(run(&warm, &event, later_ms), run(&cold, &event, later_ms));
            runs.add(one);
            runs.add(other);
        } else {
            runs.add(run(&warm, &event, later_ms).await);
        }
        sleep(begun.elapsed().max(JOB_PAUSE)).await;
    }
    runs
}

/// Arms one fault after another. Returns how many.
async fn trouble(ground: Arc<Ground>) -> usize {
    let mut armed = 0;
    for (operation, mode, calls) in FAULTS.iter().cycle() {
        sleep(FAULT_PAUSE).await;
        if ground.is_over() {
            break;
        }
        ground.lake.server().inject(&Fault::once(operation, *mode).times(*calls)).unwrap();
        armed += 1;
    }
    armed
}

/// What the invocations came to.
struct Together {
    /// By Kafka partition.
    next_offsets: Vec<i64>,
    ingest: Runs<tributary_ingest::Report>,
    compaction: Runs<<Compaction as ScheduledJob>::Report>,
    expiry: Runs<RemovalReport>,
    orphans: Runs<RemovalReport>,
    retention: Runs<tributary_retention::Report>,
    faults_met: usize,
}

async fn all_together(ground: &Arc<Ground>) -> Together {
    let mut dice = Rng::with_seed(SEED);
    let streams: Vec<JoinHandle<_>> =
        (0..PARTITIONS).map(|partition| tokio::spawn(stream(Arc::clone(ground), partition, dice.fork()))).collect();
    let compaction = tokio::spawn(scheduled::<Compaction>(Arc::clone(ground), compaction(), 0));
    let expiry = tokio::spawn(scheduled::<SnapshotExpiry>(Arc::clone(ground), expiry(), 0));
    let orphans = tokio::spawn(scheduled::<SnapshotExpiry>(Arc::clone(ground), orphans(true), NINE_DAYS_MS));
    let retention = tokio::spawn(scheduled::<Retention>(Arc::clone(ground), retention(), 0));
    let trouble = tokio::spawn(trouble(Arc::clone(ground)));
    let (mut next_offsets, mut ingest) = (Vec::new(), Runs::new());
    for stream in streams {
        let (next, runs) = stream.await.unwrap();
        next_offsets.push(next);
        ingest.done.extend(runs.done);
        ingest.retries.extend(runs.retries);
    }
    let together = Together {
        next_offsets,
        ingest,
        compaction: compaction.await.unwrap(),
        expiry: expiry.await.unwrap(),
        orphans: orphans.await.unwrap(),
        retention: retention.await.unwrap(),
        faults_met: trouble.await.unwrap() - ground.lake.server().faults_left().unwrap(),
    };
    ground.lake.server().clear_faults().unwrap();
    together
}

fn expired(report: &RemovalReport) -> &ExpiryReport {
    match report {
        RemovalReport::Expire(report) => report,
        RemovalReport::Orphans(report) => panic!("{report:?}"),
    }
}

fn searched(report: &RemovalReport) -> &OrphansReport {
    match report {
        RemovalReport::Orphans(report) => report,
        RemovalReport::Expire(report) => panic!("{report:?}"),
    }
}

impl Together {
    fn delivered(&self, is_wanted: impl Fn(i64) -> bool) -> Vec<i64> {
        let ids_of = |(partition, next): (i32, &i64)| {
            (0..*next).filter(|offset| is_wanted(*offset)).map(|offset| id(partition, offset)).collect::<Vec<_>>()
        };
        (0..PARTITIONS).zip(&self.next_offsets).flat_map(ids_of).collect()
    }

    fn rows_expired(&self) -> u64 {
        self.retention.sum(|report| report.0.rows_expired)
    }

    /// Counts of the work, by name.
    fn work(&self) -> BTreeMap<&'static str, u64> {
        let expiry = |count: fn(&ExpiryReport) -> u64| self.expiry.sum(|report| count(expired(report)));
        BTreeMap::from([
            ("commits of ingest", self.ingest.sum(|report| u64::from(report.snapshot_id.is_some()))),
            ("rows redelivered", self.ingest.sum(|report| report.rows_redelivered)),
            ("commits of compaction", self.compaction.sum(|report| report.commits)),
            ("files rewritten", self.compaction.sum(|report| report.files_rewritten)),
            ("snapshots expired", expiry(|report| report.snapshots_expired)),
            ("files deleted", expiry(|report| report.files_deleted)),
            ("data files deleted", expiry(|report| report.data_files)),
            ("rows expired", self.rows_expired()),
            ("files listed", self.orphans.sum(|report| searched(report).files_listed)),
            ("faults met", self.faults_met as u64),
        ])
    }

    /// Attempts of commits that another writer's commit, or a fault, made fail.
    fn attempts_lost(&self) -> u64 {
        let commits = self.ingest.sum(|report| u64::from(report.snapshot_id.is_some()));
        self.ingest.sum(|report| u64::from(report.commit_attempts)).saturating_sub(commits)
    }

    #[expect(clippy::print_stderr, reason = "for whoever runs the test with `--nocapture`")]
    fn show(&self) {
        eprintln!("{:#?}\nattempts lost: {}", self.work(), self.attempts_lost());
        for (name, done, retries) in [
            ("ingest", self.ingest.done.len(), &self.ingest.retries),
            ("compaction", self.compaction.done.len(), &self.compaction.retries),
            ("snapshot-expiry", self.expiry.done.len(), &self.expiry.retries),
            ("orphans", self.orphans.done.len(), &self.orphans.retries),
            ("retention", self.retention.done.len(), &self.retention.retries),
        ] {
            eprintln!("{name}: {done} done, {} to be tried again: {retries:#?}", retries.len());
        }
    }
}

/// One more run of each with nothing else under way. Returns the rows that retention removed.
async fn quiet_run(ground: &Ground) -> u64 {
    let retained = run(&ground.job::<Retention>(), &retention(), 0).await.unwrap();
    run(&ground.job::<Compaction>(), &compaction(), 0).await.unwrap();
    sleep(Duration::from_millis(10)).await;
    let everything = json!({"older-than": "1ms", "min-snapshots-to-expire": 1});
    run(&ground.job::<SnapshotExpiry>(), &everything, 0).await.unwrap();
    let found = run(&ground.job::<SnapshotExpiry>(), &orphans(true), NINE_DAYS_MS).await.unwrap();
    let gone = run(&ground.job::<SnapshotExpiry>(), &orphans(false), NINE_DAYS_MS).await.unwrap();
    assert_eq!(searched(&gone).files_deleted, searched(&found).orphans_found);
    retained.0.rows_expired
}

/// Both engines find these ids, each once.
fn holds(ground: &Ground, expected: &[i64]) {
    let at = ground.lake.at(TABLE);
    assert_eq!(ids(&read_both(&at).unwrap().rows), expected);
    let count = count_ids(&at, "id").unwrap();
    assert_eq!((count.rows, count.distinct), (expected.len() as u64, expected.len() as u64));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_functions_on_one_table_for_two_minutes_lose_nothing_and_double_nothing() {
    let ground = Arc::new(Ground::new().await);
    let together = all_together(&ground).await;
    together.show();
    for (work, count) in together.work() {
        assert!(count > 0, "{work}: none");
    }
    assert!(together.attempts_lost() > 0, "writers that never met have shown nothing");
    let rows_expired = together.rows_expired() + quiet_run(&ground).await;

    let (old, new) = (together.delivered(is_old), together.delivered(|offset| !is_old(offset)));
    holds(&ground, &new);
    // Fewer where the answer to a removal got lost and its snapshot had expired when it was looked for; none twice.
    assert!(rows_expired <= old.len() as u64, "{rows_expired} of {}", old.len());
    let reachable = ground.reachable().await;
    assert_eq!(reachable.missing, Vec::<String>::new());
    assert_eq!(ground.stored(), reachable.all());

    let cold = ground.lake.context(TABLE);
    let mut again = Runs::new();
    for (partition, next) in (0..PARTITIONS).zip(&together.next_offsets) {
        deliver(&batch(partition, 0..*next), &cold, &mut again).await;
    }
    assert_eq!(again.sum(|report| report.rows_committed), 0);
    assert_eq!(again.sum(|report| report.rows_redelivered), (old.len() + new.len()) as u64);
    holds(&ground, &new);
}
