//! Cutting batches: which of the records that arrived go into the next event. Pure: the time is
//! an argument, and nothing here knows of Kafka or Lambda.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::time::Duration;

use tokio::time::Instant;
use tributary_kafka::{EncodedRecord, EventBuilder};

/// A topic's name and a partition's number.
pub(crate) type PartitionKey = (String, i32);

/// What a batch may hold, and how long it may wait to fill.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchLimits {
    /// Records in one event, 1 or more.
    pub(crate) records_max: usize,
    /// Length of the event's JSON.
    pub(crate) event_bytes_max: usize,
    /// From the arrival of the oldest record; zero sends whatever is there.
    pub(crate) window: Duration,
}

/// One event's worth of records.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The event as JSON.
    pub(crate) event: String,
    /// Records in it, 1 or more.
    pub(crate) records: usize,
    /// For each partition in it, the offset after its last record: what to commit.
    pub(crate) next_offsets: BTreeMap<PartitionKey, i64>,
}

/// What [`Backlog::cut`] found.
#[derive(Debug)]
pub(crate) enum Cut {
    /// A batch that is full or has waited long enough.
    Batch(Batch),
    /// Nothing is due; at `until` something will be, unless more records come before. None if
    /// nothing waits.
    Wait { until: Option<Instant> },
    /// The next record of its partition fits into no event.
    Oversize { record: EncodedRecord, event_bytes: usize },
}

/// The records that arrived and are in no batch yet, by partition, in offset order.
#[derive(Debug)]
pub(crate) struct Backlog {
    queues: BTreeMap<PartitionKey, Queue>,
    /// An event without records, which every batch starts from.
    empty_event: EventBuilder,
    /// Where the next batch starts to fill, so that a busy partition can't starve the others.
    turn: Option<PartitionKey>,
}

#[derive(Debug, Default)]
struct Queue {
    records: VecDeque<(Instant, EncodedRecord)>,
    len_bytes: usize,
}

impl Backlog {
    pub(crate) fn new(empty_event: EventBuilder) -> Self {
        Self { queues: BTreeMap::new(), empty_event, turn: None }
    }

    /// Adds a record, which must follow those of its partition pushed before.
    pub(crate) fn push(&mut self, record: EncodedRecord, arrived: Instant) {
        let key = (record.topic().to_owned(), record.partition());
        let queue = self.queues.entry(key).or_default();
        queue.len_bytes += record.len_bytes();
        queue.records.push_back((arrived, record));
    }

    /// Whether no record waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// Bytes and records that wait in a partition.
    pub(crate) fn waiting(&self, key: &PartitionKey) -> (usize, usize) {
        self.queues.get(key).map_or((0, 0), |queue| (queue.len_bytes, queue.records.len()))
    }

    /// Takes the next batch, if one is due at `now`, from the partitions that are not `busy`
    /// (those have a batch in flight, and their order would be lost).
    pub(crate) fn cut(&mut self, limits: &BatchLimits, busy: &BTreeSet<PartitionKey>, now: Instant) -> Cut {
        let free = || self.queues.iter().filter(|(key, _)| !busy.contains(*key));
        let arrivals = free().filter_map(|(_, queue)| queue.records.front());
        let Some(oldest) = arrivals.map(|(arrived, _)| *arrived).min() else {
            return Cut::Wait { until: None };
        };
        let records: usize = free().map(|(_, queue)| queue.records.len()).sum();
        let bytes = self.empty_event.len_bytes() + free().map(event_bytes_bound).sum::<usize>();
        let full = records >= limits.records_max || bytes > limits.event_bytes_max;
        match oldest.checked_add(limits.window) {
            Some(due) if !full && due > now => Cut::Wait { until: Some(due) },
            _ => self.take(limits, busy),
        }
    }

    fn take(&mut self, limits: &BatchLimits, busy: &BTreeSet<PartitionKey>) -> Cut {
        let mut filling = Filling::new(self.empty_event.clone(), limits);
        for key in self.keys_from_turn(busy) {
            let Some(queue) = self.queues.get_mut(&key) else {
                continue;
            };
            let taken = filling.fill_from(queue);
            if queue.records.is_empty() {
                self.queues.remove(&key);
                continue;
            }
            // Full. A partition that got nothing is first next time; one that got some waits.
            self.turn = if taken == 0 { self.before(&key) } else { Some(key) };
            break;
        }
        filling.finish()
    }

    /// The free partitions, starting after the one whose turn it was.
    fn keys_from_turn(&self, busy: &BTreeSet<PartitionKey>) -> Vec<PartitionKey> {
        let after = self.turn.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let later = self.queues.range((after, Bound::Unbounded));
        let earlier = self.turn.iter().flat_map(|turn| self.queues.range((Bound::Unbounded, Bound::Included(turn))));
        let keys = later.chain(earlier).map(|(key, _)| key);
        keys.filter(|key| !busy.contains(*key)).cloned().collect()
    }

