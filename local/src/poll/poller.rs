//! The poller's loop: what arrives goes to the backlog, what is due goes to the function.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tributary_kafka::EncodedRecord;

use super::batch::{Backlog, Batch, BatchLimits, Cut, PartitionKey};
use super::delivery::{Delivery, Landed, Outcome};
use super::error::PollError;
use super::options::PollOptions;
use super::position::Start;
use super::reader::{Arrival, TopicReader};
use super::signals::Stop;
use super::target::Target;
use super::{PollReport, StopReason};

/// Records read ahead of the backlog.
const ARRIVALS_MAX: usize = 1024;
/// Records of one partition that wait at most, while its batches are in flight or failing: it is
/// paused there, and resumed at half. In bytes the limit is that of one event.
const WAITING_RECORDS_MAX: usize = 20_000;

/// How a delivery ends.
type Flight = Result<Landed, PollError>;

/// A poller that is connected and reads.
pub(crate) struct Poller<'a> {
    options: &'a PollOptions,
    limits: BatchLimits,
    /// By topic.
    readers: BTreeMap<String, TopicReader>,
    /// Each gives why it ended; all end when dropped.
    reading: JoinSet<PollError>,
    arrivals: mpsc::Receiver<Arrival>,
    backlog: Backlog,
    busy: BTreeSet<PartitionKey>,
    paused: BTreeSet<PartitionKey>,
    at_end: BTreeSet<PartitionKey>,
    last_arrival: Instant,
    launched: u64,
    report: PollReport,
}

impl<'a> Poller<'a> {
    /// Connects to the broker and starts to read.
    pub(crate) async fn open(options: &'a PollOptions) -> Result<Self, PollError> {
        let (sender, arrivals) = mpsc::channel(ARRIVALS_MAX);
        let mut readers = BTreeMap::new();
        let mut reading = JoinSet::new();
        for topic in &options.topics {
            if readers.contains_key(topic) {
                continue;
            }
            let reader = TopicReader::open(topic, options).await?;
            reading.spawn(reader.read_into(sender.clone()));
            readers.insert(topic.clone(), reader);
        }
        Ok(Self {
            options,
            limits: options.limits(),
            readers,
            reading,
            arrivals,
            backlog: Backlog::new(options.empty_event()),
            busy: BTreeSet::new(),
            paused: BTreeSet::new(),
            at_end: BTreeSet::new(),
            last_arrival: Instant::now(),
            launched: 0,
            report: PollReport {
                batches: 0,
                records: 0,
                retries: 0,
                next_offsets: BTreeMap::new(),
                last_answer: None,
                stopped: StopReason::Signal,
            },
        })
    }

    /// Runs until it is time to stop; then, and after an error, the batches in flight are still
    /// brought to their end, but no longer retried.
    pub(crate) async fn run(mut self, target: &impl Target, stop: Stop) -> Result<PollReport, PollError> {
        let committers: BTreeMap<_, _> =
            self.readers.iter().map(|(topic, reader)| (topic.clone(), reader.committer())).collect();
        let retry_attempts = self.options.retry_attempts;
        let launch = |batch: Batch| {
            let committers = committers.clone();
            Delivery { target, retry_attempts, stop: stop.requested(), committers }.deliver(batch)
        };
        let mut flights = FuturesUnordered::new();
        let outcome = self.drive(&mut flights, launch, stop.requested()).await;
        if outcome.is_err() {
            stop.request();
        }
        let drained = self.drain(&mut flights).await;
        self.report.stopped = outcome.and_then(|reason| drained.map(|()| reason))?;
        Ok(self.report)
    }

    /// The loop. It ends by a signal, by idleness, by the number of batches, or by an error.
    async fn drive<F: Future<Output = Flight>>(
        &mut self,
        flights: &mut FuturesUnordered<F>,
        launch: impl Fn(Batch) -> F,
        mut stop: watch::Receiver<bool>,
    ) -> Result<StopReason, PollError> {
        let refresh = Duration::from_secs(self.options.metadata_refresh_s);
        let mut refresh = interval_at(Instant::now() + refresh, refresh);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut arrived = Vec::with_capacity(ARRIVALS_MAX);
        while !*stop.borrow() {
            let due = self.launch_due(flights, &launch)?;
            if let Some(reason) = self.finished(flights.is_empty()) {
                return Ok(reason);
            }
            let wake = [due, self.idle_at()].into_iter().flatten().min();
            tokio::select! {
                // First what frees partitions and what ends the run.
                biased;
                Some(landed) = flights.next() => self.land(landed?),
                () = asked_to_stop(&mut stop) => {}
                Some(ended) = self.reading.join_next() => return Err(reading_ended(ended)),
                _ = refresh.tick() => self.look_for_partitions().await,
                _ = self.arrivals.recv_many(&mut arrived, ARRIVALS_MAX) => {
                    self.accept(&mut arrived)?;
                }
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            }
        }
        Ok(StopReason::Signal)
    }

