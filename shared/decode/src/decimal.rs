//! Decimal text to an unscaled integer, exactly or not at all.

use crate::text::Rule;

/// Most digits of a decimal: Iceberg's bound, and what fits a 128-bit integer.
pub(crate) const PRECISION_MAX: u32 = 38;

/// Digits that a `u64` holds whatever they are.
const DIGITS_IN_U64: usize = 19;

/// The unscaled value of `text` for `decimal(precision, scale)`.
///
/// `text` is a number in JSON's grammar (RFC 8259, section 6), exponent included. The value must be representable:
/// fraction digits past the scale must be zeros, and at most `precision` digits may remain.
pub(crate) fn parse(text: &str, precision: u32, scale: u32) -> Result<i128, Rule> {
    let number = Number::try_new(text.as_bytes())?;
    let magnitude = match number.small() {
        Some(digits) if number.fraction.len() <= scale as usize => {
            rescale(digits, scale - number.fraction.len() as u32, precision)?
        }
        _ => number.exact(precision, scale)?,
    };
    Ok(if number.negative { -magnitude } else { magnitude })
}

/// `digits * 10^shift` within `precision` digits.
fn rescale(digits: u64, shift: u32, precision: u32) -> Result<i128, Rule> {
    10i128
        .checked_pow(shift)
        .and_then(|power| power.checked_mul(i128::from(digits)))
        .filter(|value| *value < 10i128.pow(precision.min(PRECISION_MAX)))
        .ok_or(TOO_MANY_DIGITS)
}

const NOT_A_NUMBER: Rule = "a number, as 12.50";
const TOO_MANY_DIGITS: Rule = "no more digits before the point than the precision leaves";
const TOO_FINE: Rule = "no digits but zeros past the scale";

/// A number's text, cut into its parts.
struct Number<'a> {
    negative: bool,
    integer: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> Number<'a> {
    fn try_new(text: &'a [u8]) -> Result<Self, Rule> {
        let (negative, rest) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
        let (integer, rest) = rest.split_at(digits(rest));
        let leading_zero = integer.len() > 1 && integer.first() == Some(&b'0');
        if integer.is_empty() || leading_zero {
            return Err(NOT_A_NUMBER);
        }
        let (fraction, rest) = match rest.strip_prefix(b".") {
            Some(rest) if digits(rest) > 0 => rest.split_at(digits(rest)),
            Some(_) => return Err(NOT_A_NUMBER),
            None => (&[][..], rest),
        };
        let exponent = if rest.is_empty() { 0 } else { exponent(rest)? };
        Ok(Self { negative, integer, fraction, exponent })
    }

    /// All digits as one integer, when they are few and there is no exponent: nearly always.
    fn small(&self) -> Option<u64> {
        let few = self.exponent == 0 && self.integer.len() + self.fraction.len() < DIGITS_IN_U64;
        few.then(|| self.digits().fold(0, |value, digit| value * 10 + u64::from(digit)))
    }

    /// The unscaled magnitude by counting digits first, so that `1e999999999` costs nothing.
    fn exact(&self, precision: u32, scale: u32) -> Result<i128, Rule> {
        let zeros_behind = self.digits().rev().take_while(|digit| *digit == 0).count();
        let zeros_ahead = self.digits().take_while(|digit| *digit == 0).count();
        let written = self.integer.len() + self.fraction.len();
        if zeros_ahead == written {
            return Ok(0);
        }
        let significant = written - zeros_ahead - zeros_behind;
        // value = significant digits * 10^power; unscaled = value * 10^scale.
        let power = self.exponent.saturating_add(zeros_behind as i64).saturating_sub(self.fraction.len() as i64);
        let shift = power.saturating_add(i64::from(scale));
        let Ok(shift) = usize::try_from(shift) else {
            return Err(TOO_FINE);
        };
        if significant.saturating_add(shift) > precision.min(PRECISION_MAX) as usize {
            return Err(TOO_MANY_DIGITS);
        }
        let digits = self.digits().skip(zeros_ahead).take(significant).chain(std::iter::repeat_n(0, shift));
        Ok(digits.fold(0, |value, digit| value * 10 + i128::from(digit)))
    }

    fn digits(&self) -> impl DoubleEndedIterator<Item = u8> {
        self.integer.iter().chain(self.fraction).map(|digit| digit - b'0')
    }
}

