//! Points in time in one unit, whatever type a column or a partition has them in.

use std::fmt;

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat};
use iceberg::spec::{Datum, Literal, PrimitiveLiteral, PrimitiveType, Transform, Type};

const NS_PER_MS: i128 = 1_000_000;
const NS_PER_SECOND: i128 = 1_000_000_000;
const NS_PER_HOUR: i128 = 3600 * NS_PER_SECOND;
const NS_PER_DAY: i128 = 24 * NS_PER_HOUR;
const MONTHS_PER_YEAR: i64 = 12;

/// A point in time, in nanoseconds since 1970-01-01T00:00:00 UTC: exact for every value of every time type.
///
/// A timestamp without a time zone counts as UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimePoint(i128);

impl TimePoint {
    /// From milliseconds since the epoch.
    pub fn of_ms(ms: i64) -> Self {
        Self(i128::from(ms) * NS_PER_MS)
    }

    /// This point less a length of time in milliseconds.
    pub fn before_ms(self, ms: u64) -> Self {
        Self(self.0 - i128::from(ms) * NS_PER_MS)
    }

    /// Whole seconds from this point to a later one, rounded down; negative when the other is earlier.
    pub fn seconds_until(self, later: Self) -> i64 {
        let seconds = (later.0 - self.0).div_euclid(NS_PER_SECOND);
        i64::try_from(seconds).unwrap_or(if seconds < 0 { i64::MIN } else { i64::MAX })
    }
}

/// RFC 3339 in UTC, as fine as the point is; outside of the years that can be written so, nanoseconds.
impl fmt::Display for TimePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.0.div_euclid(NS_PER_SECOND)).ok();
        let nanos = u32::try_from(self.0.rem_euclid(NS_PER_SECOND)).ok();
        match seconds.zip(nanos).and_then(|(seconds, nanos)| DateTime::from_timestamp(seconds, nanos)) {
            Some(time) if (0..=9999).contains(&time.year()) => {
                f.write_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
            }
            _ => write!(f, "{} ns since the epoch", self.0),
        }
    }
}

/// What a column's values count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeUnit {
    Days,
    Micros,
    Nanos,
}

impl TimeUnit {
    /// The unit of a date or timestamp type; `None` of any other.
    pub(crate) fn of_type(of: &Type) -> Option<Self> {
        match of {
            Type::Primitive(primitive) => Self::of_primitive(primitive),
            _ => None,
        }
    }

    fn of_primitive(of: &PrimitiveType) -> Option<Self> {
        match of {
            PrimitiveType::Date => Some(Self::Days),
            PrimitiveType::Timestamp | PrimitiveType::Timestamptz => Some(Self::Micros),
            PrimitiveType::TimestampNs | PrimitiveType::TimestamptzNs => Some(Self::Nanos),
            _ => None,
        }
    }

    fn ns(self) -> i128 {
        match self {
            Self::Days => NS_PER_DAY,
            Self::Micros => 1000,
            Self::Nanos => 1,
        }
    }
}

/// What a stored value or a partition covers: from its start up to, not with, its end. A date covers its day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: TimePoint,
    pub(crate) end: TimePoint,
}

impl Span {
    pub(crate) fn of_value(value: i64, unit: TimeUnit) -> Self {
        let start = i128::from(value) * unit.ns();
        Self { start: TimePoint(start), end: TimePoint(start + unit.ns()) }
    }

    /// Of a bound, by the type that the bound itself has; `None` of a type that is no time.
    pub(crate) fn of_bound(bound: &Datum) -> Option<Self> {
        let unit = TimeUnit::of_primitive(bound.data_type())?;
        Some(Self::of_value(whole(bound.literal())?, unit))
    }

    /// Of a partition value, the column's values being in `unit`; `None` of NULL, and of transforms that don't keep the order of
    /// time. (Iceberg spec, "Partition Transforms": years, months, days and hours since the epoch, rounded down.)
    pub(crate) fn of_partition(value: Option<&Literal>, transform: Transform, unit: TimeUnit) -> Option<Self> {
        let Literal::Primitive(value) = value? else { return None };
        let value = whole(value)?;
        let hour = |hour: i64| TimePoint(i128::from(hour) * NS_PER_HOUR);
        match transform {
            Transform::Identity => Some(Self::of_value(value, unit)),
            Transform::Hour => Some(Self { start: hour(value), end: hour(value.checked_add(1)?) }),
            Transform::Day => Some(Self::of_value(value, TimeUnit::Days)),
            Transform::Month => Some(Self { start: month_start(value)?, end: month_start(value.checked_add(1)?)? }),
            Transform::Year => {
                let months = |year: i64| year.checked_mul(MONTHS_PER_YEAR).and_then(month_start);
                Some(Self { start: months(value)?, end: months(value.checked_add(1)?)? })
            }
            _ => None,
        }
    }

    /// What both cover.
    pub(crate) fn overlap(self, other: Self) -> Self {
        Self { start: self.start.max(other.start), end: self.end.min(other.end) }
    }
}

fn whole(value: &PrimitiveLiteral) -> Option<i64> {
    match value {
        PrimitiveLiteral::Int(value) => Some((*value).into()),
        PrimitiveLiteral::Long(value) => Some(*value),
        _ => None,
    }
}