    /// Launches what is due while there is room; says when the next batch will be, if that is
    /// known.
    fn launch_due<F>(
        &mut self,
        flights: &mut FuturesUnordered<F>,
        launch: &impl Fn(Batch) -> F,
    ) -> Result<Option<Instant>, PollError> {
        while flights.len() < usize::from(self.options.concurrency) && !self.launched_all() {
            match self.backlog.cut(&self.limits, &self.busy, Instant::now()) {
                Cut::Batch(batch) => {
                    self.busy.extend(batch.next_offsets.keys().cloned());
                    self.launched += 1;
                    flights.push(launch(batch));
                    self.resume_drained()?;
                }
                Cut::Wait { until } => return Ok(until),
                Cut::Oversize { record, event_bytes } => {
                    return Err(self.too_large(&record, event_bytes));
                }
            }
        }
        Ok(None)
    }

    fn launched_all(&self) -> bool {
        self.options.max_batches.is_some_and(|batches_max| self.launched >= batches_max)
    }

    fn finished(&self, none_in_flight: bool) -> Option<StopReason> {
        if !none_in_flight {
            return None;
        }
        if self.launched_all() {
            return Some(StopReason::MaxBatches);
        }
        let idle = self.idle_at().is_some_and(|idle_at| idle_at <= Instant::now());
        idle.then_some(StopReason::Idle)
    }

    /// When the topics will count as idle if nothing comes until then. None while there is
    /// something left to read or to deliver, or if idleness is no reason to stop.
    fn idle_at(&self) -> Option<Instant> {
        let idle = Duration::from_millis(self.options.until_idle_ms?);
        let mut assigned = self
            .readers
            .iter()
            .flat_map(|(topic, reader)| reader.assigned().map(|partition| (topic.clone(), partition)));
        let all_read = assigned.all(|key| self.at_end.contains(&key));
        let quiet = all_read && self.backlog.is_empty() && self.busy.is_empty();
        quiet.then(|| self.last_arrival + idle)
    }

    fn accept(&mut self, arrived: &mut Vec<Arrival>) -> Result<(), PollError> {
        let now = Instant::now();
        for arrival in arrived.drain(..) {
            match arrival {
                Arrival::Record(record) => {
                    let key = (record.topic().to_owned(), record.partition());
                    self.at_end.remove(&key);
                    self.last_arrival = now;
                    self.backlog.push(record, now);
                    self.pause_if_full(key)?;
                }
                Arrival::End { topic, partition } => {
                    self.at_end.insert((topic, partition));
                }
            }
        }
        Ok(())
    }

    fn pause_if_full(&mut self, key: PartitionKey) -> Result<(), PollError> {
        let (bytes, records) = self.backlog.waiting(&key);
        let full = bytes >= self.limits.event_bytes_max || records >= WAITING_RECORDS_MAX;
        let reader = self.readers.get(&key.0).filter(|_| full && !self.paused.contains(&key));
        if let Some(reader) = reader {
            reader.pause(key.1)?;
            self.paused.insert(key);
        }
        Ok(())
    }

    fn resume_drained(&mut self) -> Result<(), PollError> {
        let drained: Vec<PartitionKey> = self
            .paused
            .iter()
            .filter(|key| {
                let (bytes, records) = self.backlog.waiting(key);
                bytes <= self.limits.event_bytes_max / 2 && records <= WAITING_RECORDS_MAX / 2
            })
            .cloned()
            .collect();
        for key in drained {
            if let Some(reader) = self.readers.get(&key.0) {
                reader.resume(key.1)?;
            }
            self.paused.remove(&key);
        }
        Ok(())
    }

    fn land(&mut self, landed: Landed) {
        for key in landed.next_offsets.keys() {
            self.busy.remove(key);
        }
        self.report.retries += landed.retries;
        if let Outcome::Delivered { answer } = landed.outcome {
            self.report.batches += 1;
            self.report.records += landed.records as u64;
            self.report.next_offsets.extend(landed.next_offsets);
            self.report.last_answer = Some(answer);
        }
    }

    /// Brings the batches in flight to their end; the first error is the one reported.
    async fn drain<F: Future<Output = Flight>>(&mut self, flights: &mut FuturesUnordered<F>) -> Result<(), PollError> {
        let mut first_error = Ok(());
        while let Some(flight) = flights.next().await {
            match flight {
                Ok(landed) => self.land(landed),
                Err(error) => first_error = first_error.and(Err(error)),
            }
        }
        first_error
    }

    /// Partitions added while the poller runs are read from their first record, whatever the
    /// starting position: all of their records are newer than the start.
    async fn look_for_partitions(&mut self) {
        for (topic, reader) in &mut self.readers {
            if let Err(error) = reader.assign_new(Start::TrimHorizon).await {
                tracing::warn!("topic `{topic}`: no look for new partitions this time: {error}");
            }
        }
    }

    fn too_large(&self, record: &EncodedRecord, event_bytes: usize) -> PollError {
        PollError::RecordTooLarge {
            topic: record.topic().to_owned(),
            partition: record.partition(),
            offset: record.offset(),
            next_offset: record.offset().saturating_add(1),
            group: self.options.group.clone(),
            event_bytes,
            event_bytes_max: self.limits.event_bytes_max,
        }
    }
}

/// The guard that `wait_for` gives must not live in the loop's future, which would not be `Send`.
async fn asked_to_stop(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

/// A topic's reading never ends by itself.
fn reading_ended(ended: Result<PollError, JoinError>) -> PollError {
    ended.unwrap_or(PollError::Interrupted { task: "reads a topic" })
}
