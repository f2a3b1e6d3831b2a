//! Which files go: decided from manifest entries alone, and only where every row is proven to be past.

use std::collections::{HashMap, HashSet};

use iceberg::spec::DataContentType;
use tributary_table::LiveFile;

use super::rules::RetentionLevel;
use crate::partition_key::PartitionKey;
use crate::time::TimePoint;
use crate::time_column::{FileTimes, TimeColumn};

/// How a data file stands to the cutoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Every row is before it: the file goes.
    Past,
    /// Some rows may be before it, from `oldest` on, and others not (or the level does not reach the file).
    Straddling { oldest: TimePoint },
    /// What is not NULL is before it, and something may be NULL: a row without a time is never past.
    WithNulls,
    /// Nothing says what is in it.
    Unknown,
    /// No row is before it.
    Current,
}

impl Standing {
    pub(super) fn of(times: &FileTimes, level: RetentionLevel, cutoff: TimePoint) -> Self {
        let reach = match level {
            RetentionLevel::Partition => times.partition().map(|span| span.end),
            RetentionLevel::File => times.ends_by(),
        };
        let is_past = reach.is_some_and(|end| end <= cutoff);
        if times.holds_only_nulls() || is_past && times.may_hold_nulls() {
            return Self::WithNulls;
        }
        match times.begins_at() {
            _ if is_past => Self::Past,
            Some(oldest) if oldest < cutoff => Self::Straddling { oldest },
            Some(_) => Self::Current,
            None => Self::Unknown,
        }
    }
}

/// Files of one standing, and their rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) files: u64,
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl Tally {
    fn count(&mut self, file: &LiveFile) {
        self.files += 1;
        self.rows += file.data_file().record_count();
        self.bytes += file.data_file().file_size_in_bytes();
    }
}

/// What one look at the table comes to.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    /// Files that go: data files, and delete files that apply to nothing else.
    pub(super) going: Vec<LiveFile>,
    /// All data files.
    pub(super) all: Tally,
    pub(super) past: Tally,
    pub(super) straddling: Tally,
    pub(super) oldest_straddling: Option<TimePoint>,
    pub(super) with_nulls: Tally,
    pub(super) unknown: Tally,
    /// Partitions that hold files which go.
    pub(super) partitions: u64,
    pub(super) delete_files_going: u64,
    /// Delete files that may name rows which go, and stay since they may name others too.
    pub(super) delete_files_left: u64,
}

/// Plans over the live files of a table.
pub(super) fn plan(live: &[LiveFile], column: &TimeColumn, level: RetentionLevel, cutoff: TimePoint) -> Plan {
    let mut plan = Plan::default();
    for file in live.iter().filter(|file| file.content() == DataContentType::Data) {
        plan.all.count(file);
        match Standing::of(&column.times_of(file), level, cutoff) {
            Standing::Past => {
                plan.past.count(file);
                plan.going.push(file.clone());
            }
            Standing::Straddling { oldest } => {
                plan.straddling.count(file);
                plan.oldest_straddling = Some(plan.oldest_straddling.map_or(oldest, |known| known.min(oldest)));
            }
            Standing::WithNulls => plan.with_nulls.count(file),
            Standing::Unknown => plan.unknown.count(file),
            Standing::Current => {}
        }
    }
    plan.partitions = plan.going.iter().map(PartitionKey::of).collect::<HashSet<_>>().len() as u64;
    plan.take_deletes(live);
    plan
}

impl Plan {
    /// Delete files that apply to nothing which stays go with the rows they deleted. The others may stay for ever without harm: a
    /// position delete names a file by its path, which is never used again, and an equality delete reaches older files alone.
    fn take_deletes(&mut self, live: &[LiveFile]) {
        if self.going.is_empty() {
            return;
        }
        let paths: HashSet<&str> = self.going.iter().map(LiveFile::path).collect();
        let (gone, stays): (Vec<&LiveFile>, Vec<&LiveFile>) = live
            .iter()
            .filter(|file| file.content() == DataContentType::Data)
            .partition(|file| paths.contains(file.path()));
        let (gone, stays) = (Reach::of(gone), Reach::of(stays));
        let touched = live.iter().filter(|file| gone.is_reached_by(file));
        let (going, left): (Vec<&LiveFile>, Vec<&LiveFile>) = touched.partition(|delete| !stays.is_reached_by(delete));
        let going: Vec<LiveFile> = going.into_iter().cloned().collect();
        (self.delete_files_going, self.delete_files_left) = (going.len() as u64, left.len() as u64);
        self.going.extend(going);
    }
}

/// Data files by partition, so that a delete file is held against its own partition's files alone.
struct Reach<'a> {
    by_partition: HashMap<PartitionKey, Vec<&'a LiveFile>>,
}

impl<'a> Reach<'a> {
    fn of(files: Vec<&'a LiveFile>) -> Self {
        let mut by_partition: HashMap<PartitionKey, Vec<&'a LiveFile>> = HashMap::new();
        for file in files {
            by_partition.entry(PartitionKey::of(file)).or_default().push(file);
        }
        Self { by_partition }
    }

