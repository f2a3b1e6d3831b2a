//! Hive-style folder names for partitions, for people who browse the bucket: readers take the values
//! from the manifest, never from the path.
//!
//! Our own, since `Datum`'s Display in iceberg 0.10.1 panics on times before 1970 in debug builds.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, Timelike};
use iceberg::spec::{Literal, PartitionSpec, PrimitiveLiteral, PrimitiveType, Struct, StructType, Transform, Type};

/// Longest encoded value in a folder name: file systems end names at 255 bytes, S3 keys at 1024.
const VALUE_BYTES_MAX: usize = 96;

/// `name=value/name=value`, values URL-encoded as Java's writers do; empty for an unpartitioned spec.
pub(crate) fn partition_path(spec: &PartitionSpec, partition_type: &StructType, values: &Struct) -> String {
    let fields = spec.fields().iter().zip(partition_type.fields()).zip(values.iter());
    let parts = fields.map(|((field, typed), value)| {
        let text = value.map_or_else(|| "null".to_owned(), |value| shown(&field.transform, &typed.field_type, value));
        format!("{}={}", encoded(&field.name), encoded(&text))
    });
    parts.collect::<Vec<_>>().join("/")
}

fn shown(transform: &Transform, value_type: &Type, value: &Literal) -> String {
    let Literal::Primitive(primitive) = value else { return "value".to_owned() };
    match (transform, primitive) {
        (Transform::Year, PrimitiveLiteral::Int(years)) => (1970 + i64::from(*years)).to_string(),
        (Transform::Month, PrimitiveLiteral::Int(months)) => {
            format!("{:04}-{:02}", 1970 + i64::from(months.div_euclid(12)), months.rem_euclid(12) + 1)
        }
        (Transform::Day, PrimitiveLiteral::Int(days)) => date(*days),
        (Transform::Hour, PrimitiveLiteral::Int(hours)) => {
            format!("{}-{:02}", date(hours.div_euclid(24)), hours.rem_euclid(24))
        }
        _ => shown_as(value_type, primitive),
    }
}

fn shown_as(value_type: &Type, value: &PrimitiveLiteral) -> String {
    let primitive_type = value_type.as_primitive_type();
    match value {
        PrimitiveLiteral::Boolean(value) => value.to_string(),
        PrimitiveLiteral::Int(days) if matches!(primitive_type, Some(PrimitiveType::Date)) => date(*days),
        PrimitiveLiteral::Int(value) => value.to_string(),
        PrimitiveLiteral::Long(value) => match primitive_type {
            Some(PrimitiveType::Time) => time(*value),
            Some(PrimitiveType::Timestamp | PrimitiveType::Timestamptz) => {
                timestamp(DateTime::from_timestamp_micros(*value), *value)
            }
            Some(PrimitiveType::TimestampNs | PrimitiveType::TimestamptzNs) => {
                timestamp(Some(DateTime::from_timestamp_nanos(*value)), *value)
            }
            _ => value.to_string(),
        },
        PrimitiveLiteral::Float(value) => value.to_string(),
        PrimitiveLiteral::Double(value) => value.to_string(),
        PrimitiveLiteral::String(value) => value.clone(),
        PrimitiveLiteral::Binary(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        PrimitiveLiteral::UInt128(value) => uuid::Uuid::from_u128(*value).to_string(),
        PrimitiveLiteral::Int128(unscaled) => match primitive_type {
            Some(PrimitiveType::Decimal { scale, .. }) => decimal(*unscaled, *scale),
            _ => unscaled.to_string(),
        },
        PrimitiveLiteral::AboveMax | PrimitiveLiteral::BelowMin => "value".to_owned(),
    }
}

fn date(days: i32) -> String {
    let epoch = NaiveDate::default();
    let distance = Days::new(u64::from(days.unsigned_abs()));
    let moved = if days < 0 { epoch.checked_sub_days(distance) } else { epoch.checked_add_days(distance) };
    moved.map_or_else(|| days.to_string(), |day| format!("{:04}-{:02}-{:02}", day.year(), day.month(), day.day()))
}

fn time(micros: i64) -> String {
    let of_day = u32::try_from(micros.div_euclid(1_000_000)).ok().zip(u32::try_from(micros.rem_euclid(1_000_000)).ok());
    let time = of_day.and_then(|(seconds, rest)| NaiveTime::from_num_seconds_from_midnight_opt(seconds, rest * 1000));
    time.map_or_else(
        || micros.to_string(),
        |time| format!("{:02}:{:02}:{:02}.{:06}", time.hour(), time.minute(), time.second(), time.nanosecond() / 1000),
    )
}

fn timestamp(at: Option<DateTime<chrono::Utc>>, raw: i64) -> String {
    at.map_or_else(|| raw.to_string(), |at| at.naive_utc().format("%Y-%m-%dT%H:%M:%S%.f").to_string())
}

fn decimal(unscaled: i128, scale: u32) -> String {
    if scale == 0 {
        return unscaled.to_string();
    }
    let scale = scale as usize;
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{}{whole}.{fraction}", if unscaled < 0 { "-" } else { "" })
}

/// `application/x-www-form-urlencoded`, as `java.net.URLEncoder`, cut to a bound between characters.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        let mut piece = String::new();
        match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '*' | '_' => piece.push(character),
            ' ' => piece.push('+'),
            other => {
                let mut buffer = [0; 4];
                for byte in other.encode_utf8(&mut buffer).bytes() {
                    piece.push_str(&format!("%{byte:02X}"));
                }
            }
        }
        if out.len() + piece.len() > VALUE_BYTES_MAX {
            break;
        }
        out.push_str(&piece);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_have_a_folder_too() {
        assert_eq!(date(-1), "1969-12-31");
        let month = shown(&Transform::Month, &Type::Primitive(PrimitiveType::Int), &Literal::int(-1));
        assert_eq!(month, "1969-12");
        let hour = shown(&Transform::Hour, &Type::Primitive(PrimitiveType::Int), &Literal::int(-1));
        assert_eq!(hour, "1969-12-31-23");
        let micros = Type::Primitive(PrimitiveType::Timestamptz);
        assert_eq!(shown(&Transform::Identity, &micros, &Literal::timestamptz(-1)), "1969-12-31T23:59:59.999999");
    }

    #[test]
    fn a_value_cannot_leave_its_folder_or_outgrow_a_name() {
        assert_eq!(encoded("../a/b=c d"), "..%2Fa%2Fb%3Dc+d");
        assert_eq!(encoded("é"), "%C3%A9");
        assert!(encoded(&"é".repeat(10_000)).len() <= VALUE_BYTES_MAX);
    }

    #[test]
    fn decimals_keep_their_scale() {
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(12345, 2), "123.45");
        assert_eq!(decimal(7, 0), "7");
    }
}