    fn before(&self, key: &PartitionKey) -> Option<PartitionKey> {
        self.queues.range(..key.clone()).next_back().map(|(before, _)| before.clone())
    }
}

/// At least what a queue adds to an event: its records with their commas, and the group's name,
/// which JSON's escapes could lengthen (a topic's name needs none in Kafka).
fn event_bytes_bound((key, queue): (&PartitionKey, &Queue)) -> usize {
    const GROUP_PUNCTUATION_BYTES: usize = "\"-2147483647\":[],".len();
    queue.len_bytes + queue.records.len() + key.0.len() + GROUP_PUNCTUATION_BYTES
}

/// A batch while it fills.
struct Filling<'a> {
    limits: &'a BatchLimits,
    event: EventBuilder,
    records: usize,
    next_offsets: BTreeMap<PartitionKey, i64>,
    oversize: Option<(EncodedRecord, usize)>,
}

impl<'a> Filling<'a> {
    fn new(event: EventBuilder, limits: &'a BatchLimits) -> Self {
        Self { limits, event, records: 0, next_offsets: BTreeMap::new(), oversize: None }
    }

    /// Moves records over while they fit; says how many.
    fn fill_from(&mut self, queue: &mut Queue) -> usize {
        let before = self.records;
        while let Some((_, record)) = queue.records.front() {
            let event_bytes = self.event.len_bytes_with(record);
            if self.records >= self.limits.records_max {
                break;
            }
            if event_bytes > self.limits.event_bytes_max {
                if self.event.is_empty() {
                    self.oversize = Some((record.clone(), event_bytes));
                }
                break;
            }
            self.move_one(queue);
        }
        self.records - before
    }

    fn move_one(&mut self, queue: &mut Queue) {
        let Some((_, record)) = queue.records.pop_front() else {
            return;
        };
        queue.len_bytes -= record.len_bytes();
        let key = (record.topic().to_owned(), record.partition());
        self.next_offsets.insert(key, record.offset().saturating_add(1));
        self.records += 1;
        self.event.push_encoded(record);
    }

