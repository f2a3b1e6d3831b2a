//! Extremes of a column in the spec's single-value binary form, their order, and bounds cut from them (Iceberg spec, Appendix D and
//! "Metrics").

use std::cmp::Ordering;

use arrow_arith::aggregate;
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType, TimestampNanosecondType,
};
use iceberg::spec::PrimitiveType;

/// Least and greatest value in the spec's single-value binary form; `None` where there is none.
pub(super) fn extremes(primitive: &PrimitiveType, column: &ArrayRef) -> Option<(Vec<u8>, Vec<u8>)> {
    macro_rules! little_endian {
        ($type:ty) => {{
            let values = column.as_primitive_opt::<$type>()?;
            let (least, greatest) = (aggregate::min(values)?, aggregate::max(values)?);
            Some((least.to_le_bytes().to_vec(), greatest.to_le_bytes().to_vec()))
        }};
    }
    match primitive {
        PrimitiveType::Boolean => {
            let values = column.as_boolean_opt()?;
            let (least, greatest) = (aggregate::min_boolean(values)?, aggregate::max_boolean(values)?);
            Some((vec![u8::from(least)], vec![u8::from(greatest)]))
        }
        PrimitiveType::Int => little_endian!(Int32Type),
        PrimitiveType::Long => little_endian!(Int64Type),
        // By the total order, in which -0.0 is less than 0.0.
        PrimitiveType::Float => little_endian!(Float32Type),
        PrimitiveType::Double => little_endian!(Float64Type),
        PrimitiveType::Date => little_endian!(Date32Type),
        PrimitiveType::Time => little_endian!(Time64MicrosecondType),
        PrimitiveType::Timestamp | PrimitiveType::Timestamptz => little_endian!(TimestampMicrosecondType),
        PrimitiveType::TimestampNs | PrimitiveType::TimestamptzNs => little_endian!(TimestampNanosecondType),
        PrimitiveType::Decimal { .. } => {
            let values = column.as_primitive_opt::<Decimal128Type>()?;
            let (least, greatest) = (aggregate::min(values)?, aggregate::max(values)?);
            Some((unscaled_bytes(least), unscaled_bytes(greatest)))
        }
        PrimitiveType::String => {
            let values = column.as_string_opt::<i32>()?;
            let (least, greatest) = (aggregate::min_string(values)?, aggregate::max_string(values)?);
            Some((least.as_bytes().to_vec(), greatest.as_bytes().to_vec()))
        }
        PrimitiveType::Binary => {
            let values = column.as_binary_opt::<i64>()?;
            let (least, greatest) = (aggregate::min_binary(values)?, aggregate::max_binary(values)?);
            Some((least.to_vec(), greatest.to_vec()))
        }
        PrimitiveType::Uuid | PrimitiveType::Fixed(_) => {
            let values = column.as_fixed_size_binary_opt()?;
            let (least, greatest) = (values.iter().flatten().min()?, values.iter().flatten().max()?);
            Some((least.to_vec(), greatest.to_vec()))
        }
    }
}

/// How two values in that form compare within their column.
pub(super) fn compare(primitive: &PrimitiveType, one: &[u8], other: &[u8]) -> Ordering {
    match primitive {
        PrimitiveType::Int | PrimitiveType::Date => {
            i32::from_le_bytes(fixed(one)).cmp(&i32::from_le_bytes(fixed(other)))
        }
        PrimitiveType::Long
        | PrimitiveType::Time
        | PrimitiveType::Timestamp
        | PrimitiveType::Timestamptz
        | PrimitiveType::TimestampNs
        | PrimitiveType::TimestamptzNs => i64::from_le_bytes(fixed(one)).cmp(&i64::from_le_bytes(fixed(other))),
        PrimitiveType::Float => f32::from_le_bytes(fixed(one)).total_cmp(&f32::from_le_bytes(fixed(other))),
        PrimitiveType::Double => f64::from_le_bytes(fixed(one)).total_cmp(&f64::from_le_bytes(fixed(other))),
        PrimitiveType::Decimal { .. } => unscaled(one).cmp(&unscaled(other)),
        PrimitiveType::Boolean
        | PrimitiveType::String
        | PrimitiveType::Binary
        | PrimitiveType::Uuid
        | PrimitiveType::Fixed(_) => one.cmp(other),
    }
}

/// The bytes of a number that [`extremes`] wrote, which always has this length.
fn fixed<const LENGTH: usize>(bytes: &[u8]) -> [u8; LENGTH] {
    bytes.try_into().unwrap_or([0; LENGTH])
}