/// How many digits `text` starts with.
fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// The exponent of `e5`, `E+5` or `e-5`. Past i64 it saturates: such a number is out of range or zero either way.
fn exponent(text: &[u8]) -> Result<i64, Rule> {
    let rest = text.strip_prefix(b"e").or_else(|| text.strip_prefix(b"E")).ok_or(NOT_A_NUMBER)?;
    let (negative, rest) = match rest {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if rest.is_empty() || digits(rest) != rest.len() {
        return Err(NOT_A_NUMBER);
    }
    let magnitude =
        rest.iter().fold(0i64, |value, digit| value.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    Ok(if negative { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn exact_values_are_taken_however_they_are_written() {
        let cases = [
            ("0", 0),
            ("-0", 0),
            ("0.00000", 0),
            ("0e999999999999999999999", 0),
            ("1", 100),
            ("-1.5", -150),
            ("12.50", 1250),
            ("12.5000000000000000000000000000", 1250),
            ("1e2", 10_000),
            ("1.25E+1", 1250),
            ("125e-1", 1250),
            ("1250e-2", 1250),
            ("0.01", 1),
            ("10e-3", 1),
            ("9999999.99", 999_999_999),
            ("0.00000000000000000000000000000000000000012e40", 120),
        ];
        for (text, unscaled) in cases {
            assert_eq!(parse(text, 9, 2), Ok(unscaled), "{text}");
        }
    }

    #[test]
    fn what_would_lose_a_digit_is_refused() {
        for text in ["1.234", "0.001", "1e-3", "1e-99999999999999999999", "12.345e0"] {
            assert_eq!(parse(text, 9, 2), Err(TOO_FINE), "{text}");
        }
        for text in ["10000000", "9999999990e-2", "1e7", "1e99999999999999999999", "123456789012345678901234567890"] {
            assert_eq!(parse(text, 9, 2), Err(TOO_MANY_DIGITS), "{text}");
        }
    }

    #[test]
    fn only_the_json_grammar_of_numbers_is_read() {
        for text in [
            "", "-", "+1", "01", "1.", ".5", "1e", "1e+", "1e1.5", "0x1", "1_000", " 1", "1 ", "NaN", "Infinity",
            "1,5", "--1", "١",
        ] {
            assert_eq!(parse(text, 9, 2), Err(NOT_A_NUMBER), "{text}");
        }
    }

    #[test]
    fn all_38_digits_can_be_used_and_no_more() {
        let nines = "9".repeat(38);
        assert_eq!(parse(&nines, 38, 0).map(|value| value.to_string()), Ok(nines.clone()));
        assert_eq!(parse(&format!("-0.{nines}"), 38, 38).map(|value| value.to_string()), Ok(format!("-{nines}")));
        assert_eq!(parse(&format!("1{}", "0".repeat(38)), 38, 0), Err(TOO_MANY_DIGITS));
        assert_eq!(parse("1e38", 38, 0), Err(TOO_MANY_DIGITS));
        assert_eq!(parse("1", 38, 38), Err(TOO_MANY_DIGITS));
    }

    proptest! {
        /// Writes an unscaled value with its point moved by an exponent, then expects the very value back.
        #[test]
        fn any_value_survives_any_exact_spelling(unscaled in -(10i128.pow(38) - 1)..10i128.pow(38), scale in 0u32..=38, shift in -60i64..60, zeros in 0usize..30) {
            let (sign, digits) = (if unscaled < 0 { "-" } else { "" }, unscaled.unsigned_abs().to_string());
            let padded = format!("{digits:0>60}{}", "0".repeat(zeros));
            // The digits as an integer of 60 + zeros digits, its point `shift` places from where the scale puts it.
            let point = (60 - i64::from(scale) + shift).clamp(1, 59) as usize;
            let exponent = 60 - i64::from(scale) - point as i64;
            let integer = padded[..point].trim_start_matches('0');
            let text = format!("{sign}{}.{}e{exponent}", if integer.is_empty() { "0" } else { integer }, &padded[point..]);
            prop_assert_eq!(parse(&text, 38, scale), Ok(unscaled), "{}", text);
        }

        #[test]
        fn the_short_way_and_the_long_way_agree(text in "-?(0|[1-9][0-9]{0,9})(\\.[0-9]{1,6})?", precision in 1u32..=38, scale in 0u32..=38) {
            let scale = scale.min(precision);
            let long = Number::try_new(text.as_bytes()).and_then(|number| {
                number.exact(precision, scale).map(|value| if number.negative { -value } else { value })
            });
            prop_assert_eq!(parse(&text, precision, scale), long);
        }

        #[test]
        fn no_text_panics(text in any::<String>(), numeric in "[-+0-9.eE]{0,50}", precision in 1u32..=38, scale in 0u32..=38) {
            let _ = parse(&text, precision, scale.min(precision));
            let _ = parse(&numeric, precision, scale.min(precision));
        }
    }
}
