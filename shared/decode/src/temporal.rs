//! Dates, times and timestamps from their ISO 8601 text, exactly or not at all.
//!
//! Read by hand because the grammar is fixed and narrow: general parsers accept more forms than the schema promises and
//! cut digits silently. Tests compare every day, and random instants, with `chrono`.

use crate::text::Rule;

const DATE_FORM: Rule = "`YYYY-MM-DD`";
const TIME_FORM: Rule = "`HH:MM:SS[.ffffff]`";
const LOCAL_FORM: Rule = "`YYYY-MM-DDTHH:MM:SS[.ffffff]` without offset";
const ZONED_FORM: Rule = "`YYYY-MM-DDTHH:MM:SS[.ffffff]` with offset `Z` or `+HH:MM`";
const NO_SUCH_DAY: Rule = "a day that exists, from 0001-01-01 to 9999-12-31";
const NO_SUCH_TIME: Rule = "a time from 00:00:00 to 23:59:59";
const NO_SUCH_OFFSET: Rule = "an offset from -23:59 to +23:59";
const OUTSIDE_UTC_YEARS: Rule = "an instant whose year in UTC is 0001 to 9999";
const OUTSIDE_NANOS: Rule = "an instant from 1677-09-21 to 2262-04-11, which nanoseconds can hold";
const MICROS_ONLY: Rule = "no digits but zeros past microseconds";
const NANOS_ONLY: Rule = "no digits but zeros past nanoseconds";

const SECONDS_A_DAY: i64 = 86_400;
const NANOS_A_SECOND: i64 = 1_000_000_000;

/// First and last second of the years 0001 to 9999, counted from 1970-01-01T00:00:00.
const SECONDS_MIN: i64 = -719_162 * SECONDS_A_DAY;
const SECONDS_MAX: i64 = 2_932_897 * SECONDS_A_DAY - 1;

/// Unit of a timestamp column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Micros,
    Nanos,
}

/// Days from 1970-01-01 of a text `YYYY-MM-DD`, years 0001 to 9999 of the proleptic Gregorian calendar.
pub(crate) fn date(text: &str) -> Result<i32, Rule> {
    let text: &[u8; 10] = text.as_bytes().try_into().map_err(|_| DATE_FORM)?;
    day(text, DATE_FORM)
}

/// Microseconds from midnight of a text `HH:MM:SS[.ffffff]`.
pub(crate) fn time(text: &str) -> Result<i64, Rule> {
    let (clock, rest) = text.as_bytes().split_first_chunk::<8>().ok_or(TIME_FORM)?;
    let seconds = second_of_day(clock, TIME_FORM)?;
    let (nanos, rest) = fraction(rest, MICROS_ONLY, TIME_FORM)?;
    if !rest.is_empty() {
        return Err(TIME_FORM);
    }
    Ok(seconds * 1_000_000 + micros(nanos)?)
}

/// Units from 1970-01-01T00:00:00 of a timestamp's text; in UTC when the column is `zoned`, which requires an offset
/// (and forbids one otherwise). A space may stand for the `T`.
pub(crate) fn timestamp(text: &str, unit: Unit, zoned: bool) -> Result<i64, Rule> {
    let form = if zoned { ZONED_FORM } else { LOCAL_FORM };
    let (date, rest) = text.as_bytes().split_first_chunk::<10>().ok_or(form)?;
    let ([b'T' | b' '], rest) = rest.split_first_chunk::<1>().ok_or(form)? else {
        return Err(form);
    };
    let (clock, rest) = rest.split_first_chunk::<8>().ok_or(form)?;
    let seconds = i64::from(day(date, form)?) * SECONDS_A_DAY + second_of_day(clock, form)?;
    let too_fine = if unit == Unit::Micros { MICROS_ONLY } else { NANOS_ONLY };
    let (nanos, rest) = fraction(rest, too_fine, form)?;
    let seconds = match zoned {
        true => seconds - offset_seconds(rest)?,
        false if rest.is_empty() => seconds,
        false => return Err(form),
    };
    if !(SECONDS_MIN..=SECONDS_MAX).contains(&seconds) {
        return Err(OUTSIDE_UTC_YEARS);
    }
    match unit {
        Unit::Micros => Ok(seconds * 1_000_000 + micros(nanos)?),
        // The product alone can be just below the range while the sum is within it.
        Unit::Nanos => i64::try_from(i128::from(seconds) * i128::from(NANOS_A_SECOND) + i128::from(nanos))
            .map_err(|_| OUTSIDE_NANOS),
    }
}

