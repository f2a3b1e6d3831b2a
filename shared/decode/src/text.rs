//! Texts of fixed form other than times and numbers: uuid, hexadecimal bytes, integers and booleans as map keys.

/// What a text failed to be, as it stands in a rejection: "expected uuid (this)".
pub(crate) type Rule = &'static str;

const UUID_FORM: Rule = "36 characters, as f79c3e09-677c-4bbd-a479-3f349cb785e7";
const HEX_FORM: Rule = "hexadecimal text, two digits a byte";
const HEX_LENGTH: Rule = "hexadecimal text of exactly the declared length";

/// The 16 bytes of a uuid in its canonical text (RFC 9562, section 4), letters in either case.
pub(crate) fn uuid(text: &str) -> Result<[u8; 16], Rule> {
    let text: &[u8; 36] = text.as_bytes().try_into().map_err(|_| UUID_FORM)?;
    let mut bytes = [0; 16];
    let mut position = 0;
    for (index, byte) in bytes.iter_mut().enumerate() {
        // The four dashes stand before these bytes.
        if matches!(index, 4 | 6 | 8 | 10) {
            if text[position] != b'-' {
                return Err(UUID_FORM);
            }
            position += 1;
        }
        *byte = hex_byte(text[position], text[position + 1]).ok_or(UUID_FORM)?;
        position += 2;
    }
    Ok(bytes)
}

/// Appends the bytes of a hexadecimal text: the form of Iceberg's JSON single-value serialization for `binary` and
/// `fixed`, here with letters in either case. After an error `bytes` may end in part of the value.
pub(crate) fn hex_into(text: &str, bytes: &mut Vec<u8>) -> Result<(), Rule> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return Err(HEX_FORM);
    };
    bytes.reserve(pairs.len());
    for [high, low] in pairs {
        bytes.push(hex_byte(*high, *low).ok_or(HEX_FORM)?);
    }
    Ok(())
}

/// [`hex_into`] for a value of exactly `width` bytes.
pub(crate) fn hex_exact_into(text: &str, width: usize, bytes: &mut Vec<u8>) -> Result<(), Rule> {
    if text.len() == width * 2 { hex_into(text, bytes) } else { Err(HEX_LENGTH) }
}

fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// An integer in JSON's grammar: no plus sign, no leading zeros, no fraction or exponent. `None` past 64 bits, too.
pub(crate) fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let canonical =
        !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) && (digits.len() == 1 || digits[0] != b'0');
    canonical.then(|| text.parse().ok()).flatten()
}

/// A boolean as JSON spells it.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_uuid_is_read_in_either_case_and_in_no_other_form() {
        let bytes = [0xf7, 0x9c, 0x3e, 0x09, 0x67, 0x7c, 0x4b, 0xbd, 0xa4, 0x79, 0x3f, 0x34, 0x9c, 0xb7, 0x85, 0xe7];
        assert_eq!(uuid("f79c3e09-677c-4bbd-a479-3f349cb785e7"), Ok(bytes));
        assert_eq!(uuid("F79C3E09-677C-4BBD-A479-3F349CB785E7"), Ok(bytes));
        for text in [
            "",
            "f79c3e09677c4bbda4793f349cb785e7",
            "{f79c3e09-677c-4bbd-a479-3f349cb785e7}",
            "f79c3e09-677c-4bbd-a479-3f349cb785eg",
            "f79c3e0-9677c-4bbd-a479-3f349cb785e7",
            "f79c3e09_677c-4bbd-a479-3f349cb785e7",
            "f79c3e09-677c-4bbd-a479-3f349cb785é",
        ] {
            assert_eq!(uuid(text), Err(UUID_FORM), "{text}");
        }
    }

    #[test]
    fn hexadecimal_text_has_two_digits_a_byte() {
        let read = |text: &str| {
            let mut bytes = vec![9];
            hex_into(text, &mut bytes).map(|()| bytes)
        };
        assert_eq!(read(""), Ok(vec![9]));
        assert_eq!(read("00fFA1"), Ok(vec![9, 0, 255, 161]));
        for text in ["0", "000", "0g", "+1", " 1", "é", "0x00"] {
            assert_eq!(read(text), Err(HEX_FORM), "{text}");
        }
        assert_eq!(hex_exact_into("0001", 3, &mut Vec::new()), Err(HEX_LENGTH));
        assert_eq!(hex_exact_into("000102", 3, &mut Vec::new()), Ok(()));
    }

    #[test]
    fn integers_and_booleans_follow_the_json_grammar() {
        assert_eq!(
            ["0", "-0", "12", "-9223372036854775808"].map(integer),
            [Some(0), Some(0), Some(12), Some(i64::MIN)]
        );
        for text in ["", "-", "+1", "01", "-01", "1.0", "1e3", " 1", "9223372036854775808", "١"] {
            assert_eq!(integer(text), None, "{text}");
        }
        assert_eq!(["true", "false", "True", "1", ""].map(boolean), [Some(true), Some(false), None, None, None]);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = (uuid(&text), hex_into(&text, &mut Vec::new()), integer(&text));
        }

        #[test]
        fn every_integer_is_read_back(value in any::<i64>()) {
            prop_assert_eq!(integer(&value.to_string()), Some(value));
        }
    }
}