/// The number that [`unscaled_bytes`] wrote.
fn unscaled(bytes: &[u8]) -> i128 {
    let is_negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    bytes.iter().fold(if is_negative { -1 } else { 0 }, |value, byte| (value << 8) | i128::from(*byte))
}

/// Two's complement, big-endian, in the fewest bytes (spec, Appendix D).
fn unscaled_bytes(value: i128) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let sign: u8 = if value < 0 { 0xFF } else { 0 };
    let redundant = |index: &usize| bytes[*index] == sign && (bytes[index + 1] & 0x80) == (sign & 0x80);
    let skip = (0..bytes.len() - 1).take_while(redundant).count();
    bytes[skip..].to_vec()
}

/// Cuts strings and binaries: a lower bound may be shorter (and so smaller), an upper bound must be rounded up.
pub(super) fn cut(
    primitive: &PrimitiveType,
    length: usize,
    lower: Vec<u8>,
    upper: Vec<u8>,
) -> (Vec<u8>, Option<Vec<u8>>) {
    match primitive {
        PrimitiveType::String => {
            // The arrays hold valid UTF-8, so nothing is replaced here.
            let (low, high) = (String::from_utf8_lossy(&lower), String::from_utf8_lossy(&upper));
            (low.chars().take(length).collect::<String>().into_bytes(), rounded_up_text(&high, length))
        }
        PrimitiveType::Binary => (lower.into_iter().take(length).collect(), rounded_up_bytes(upper, length)),
        _ => (lower, Some(upper)),
    }
}

/// At most `length` characters that sort at or after `text`; `None` when there are none.
fn rounded_up_text(text: &str, length: usize) -> Option<Vec<u8>> {
    let Some((end, _)) = text.char_indices().nth(length) else { return Some(text.as_bytes().to_vec()) };
    let mut kept: Vec<char> = text[..end].chars().collect();
    while let Some(last) = kept.pop() {
        if let Some(next) = following(last) {
            kept.push(next);
            return Some(kept.into_iter().collect::<String>().into_bytes());
        }
    }
    None
}

/// The next code point, over the gap that UTF-16 surrogates leave.
fn following(character: char) -> Option<char> {
    match u32::from(character) + 1 {
        0xD800 => Some('\u{E000}'),
        next => char::from_u32(next),
    }
}

/// At most `length` bytes that sort at or after `bytes`; `None` when there are none.
fn rounded_up_bytes(mut bytes: Vec<u8>, length: usize) -> Option<Vec<u8>> {
    if bytes.len() <= length {
        return Some(bytes);
    }
    bytes.truncate(length);
    while let Some(last) = bytes.pop() {
        if let Some(next) = last.checked_add(1) {
            bytes.push(next);
            return Some(bytes);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_upper_bound_steps_over_surrogates_and_gives_up_at_the_top() {
        assert_eq!(rounded_up_text("ab\u{D7FF}z", 3).unwrap(), "ab\u{E000}".as_bytes());
        assert_eq!(rounded_up_text("a\u{10FFFF}z", 2).unwrap(), b"b");
        assert_eq!(rounded_up_text("\u{10FFFF}\u{10FFFF}z", 2), None);
        assert_eq!(rounded_up_bytes(vec![1, 0xFF, 9], 2), Some(vec![2]));
        assert_eq!(rounded_up_bytes(vec![0xFF, 0xFF, 9], 2), None);
    }

    proptest! {
        #[test]
        fn cut_bounds_still_enclose_every_string(text in "\\PC{0,40}", length in 1..20usize) {
            let (lower, upper) = cut(&PrimitiveType::String, length, text.clone().into_bytes(), text.clone().into_bytes());
            prop_assert!(lower.as_slice() <= text.as_bytes());
            if let Some(upper) = upper {
                prop_assert!(text.as_bytes() <= upper.as_slice());
            }
        }

        #[test]
        fn unscaled_bytes_are_the_shortest_that_read_back(value in any::<i128>(), shift in 0..127u32) {
            let value = value >> shift;
            let bytes = unscaled_bytes(value);
            let sign = if value < 0 { 0xFF } else { 0 };
            let mut wide = [sign; 16];
            wide[16 - bytes.len()..].copy_from_slice(&bytes);
            prop_assert_eq!(i128::from_be_bytes(wide), value);
            prop_assert_eq!(unscaled(&bytes), value);
            if bytes.len() > 1 {
                let shorter = &bytes[1..];
                let mut wide = [if shorter[0] & 0x80 == 0 { 0 } else { 0xFF }; 16];
                wide[16 - shorter.len()..].copy_from_slice(shorter);
                prop_assert_ne!(i128::from_be_bytes(wide), value);
            }
        }
    }
}