/// Whole microseconds of a fraction in nanoseconds.
fn micros(nanos: i64) -> Result<i64, Rule> {
    if nanos % 1_000 == 0 { Ok(nanos / 1_000) } else { Err(MICROS_ONLY) }
}

/// `YYYY-MM-DD` to days from 1970-01-01.
fn day(text: &[u8; 10], form: Rule) -> Result<i32, Rule> {
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = *text else {
        return Err(form);
    };
    let year = two_digits(y0, y1, form)? * 100 + two_digits(y2, y3, form)?;
    let (month, day) = (two_digits(m0, m1, form)?, two_digits(d0, d1, form)?);
    if year == 0 || day == 0 || day > days_in_month(year, month) {
        return Err(NO_SUCH_DAY);
    }
    // Counted from 1 March of year 0, so that the leap day is the last day of a year and months need no table.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days_of_years = year * 365 + year / 4 - year / 100 + year / 400;
    Ok(days_of_years + (month * 153 + 2) / 5 + day - 1 - DAYS_TO_1970)
}

/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: i32 = 719_468;

/// Days of a month from 1 to 12; 0 for any other month, so that no day fits it.
fn days_in_month(year: i32, month: i32) -> i32 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i32::from(leap),
        _ => 0,
    }
}

/// `HH:MM:SS` to seconds from midnight. Second 60 is refused: none of Iceberg's types can hold a leap second.
fn second_of_day(text: &[u8; 8], form: Rule) -> Result<i64, Rule> {
    let [h0, h1, b':', m0, m1, b':', s0, s1] = *text else {
        return Err(form);
    };
    let (hour, minute, second) = (two_digits(h0, h1, form)?, two_digits(m0, m1, form)?, two_digits(s0, s1, form)?);
    if hour > 23 || minute > 59 || second > 59 {
        return Err(NO_SUCH_TIME);
    }
    Ok(i64::from(hour * 3_600 + minute * 60 + second))
}

/// An optional `.` with one digit or more, as nanoseconds, and what follows. Digits past the ninth must be zeros.
fn fraction(text: &[u8], too_fine: Rule, form: Rule) -> Result<(i64, &[u8]), Rule> {
    let Some(text) = text.strip_prefix(b".") else {
        return Ok((0, text));
    };
    let (digits, rest) = text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count());
    if digits.is_empty() {
        return Err(form);
    }
    let (kept, past) = digits.split_at(digits.len().min(9));
    if past.iter().any(|digit| *digit != b'0') {
        return Err(too_fine);
    }
    let nanos = kept.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    Ok((nanos * POWERS_OF_TEN[9 - kept.len()], rest))
}

const POWERS_OF_TEN: [i64; 10] =
    [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, NANOS_A_SECOND];