/// The first moment of a month counted from January 1970; `None` beyond the calendar's years (262,142 either way).
fn month_start(month: i64) -> Option<TimePoint> {
    let year = i32::try_from(1970 + month.div_euclid(MONTHS_PER_YEAR)).ok()?;
    let month = u32::try_from(month.rem_euclid(MONTHS_PER_YEAR)).ok()?;
    let days = NaiveDate::from_ymd_opt(year, month + 1, 1)?.signed_duration_since(NaiveDate::default()).num_days();
    Some(Span::of_value(days, TimeUnit::Days).start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(value: i32, transform: Transform, unit: TimeUnit) -> Option<(String, String)> {
        let span = Span::of_partition(Some(&Literal::int(value)), transform, unit)?;
        Some((span.start.to_string(), span.end.to_string()))
    }

    fn between(start: &str, end: &str) -> Option<(String, String)> {
        Some((start.to_owned(), end.to_owned()))
    }

    #[test]
    fn a_partition_covers_its_whole_hour_day_month_or_year_also_before_1970() {
        let micros = TimeUnit::Micros;
        for (value, transform, expected) in [
            (0, Transform::Hour, between("1970-01-01T00:00:00Z", "1970-01-01T01:00:00Z")),
            (-1, Transform::Hour, between("1969-12-31T23:00:00Z", "1970-01-01T00:00:00Z")),
            (20_778, Transform::Day, between("2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z")),
            (-1, Transform::Day, between("1969-12-31T00:00:00Z", "1970-01-01T00:00:00Z")),
            (649, Transform::Month, between("2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z")),
            (-1, Transform::Month, between("1969-12-01T00:00:00Z", "1970-01-01T00:00:00Z")),
            (-13, Transform::Month, between("1968-12-01T00:00:00Z", "1969-01-01T00:00:00Z")),
            (56, Transform::Year, between("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z")),
            (-2, Transform::Year, between("1968-01-01T00:00:00Z", "1969-01-01T00:00:00Z")),
        ] {
            assert_eq!(partition(value, transform, micros), expected, "{transform} {value}");
        }
    }

    #[test]
    fn an_identity_partition_covers_one_value() {
        let day = partition(-1, Transform::Identity, TimeUnit::Days);
        assert_eq!(day, between("1969-12-31T00:00:00Z", "1970-01-01T00:00:00Z"));
        let micros = Span::of_partition(Some(&Literal::long(-1)), Transform::Identity, TimeUnit::Micros).unwrap();
        assert_eq!(micros.start.to_string(), "1969-12-31T23:59:59.999999Z");
        let nanos = Span::of_partition(Some(&Literal::long(5)), Transform::Identity, TimeUnit::Nanos).unwrap();
        assert_eq!(nanos.end.to_string(), "1970-01-01T00:00:00.000000006Z");
    }

    #[test]
    fn a_partition_that_says_nothing_of_time_covers_nothing_known() {
        assert_eq!(Span::of_partition(None, Transform::Day, TimeUnit::Micros), None);
        for transform in [Transform::Bucket(4), Transform::Void, Transform::Truncate(10), Transform::Unknown] {
            assert_eq!(partition(1, transform, TimeUnit::Micros), None, "{transform}");
        }
        assert_eq!(Span::of_partition(Some(&Literal::string("x")), Transform::Identity, TimeUnit::Days), None);
    }

    #[test]
    fn the_farthest_values_neither_overflow_nor_panic() {
        for value in [i32::MIN, i32::MAX] {
            assert_eq!(partition(value, Transform::Year, TimeUnit::Days), None);
            assert_eq!(partition(value, Transform::Month, TimeUnit::Days), None);
            assert!(partition(value, Transform::Day, TimeUnit::Days).is_some());
            assert!(partition(value, Transform::Hour, TimeUnit::Days).is_some());
        }
        let last = Span::of_value(i64::MAX, TimeUnit::Micros);
        assert_eq!(last.end.to_string(), "9223372036854775808000 ns since the epoch");
        let first = Span::of_value(i64::MIN, TimeUnit::Days).start;
        assert_eq!((first.seconds_until(last.end), last.end.seconds_until(first)), (i64::MAX, i64::MIN));
        assert!(first.before_ms(u64::MAX) < first);
    }

    #[test]
    fn a_bound_counts_in_the_unit_it_was_written_in() {
        let start = |bound: &Datum| Span::of_bound(bound).map(|span| span.start.to_string());
        assert_eq!(start(&Datum::date(-1)).as_deref(), Some("1969-12-31T00:00:00Z"));
        assert_eq!(start(&Datum::timestamp_micros(-1)).as_deref(), Some("1969-12-31T23:59:59.999999Z"));
        assert_eq!(start(&Datum::timestamptz_nanos(-1)).as_deref(), Some("1969-12-31T23:59:59.999999999Z"));
        assert_eq!(start(&Datum::long(7)), None);
    }

    #[test]
    fn seconds_between_two_points_round_down() {
        let (early, late) = (TimePoint::of_ms(-1500), TimePoint::of_ms(1000));
        assert_eq!((early.seconds_until(late), late.seconds_until(early)), (2, -3));
    }
}