    /// Whether a delete file may delete rows of one of the files; `false` for a data file.
    fn is_reached_by(&self, delete: &LiveFile) -> bool {
        match delete.is_global() {
            true => self.by_partition.values().flatten().any(|data| delete.may_delete_from(data)),
            false => {
                let same = self.by_partition.get(&PartitionKey::of(delete));
                same.is_some_and(|files| files.iter().any(|data| delete.may_delete_from(data)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Datelike, NaiveDate};
    use iceberg::spec::{
        DataContentType, DataFile, DataFileBuilder, DataFileFormat, Datum, Literal, PartitionSpec, Schema, Struct,
        Transform,
    };
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const DAY_MS: i64 = 86_400_000;

    fn schema() -> Schema {
        serde_json::from_value(json!({"type": "struct", "schema-id": 0, "fields": [
            {"id": 1, "name": "at", "required": false, "type": "timestamp"},
            {"id": 2, "name": "day", "required": false, "type": "date"},
        ]}))
        .unwrap()
    }

    /// Ten rows of `at`, between these milliseconds, with this many NULLs (or no count of them).
    fn file(bounds_ms: Option<(i64, i64)>, nulls: Option<u64>, partition: Option<Option<i32>>) -> DataFile {
        let mut file = DataFileBuilder::default();
        file.content(DataContentType::Data)
            .file_path("file:///f.parquet".to_owned())
            .file_format(DataFileFormat::Parquet)
            .file_size_in_bytes(100)
            .record_count(10)
            .partition_spec_id(0)
            .partition(Struct::from_iter(partition.map(|day| day.map(Literal::date))));
        if let Some((lower, upper)) = bounds_ms {
            let micros = |ms: i64| Datum::timestamp_micros(ms * 1000);
            file.lower_bounds([(1, micros(lower))].into()).upper_bounds([(1, micros(upper))].into());
        }
        if let Some(nulls) = nulls {
            file.null_value_counts([(1, nulls)].into());
        }
        file.build().unwrap()
    }

    fn standing(file: &DataFile, level: RetentionLevel, cutoff_ms: i64) -> Standing {
        let by_day = PartitionSpec::builder(schema()).add_partition_field("at", "at_day", Transform::Day).unwrap();
        let spec = match file.partition().fields().is_empty() {
            true => PartitionSpec::unpartition_spec(),
            false => by_day.build().unwrap(),
        };
        let column = TimeColumn::of_schema(&schema(), "at").unwrap();
        Standing::of(&FileTimes::of(&column, file, &spec, &schema()), level, TimePoint::of_ms(cutoff_ms))
    }

    fn straddling(oldest_ms: i64) -> Standing {
        Standing::Straddling { oldest: TimePoint::of_ms(oldest_ms) }
    }

    #[test]
    fn a_file_goes_only_when_its_greatest_value_is_before_the_cutoff() {
        let level = RetentionLevel::File;
        for (lower, upper) in [(1_000, 2_000), (-5_000, -3_000)] {
            let file = file(Some((lower, upper)), Some(0), None);
            assert_eq!(standing(&file, level, upper + 1), Standing::Past);
            assert_eq!(standing(&file, level, upper), straddling(lower), "a value at the cutoff is not past");
            assert_eq!(standing(&file, level, lower + 1), straddling(lower));
            assert_eq!(standing(&file, level, lower), Standing::Current);
        }
    }

    #[test]
    fn a_row_without_a_time_is_never_past() {
        for level in [RetentionLevel::File, RetentionLevel::Partition] {
            assert_eq!(standing(&file(None, Some(10), None), level, 0), Standing::WithNulls);
            assert_eq!(standing(&file(None, Some(10), Some(None)), level, 0), Standing::WithNulls);
        }
        for nulls in [Some(1), None] {
            let file = file(Some((1, 2)), nulls, None);
            assert_eq!(standing(&file, RetentionLevel::File, 1_000), Standing::WithNulls, "{nulls:?}");
        }
    }

    #[test]
    fn a_file_of_which_nothing_is_known_stays() {
        for level in [RetentionLevel::File, RetentionLevel::Partition] {
            assert_eq!(standing(&file(None, Some(0), None), level, i64::MAX), Standing::Unknown);
            assert_eq!(standing(&file(None, None, None), level, i64::MAX), Standing::Unknown);
        }
    }

    #[test]
    fn a_partition_goes_when_its_end_is_reached_and_not_before() {
        // The day before 1970, its last row hours before its end.
        let file = file(Some((-DAY_MS, -DAY_MS / 2)), Some(0), Some(Some(-1)));
        assert_eq!(standing(&file, RetentionLevel::Partition, 0), Standing::Past);
        assert_eq!(standing(&file, RetentionLevel::Partition, -1), straddling(-DAY_MS));
        assert_eq!(
            standing(&file, RetentionLevel::File, -1),
            Standing::Past,
            "its bounds tell more than its partition"
        );
        assert_eq!(standing(&file, RetentionLevel::Partition, -DAY_MS), Standing::Current);
    }

    #[test]
    fn a_partition_tells_for_a_file_without_bounds() {
        let file = file(None, None, Some(Some(3)));
        for level in [RetentionLevel::File, RetentionLevel::Partition] {
            assert_eq!(standing(&file, level, 4 * DAY_MS), Standing::Past);
            assert_eq!(standing(&file, level, 4 * DAY_MS - 1), straddling(3 * DAY_MS));
        }
    }

    #[test]
    fn a_file_whose_partition_says_nothing_of_time_is_left_by_the_partition_level() {
        let past = file(Some((1_000, 2_000)), Some(0), None);
        assert_eq!(standing(&past, RetentionLevel::Partition, i64::MAX), straddling(1_000));
    }

    /// The partition of a time by a transform, by the calendar of chrono alone.
    fn partition_of(micros: i64, transform: Transform) -> Option<Literal> {
        let time = DateTime::from_timestamp_micros(micros).unwrap();
        let months = (time.year() - 1970) * 12 + time.month0() as i32;
        match transform {
            Transform::Year => Some(Literal::int(time.year() - 1970)),
            Transform::Month => Some(Literal::int(months)),
            Transform::Day => Some(Literal::date((time.date_naive() - NaiveDate::default()).num_days() as i32)),
            Transform::Hour => Some(Literal::int(i32::try_from(micros.div_euclid(3_600_000_000)).unwrap())),
            Transform::Identity => Some(Literal::timestamp(micros)),
            _ => None,
        }
    }

    /// What a writer says of a file with these values; those of another partition than the first one's go elsewhere.
    fn written(values: &mut Vec<Option<i64>>, transform: Transform, has_bounds: bool, has_nulls: bool) -> DataFile {
        let partition = |value: Option<i64>| value.and_then(|micros| partition_of(micros, transform));
        let first = partition(values[0]);
        values.retain(|value| transform == Transform::Void || partition(*value) == first);
        let times: Vec<i64> = values.iter().flatten().copied().collect();
        let mut builder = DataFileBuilder::default();
        builder
            .content(DataContentType::Data)
            .file_path("file:///f.parquet".to_owned())
            .file_format(DataFileFormat::Parquet)
            .file_size_in_bytes(100)
            .record_count(values.len() as u64)
            .partition_spec_id(0);
        if has_nulls {
            builder.null_value_counts([(1, (values.len() - times.len()) as u64)].into());
        }
        if transform != Transform::Void {
            builder.partition(Struct::from_iter([first]));
        }
        if let (true, Some(lower), Some(upper)) = (has_bounds, times.iter().min(), times.iter().max()) {
            builder.lower_bounds([(1, Datum::timestamp_micros(*lower))].into());
            builder.upper_bounds([(1, Datum::timestamp_micros(*upper))].into());
        }
        builder.build().unwrap()
    }

    const TRANSFORMS: [Transform; 6] =
        [Transform::Void, Transform::Identity, Transform::Hour, Transform::Day, Transform::Month, Transform::Year];

    proptest! {
        /// INV-5, whatever the values, the partition and what the writer measured.
        #[test]
        fn no_file_goes_that_holds_a_row_which_is_not_past(
            base in -5_000_000_000_000_000i64..5_000_000_000_000_000,
            offsets in proptest::collection::vec(proptest::option::weighted(0.9, 0i64..5_000_000_000_000), 1..6),
            transform in proptest::sample::select(&TRANSFORMS),
            (has_bounds, has_nulls, by_file) in any::<(bool, bool, bool)>(),
            cutoff_offset_ms in -1_000_000_000i64..6_000_000_000,
        ) {
            let mut values: Vec<Option<i64>> = offsets.iter().map(|offset| offset.map(|offset| base + offset)).collect();
            let file = written(&mut values, transform, has_bounds, has_nulls);
            let spec = match transform {
                Transform::Void => PartitionSpec::unpartition_spec(),
                _ => PartitionSpec::builder(schema()).add_partition_field("at", "at_part", transform).unwrap().build().unwrap(),
            };
            let column = TimeColumn::of_schema(&schema(), "at").unwrap();
            let times = FileTimes::of(&column, &file, &spec, &schema());
            let cutoff_ms = base.div_euclid(1000) + cutoff_offset_ms;
            let level = if by_file { RetentionLevel::File } else { RetentionLevel::Partition };
            let standing = Standing::of(&times, level, TimePoint::of_ms(cutoff_ms));
            let are_past = values.iter().all(|value| value.is_some_and(|micros| micros < cutoff_ms * 1000));
            let none_is_past = values.iter().all(|value| value.is_none_or(|micros| micros >= cutoff_ms * 1000));
            prop_assert!(standing != Standing::Past || are_past, "{values:?}, cutoff {cutoff_ms} ms");
            prop_assert!(standing != Standing::Current || none_is_past, "{values:?}, cutoff {cutoff_ms} ms: {standing:?}");
            // And what can be known to be past is not left.
            if are_past && by_file && has_bounds && has_nulls {
                prop_assert_eq!(standing, Standing::Past, "{:?}, cutoff {} ms", values, cutoff_ms);
            }
        }
    }
}