/// `Z`, `+HH:MM` or `-HH:MM` to seconds east of UTC.
fn offset_seconds(text: &[u8]) -> Result<i64, Rule> {
    let (sign, [h0, h1, b':', m0, m1]) = (match text {
        b"Z" => return Ok(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return Err(ZONED_FORM),
    }) else {
        return Err(ZONED_FORM);
    };
    let (hours, minutes) = (two_digits(*h0, *h1, ZONED_FORM)?, two_digits(*m0, *m1, ZONED_FORM)?);
    if hours > 23 || minutes > 59 {
        return Err(NO_SUCH_OFFSET);
    }
    Ok(sign * i64::from(hours * 3_600 + minutes * 60))
}

#[inline]
fn two_digits(tens: u8, ones: u8, form: Rule) -> Result<i32, Rule> {
    if tens.is_ascii_digit() && ones.is_ascii_digit() {
        Ok(i32::from(tens - b'0') * 10 + i32::from(ones - b'0'))
    } else {
        Err(form)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, TimeDelta, Timelike};
    use proptest::prelude::*;

    use super::*;

    const EPOCH: NaiveDate = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();

    #[test]
    fn every_written_day_from_year_0000_to_9999_agrees_with_chrono() {
        for year in 0..=9999 {
            for month in 0..=13 {
                for day in 0..=32 {
                    let text = format!("{year:04}-{month:02}-{day:02}");
                    let expected = NaiveDate::from_ymd_opt(year, month, day).filter(|date| date.year() > 0);
                    let expected = expected.map(|date| (date - EPOCH).num_days() as i32).ok_or(NO_SUCH_DAY);
                    assert_eq!(date(&text), expected, "{text}");
                }
            }
        }
    }

    #[test]
    fn every_written_second_of_a_day_agrees_with_arithmetic() {
        for (hour, minute, second) in
            (0..100).flat_map(|h| (0..100).flat_map(move |m| (0..100).map(move |s| (h, m, s))))
        {
            let exists = hour < 24 && minute < 60 && second < 60;
            let expected =
                if exists { Ok((hour * 3_600 + minute * 60 + second) * 1_000_000) } else { Err(NO_SUCH_TIME) };
            assert_eq!(time(&format!("{hour:02}:{minute:02}:{second:02}")), expected);
        }
    }

    #[test]
    fn other_forms_of_dates_and_times_are_refused() {
        for text in [
            "",
            "2024-1-01",
            "2024-01-1",
            "24-01-01",
            "2024/01/01",
            "20240101",
            "+2024-01-01",
            "-001-01-01",
            "12024-01-01",
            " 2024-01-01",
            "2024-01-01Z",
            "2024-0１-1",
        ] {
            assert_eq!(date(text), Err(DATE_FORM), "{text}");
        }
        for text in [
            "",
            "12:00",
            "12:00:0",
            "1:00:00",
            "12:00:00.",
            "12:00:00,5",
            "12:00:00Z",
            "12:00:00.5Z",
            "12-00-00",
            "T12:00:00",
            "12:00:00 PM",
            "12:00:00.+5",
        ] {
            assert_eq!(time(text), Err(TIME_FORM), "{text}");
        }
    }

    #[test]
    fn digits_past_the_unit_must_be_zeros() {
        assert_eq!(time("00:00:00.1"), Ok(100_000));
        assert_eq!(time("23:59:59.999999"), Ok(86_399_999_999));
        assert_eq!(time("00:00:00.000001000000000"), Ok(1));
        assert_eq!(time("00:00:00.0000001"), Err(MICROS_ONLY));
        assert_eq!(time("00:00:00.0000000001"), Err(MICROS_ONLY));
        let nanos = |text| timestamp(text, Unit::Nanos, false);
        assert_eq!(nanos("1970-01-01T00:00:00.123456789000"), Ok(123_456_789));
        assert_eq!(nanos("1970-01-01T00:00:00.1234567891"), Err(NANOS_ONLY));
        assert_eq!(timestamp("1970-01-01T00:00:00.1234567", Unit::Micros, false), Err(MICROS_ONLY));
    }

    #[test]
    fn an_offset_is_required_with_a_zone_and_refused_without() {
        let zoned = |text| timestamp(text, Unit::Micros, true);
        let local = |text| timestamp(text, Unit::Micros, false);
        assert_eq!(zoned("1970-01-01T00:00:01Z"), Ok(1_000_000));
        assert_eq!(zoned("1970-01-01 02:00:01+02:00"), Ok(1_000_000));
        assert_eq!(zoned("1969-12-31T18:30:01.5-05:30"), Ok(1_500_000));
        assert_eq!(local("1970-01-01 00:00:01"), Ok(1_000_000));
        for text in [
            "1970-01-01T00:00:00",
            "1970-01-01T00:00:00z",
            "1970-01-01T00:00:00+00",
            "1970-01-01T00:00:00+0000",
            "1970-01-01T00:00:00+1:00",
            "1970-01-01T00:00:00 Z",
            "1970-01-01T00:00:00ZZ",
            "1970-01-01T00:00:00+00:00:00",
            "1970-01-01t00:00:00Z",
            "1970-01-01T00:00Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01",
        ] {
            assert_eq!(zoned(text), Err(ZONED_FORM), "{text}");
        }
        for text in ["1970-01-01T00:00:00Z", "1970-01-01T00:00:00+00:00", "1970-01-01T00:00:00.5Z", "1970-01-01"] {
            assert_eq!(local(text), Err(LOCAL_FORM), "{text}");
        }
        assert_eq!(zoned("1970-01-01T00:00:00+24:00"), Err(NO_SUCH_OFFSET));
        assert_eq!(zoned("1970-01-01T00:00:00-00:60"), Err(NO_SUCH_OFFSET));
        assert_eq!(zoned("1970-01-01T23:59:60Z"), Err(NO_SUCH_TIME));
    }

    #[test]
    fn the_ends_of_the_ranges_hold() {
        let micros = |text| timestamp(text, Unit::Micros, true);
        assert_eq!(micros("0001-01-01T00:00:00Z"), Ok(SECONDS_MIN * 1_000_000));
        assert_eq!(micros("9999-12-31T23:59:59.999999Z"), Ok(SECONDS_MAX * 1_000_000 + 999_999));
        assert_eq!(micros("0001-01-01T00:00:00+00:01"), Err(OUTSIDE_UTC_YEARS));
        assert_eq!(micros("9999-12-31T23:59:59-00:01"), Err(OUTSIDE_UTC_YEARS));
        let nanos = |text| timestamp(text, Unit::Nanos, false);
        assert_eq!(nanos("1677-09-21T00:12:43.145224192"), Ok(i64::MIN));
        assert_eq!(nanos("1677-09-21T00:12:43.145224191"), Err(OUTSIDE_NANOS));
        assert_eq!(nanos("2262-04-11T23:47:16.854775807"), Ok(i64::MAX));
        assert_eq!(nanos("2262-04-11T23:47:16.854775808"), Err(OUTSIDE_NANOS));
    }

    proptest! {
        #[test]
        fn any_instant_in_any_offset_agrees_with_chrono(micros in SECONDS_MIN * 1_000_000..SECONDS_MAX * 1_000_000, minutes_east in -1439i32..=1439, space in any::<bool>()) {
            let utc = EPOCH.and_hms_opt(0, 0, 0).unwrap() + TimeDelta::microseconds(micros);
            let local = utc.checked_add_signed(TimeDelta::minutes(i64::from(minutes_east))).unwrap();
            prop_assume!((1..=9999).contains(&local.year()));
            let zone = FixedOffset::east_opt(minutes_east * 60).unwrap();
            let written = DateTime::<FixedOffset>::from_naive_utc_and_offset(utc, zone);
            let text = written.format(if space { "%Y-%m-%d %H:%M:%S%.6f%:z" } else { "%Y-%m-%dT%H:%M:%S%.f%:z" }).to_string();
            prop_assert_eq!(timestamp(&text, Unit::Micros, true), Ok(micros), "{}", text);
            prop_assert_eq!(DateTime::parse_from_rfc3339(&text).unwrap().timestamp_micros(), micros);
        }

        #[test]
        fn any_nanosecond_agrees_with_chrono(nanos in any::<i64>()) {
            let written: NaiveDateTime = DateTime::from_timestamp_nanos(nanos).naive_utc();
            let text = written.format("%Y-%m-%dT%H:%M:%S%.f").to_string();
            prop_assert_eq!(timestamp(&text, Unit::Nanos, false), Ok(nanos), "{}", text);
            let time_text = written.time().with_nanosecond(written.nanosecond() / 1_000 * 1_000).unwrap().to_string();
            prop_assert_eq!(time(&time_text), Ok(nanos.rem_euclid(86_400 * NANOS_A_SECOND) / 1_000));
        }

        /// Near misses: texts over the alphabet of timestamps. What we take, chrono must take as the same instant.
        #[test]
        fn whatever_is_taken_chrono_takes_too(text in "[0-2][0-9]{3}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,7})?(Z|[+-][0-2][0-9]:[0-6][0-9])?") {
            let expected = DateTime::parse_from_rfc3339(&text).ok();
            if let Ok(micros) = timestamp(&text, Unit::Micros, true) {
                prop_assert_eq!(expected.map(|instant| instant.timestamp_micros()), Some(micros), "{}", text);
            }
        }

        #[test]
        fn no_text_panics(text in any::<String>(), near in "[0-9TZ:. +-]{0,40}") {
            for text in [&text, &near] {
                let _ = (date(text), time(text), timestamp(text, Unit::Micros, true), timestamp(text, Unit::Nanos, false));
            }
        }
    }
}