    fn finish(self) -> Cut {
        let Self { event, records, next_offsets, oversize, .. } = self;
        match oversize {
            Some((record, event_bytes)) => Cut::Oversize { record, event_bytes },
            None => Cut::Batch(Batch { event: event.build(), records, next_offsets }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use tributary_kafka::{ClusterIdentity, KafkaEvent, Payload, Record, records_by_partition};

    use super::*;

    fn record(partition: i32, offset: i64, value_bytes: usize) -> EncodedRecord {
        let record = Record {
            offset,
            timestamp_ms: 0,
            timestamp_type: None,
            key: Payload::Null,
            value: Payload::Bytes(vec![b'x'; value_bytes].into()),
            headers: Vec::new(),
        };
        EncodedRecord::new("t", partition, &record)
    }

    fn backlog(records: impl IntoIterator<Item = (i32, i64, usize)>, arrived: Instant) -> Backlog {
        let mut backlog = Backlog::new(EventBuilder::self_managed("b:1"));
        for (partition, offset, value_bytes) in records {
            backlog.push(record(partition, offset, value_bytes), arrived);
        }
        backlog
    }

    fn limits(records_max: usize, event_bytes_max: usize, window_ms: u64) -> BatchLimits {
        BatchLimits { records_max, event_bytes_max, window: Duration::from_millis(window_ms) }
    }

    fn batch(cut: Cut) -> Batch {
        match cut {
            Cut::Batch(batch) => batch,
            other => panic!("expected a batch, found {other:?}"),
        }
    }

    /// Partition and offset of every record of an event, by the crate's own reader.
    fn places(event: &str) -> Vec<(i32, i64)> {
        let event = KafkaEvent::from_json(event.as_bytes()).unwrap();
        let cluster = ClusterIdentity::of_event(&event, None).unwrap();
        let partitions = records_by_partition(event, &cluster).unwrap();
        let places = partitions.iter().flat_map(|partition| {
            let number = partition.partition.partition;
            partition.records.iter().map(move |record| (number, record.offset))
        });
        places.collect()
    }

    #[test]
    fn a_batch_waits_for_its_window_unless_it_is_full() {
        let start = Instant::now();
        let due = start + Duration::from_millis(500);
        let free = BTreeSet::new();
        let mut backlog = backlog([(0, 0, 1), (0, 1, 1)], start);
        let limits_three = limits(3, 10_000, 500);
        let Cut::Wait { until } = backlog.cut(&limits_three, &free, start) else { panic!() };
        assert_eq!(until, Some(due));
        assert_eq!(batch(backlog.cut(&limits_three, &free, due)).records, 2);
        assert!(backlog.is_empty());
        let Cut::Wait { until: None } = backlog.cut(&limits_three, &free, due) else { panic!() };

        backlog.push(record(0, 2, 1), start);
        assert_eq!(batch(backlog.cut(&limits(1, 10_000, 500), &free, start)).records, 1);
    }

    #[test]
    fn a_record_that_fits_no_event_is_told_only_when_it_is_next() {
        let now = Instant::now();
        let mut backlog = backlog([(0, 5, 10), (0, 6, 1000), (0, 7, 10)], now);
        let limits = limits(100, 600, 0);
        let first = batch(backlog.cut(&limits, &BTreeSet::new(), now));
        assert_eq!(places(&first.event), [(0, 5)]);
        match backlog.cut(&limits, &BTreeSet::new(), now) {
            Cut::Oversize { record, event_bytes } => {
                assert_eq!(record.offset(), 6);
                assert!(event_bytes > 600);
            }
            other => panic!("expected the large record, found {other:?}"),
        }
    }

    #[test]
    fn busy_partitions_are_left_alone() {
        let now = Instant::now();
        let mut backlog = backlog([(0, 0, 1), (1, 0, 1), (2, 0, 1)], now);
        let busy = BTreeSet::from([("t".to_owned(), 1)]);
        let cut = batch(backlog.cut(&limits(100, 10_000, 0), &busy, now));
        assert_eq!(places(&cut.event), [(0, 0), (2, 0)]);
        let all_busy = BTreeSet::from([("t".to_owned(), 1)]);
        let Cut::Wait { until: None } = backlog.cut(&limits(1, 10_000, 0), &all_busy, now) else {
            panic!("a busy partition was cut")
        };
    }

    #[test]
    fn a_partition_with_much_to_do_does_not_starve_the_others() {
        let now = Instant::now();
        let much = (0..1000).map(|offset| (0, offset, 1));
        let mut backlog = backlog(much.chain([(1, 7, 1), (2, 9, 1)]), now);
        let limits = limits(10, 100_000, 0);
        let mut served = BTreeSet::new();
        for _ in 0..3 {
            let cut = batch(backlog.cut(&limits, &BTreeSet::new(), now));
            served.extend(cut.next_offsets.into_keys().map(|(_, partition)| partition));
        }
        assert_eq!(served, BTreeSet::from([0, 1, 2]));
    }

    proptest! {
        #[test]
        fn batches_keep_every_limit_and_every_record_in_order(
            sizes in vec((0..4_i32, 0..300_usize), 0..120),
            records_max in 1..30_usize,
            event_bytes_max in 700..3000_usize,
        ) {
            let now = Instant::now();
            let mut next = [0_i64; 4];
            let mut pushed: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
            let mut backlog = backlog([], now);
            for (partition, value_bytes) in sizes {
                let offset = next[partition as usize];
                next[partition as usize] += 1 + i64::try_from(value_bytes % 3).unwrap();
                pushed.entry(partition).or_default().push(offset);
                backlog.push(record(partition, offset, value_bytes), now);
            }
            let limits = limits(records_max, event_bytes_max, 0);
            let mut cut_so_far: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
            while !backlog.is_empty() {
                let cut = batch(backlog.cut(&limits, &BTreeSet::new(), now));
                prop_assert!(cut.event.len() <= event_bytes_max);
                prop_assert!((1..=records_max).contains(&cut.records));
                let places = places(&cut.event);
                prop_assert_eq!(places.len(), cut.records);
                for (partition, offset) in places {
                    cut_so_far.entry(partition).or_default().push(offset);
                }
                for ((_, partition), next_offset) in cut.next_offsets {
                    prop_assert_eq!(cut_so_far[&partition].last(), Some(&(next_offset - 1)));
                }
            }
            prop_assert_eq!(cut_so_far, pushed);
        }

        #[test]
        fn a_batch_is_cut_as_soon_as_nothing_more_would_fit(
            sizes in vec(0..300_usize, 1..60),
            event_bytes_max in 700..3000_usize,
        ) {
            let now = Instant::now();
            let mut backlog = backlog([], now);
            let limits = limits(1000, event_bytes_max, 1000);
            let mut expected = EventBuilder::self_managed("b:1");
            for (offset, value_bytes) in (0..).zip(sizes) {
                let record = record(0, offset, value_bytes);
                let fits = expected.len_bytes_with(&record) <= event_bytes_max;
                backlog.push(record.clone(), now);
                match backlog.cut(&limits, &BTreeSet::new(), now) {
                    Cut::Wait { until: Some(_) } => {
                        prop_assert!(fits);
                        expected.push_encoded(record);
                    }
                    Cut::Batch(batch) => {
                        // The bound may be a few bytes above the true length, never below.
                        if fits {
                            prop_assert!(batch.event.len() + 16 > event_bytes_max);
                            prop_assert!(backlog.is_empty());
                            expected = EventBuilder::self_managed("b:1");
                        } else {
                            prop_assert_eq!(batch.event, expected.clone().build());
                            expected = EventBuilder::self_managed("b:1");
                            expected.push_encoded(record);
                        }
                    }
                    other => prop_assert!(false, "{other:?}"),
                }
            }
        }
    }
}
