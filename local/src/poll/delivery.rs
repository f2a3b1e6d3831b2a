//! One batch on its way: invoke, again and again if need be, then commit.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::batch::{Batch, PartitionKey};
use super::error::PollError;
use super::reader::Committer;
use super::target::{InvokeError, Target};

/// The wait after the first failure; it doubles from there.
const BACKOFF_MIN: Duration = Duration::from_millis(200);
/// A function that is being rebuilt is back within seconds; waiting longer only makes it late.
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// How a batch ended that did not fail the poller.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The function took it, and its offsets are committed.
    Delivered {
        /// The function's answer.
        answer: String,
    },
    /// The poller was asked to stop before the function took it. It will be delivered again.
    Abandoned,
}

/// A batch that is over.
#[derive(Debug)]
pub(crate) struct Landed {
    pub(crate) outcome: Outcome,
    pub(crate) next_offsets: BTreeMap<PartitionKey, i64>,
    pub(crate) records: usize,
    /// Invocations after the first.
    pub(crate) retries: u64,
}

/// What every delivery of a run shares.
#[derive(Debug)]
pub(crate) struct Delivery<'a, T> {
    pub(crate) target: &'a T,
    pub(crate) retry_attempts: Option<u64>,
    pub(crate) stop: watch::Receiver<bool>,
    /// By topic.
    pub(crate) committers: BTreeMap<String, Committer>,
}

impl<T: Target> Delivery<'_, T> {
    /// Delivers a batch. A failed one is sent again unchanged, for ever unless bounded: it ends by
    /// success, by the bound, or by the request to stop.
    pub(crate) async fn deliver(mut self, batch: Batch) -> Result<Landed, PollError> {
        let Batch { event, records, next_offsets } = batch;
        let mut retries = 0;
        let outcome = loop {
            let started = Instant::now();
            match self.target.invoke(event.clone()).await {
                Ok(answer) => {
                    let ms = started.elapsed().as_millis();
                    let event_bytes = event.len();
                    tracing::info!(records, event_bytes, ms, "delivered {}", places(&next_offsets));
                    self.commit(&next_offsets).await?;
                    break Outcome::Delivered { answer };
                }
                Err(error) => {
                    let error = self.allow_retry(error, retries, &next_offsets)?;
                    let wait = backoff(retries);
                    tracing::warn!(records, "{error}; the same batch again in {wait:?}");
                    if self.stopped_within(wait).await {
                        break Outcome::Abandoned;
                    }
                    retries += 1;
                }
            }
        };
        Ok(Landed { outcome, next_offsets, records, retries })
    }

    fn allow_retry(
        &self,
        source: InvokeError,
        retries: u64,
        next_offsets: &BTreeMap<PartitionKey, i64>,
    ) -> Result<InvokeError, PollError> {
        match self.retry_attempts {
            Some(retries_max) if retries >= retries_max => {
                Err(PollError::RetriesExhausted { attempts: retries + 1, batch: places(next_offsets), source })
            }
            _ => Ok(source),
        }
    }

    /// Waits, and says whether the poller was asked to stop meanwhile.
    async fn stopped_within(&mut self, wait: Duration) -> bool {
        // The listening fails only if the poller is gone, which is a stop as well.
        timeout(wait, self.stop.wait_for(|stop| *stop)).await.is_ok()
    }

    async fn commit(&self, next_offsets: &BTreeMap<PartitionKey, i64>) -> Result<(), PollError> {
        let topics: BTreeSet<&str> = next_offsets.keys().map(|(topic, _)| topic.as_str()).collect();
        for topic in topics {
            let Some(committer) = self.committers.get(topic) else {
                continue;
            };
            let of_topic = next_offsets.iter().filter(|((name, _), _)| name == topic);
            committer.commit(of_topic.map(|((_, partition), next)| (*partition, *next))).await?;
        }
        Ok(())
    }
}

/// 200 ms, 400 ms, ... up to 10 s.
fn backoff(retries: u64) -> Duration {
    let doublings = u32::try_from(retries).unwrap_or(u32::MAX);
    BACKOFF_MIN.saturating_mul(2_u32.saturating_pow(doublings)).min(BACKOFF_MAX)
}

/// Where a batch ends, for messages: `orders-0 up to 41, orders-3 up to 7`.
fn places(next_offsets: &BTreeMap<PartitionKey, i64>) -> String {
    let place = |((topic, partition), next_offset): (&PartitionKey, &i64)| {
        format!("{topic}-{partition} up to {}", next_offset - 1)
    };
    next_offsets.iter().map(place).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A function that fails so many times and then works, and remembers what it was sent.
    struct Failing {
        failures: usize,
        events: Mutex<Vec<String>>,
    }

    impl Target for Failing {
        async fn invoke(&self, event: String) -> Result<String, InvokeError> {
            let mut events = self.events.lock().unwrap();
            events.push(event);
            match events.len() > self.failures {
                true => Ok("{\"rows\":1}".to_owned()),
                false => Err(InvokeError::new("the table is locked")),
            }
        }
    }

    fn failing(failures: usize) -> Failing {
        Failing { failures, events: Mutex::default() }
    }

    fn batch() -> Batch {
        let next_offsets = BTreeMap::from([(("orders".to_owned(), 3), 42)]);
        Batch { event: "{}".to_owned(), records: 2, next_offsets }
    }

    fn delivery(target: &Failing, retry_attempts: Option<u64>, stop: watch::Receiver<bool>) -> Delivery<'_, Failing> {
        // Committing needs a broker: the tests that cross crates do it.
        Delivery { target, retry_attempts, stop, committers: BTreeMap::new() }
    }

    #[tokio::test]
    async fn a_failed_batch_is_sent_again_unchanged_until_it_succeeds() {
        tokio::time::pause();
        let (_stopper, stop) = watch::channel(false);
        let target = failing(30);
        let landed = delivery(&target, None, stop).deliver(batch()).await.unwrap();
        assert!(matches!(landed.outcome, Outcome::Delivered { answer } if answer.contains("rows")));
        assert_eq!((landed.records, landed.retries), (2, 30));
        assert_eq!(*target.events.lock().unwrap(), vec!["{}"; 31]);
    }

    #[tokio::test]
    async fn bounded_retries_end_with_the_last_failure() {
        tokio::time::pause();
        let (_stopper, stop) = watch::channel(false);
        let target = failing(9);
        let error = delivery(&target, Some(2), stop).deliver(batch()).await.unwrap_err();
        assert_eq!(target.events.lock().unwrap().len(), 3);
        assert_eq!(
            error.to_string(),
            "mend the function or allow more `--retry-attempts`: it failed 3 time(s) on the same \
             batch (orders-3 up to 41)"
        );
    }

    #[tokio::test]
    async fn a_request_to_stop_ends_the_retries_after_the_attempt_in_flight() {
        let (stopper, stop) = watch::channel(false);
        let target = failing(usize::MAX);
        stopper.send(true).unwrap();
        let landed = delivery(&target, None, stop).deliver(batch()).await.unwrap();
        assert!(matches!(landed.outcome, Outcome::Abandoned));
        assert_eq!(target.events.lock().unwrap().len(), 1);
    }

    #[test]
    fn the_backoff_doubles_and_is_bounded() {
        let waits: Vec<_> = (0..8).map(|retries| backoff(retries).as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(backoff(u64::MAX), BACKOFF_MAX);
    }
}
