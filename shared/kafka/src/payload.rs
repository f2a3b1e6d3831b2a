//! A key or a value, decoded from base64 while the event is read.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The key or the value of a record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Payload {
    /// Kafka's null (a tombstone, as a value): JSON `null`, or the field left out.
    #[default]
    Null,
    /// The bytes, which may be empty.
    Bytes(Bytes),
    /// Not what the event promises (no base64, or no text at all). This record must be rejected;
    /// the others go on.
    Invalid {
        /// Expected and found, for the dead letter.
        reason: String,
    },
}

impl Payload {
    /// The bytes, unless null or invalid.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Null | Self::Invalid { .. } => None,
        }
    }

    fn from_base64(text: &str) -> Self {
        match STANDARD.decode(text) {
            Ok(bytes) => Self::Bytes(bytes.into()),
            Err(error) => Self::Invalid { reason: format!("expected base64, found other text: {error}") },
        }
    }

    fn unexpected(found: &str) -> Self {
        Self::Invalid { reason: format!("expected base64 text or null, found {found}") }
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PayloadVisitor)
    }
}

/// Takes any JSON value: what is no base64 text concerns one record, never the whole event.
struct PayloadVisitor;

impl<'de> Visitor<'de> for PayloadVisitor {
    type Value = Payload;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64 text or null")
    }

    fn visit_unit<E>(self) -> Result<Payload, E> {
        Ok(Payload::Null)
    }

    fn visit_str<E>(self, text: &str) -> Result<Payload, E> {
        Ok(Payload::from_base64(text))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Payload, E> {
        Ok(Payload::unexpected("a boolean"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Payload, E> {
        Ok(Payload::unexpected("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Payload, E> {
        Ok(Payload::unexpected("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Payload, E> {
        Ok(Payload::unexpected("a number"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Payload, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Payload::unexpected("an array"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Payload, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Payload::unexpected("an object"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Payload {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn base64_text_becomes_bytes_and_null_stays_null() {
        assert_eq!(parse("\"SGk=\"").as_bytes(), Some(b"Hi".as_slice()));
        assert_eq!(parse("\"\""), Payload::Bytes(Bytes::new()));
        assert_eq!(parse("null"), Payload::Null);
    }

    #[test]
    fn what_is_no_base64_text_is_invalid_and_says_why() {
        for (json, found) in [
            ("\"{!}\"", "other text"),
            ("\"SGk\"", "other text"),
            ("17", "a number"),
            ("-1", "a number"),
            ("1.5", "a number"),
            ("true", "a boolean"),
            ("[[1],{}]", "an array"),
            ("{\"a\":{\"b\":1}}", "an object"),
        ] {
            let Payload::Invalid { reason } = parse(json) else { panic!("{json} was taken") };
            assert!(reason.contains(&format!("found {found}")), "{json}: {reason}");
        }
    }
}
