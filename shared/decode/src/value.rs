//! One value into one column: what each Iceberg type takes from each JSON kind.
//!
//! The serde side (`record`) says what stands in the text; here the column's type decides. Every failure leaves its
//! words in the session.

use crate::column::{Column, Values, check_room};
use crate::rejection::{excerpt, quoted};
use crate::session::{Session, Stop};
use crate::structs::required;
use crate::{decimal, temporal, text};

/// A value of any JSON kind, for `column`.
pub(crate) struct ValueSeed<'a> {
    pub(crate) column: &'a mut Column,
    pub(crate) session: &'a mut Session,
}

impl ValueSeed<'_> {
    /// Whether the value is judged by its text: where the JSON library's number would be rounded, or already was once.
    #[inline]
    pub(crate) fn reads_text(&self) -> bool {
        match self.column.values {
            Values::Float(_) | Values::Double(_) | Values::Decimal { .. } => true,
            Values::Struct(_) | Values::List { .. } | Values::Map(_) => false,
            _ => self.session.exact_numbers,
        }
    }

    /// A whole JSON value as it is written, for a column that is no struct, list or map.
    pub(crate) fn json_text(&mut self, json: &str) -> Result<(), Stop> {
        match json.as_bytes().first() {
            Some(b'-' | b'0'..=b'9') => self.number(json),
            Some(b'"') => self.quoted_text(json),
            Some(b'n') => self.null(),
            Some(b't') => self.boolean(true),
            Some(b'f') => self.boolean(false),
            Some(b'[') => Err(self.mismatch("an array")),
            _ => Err(self.mismatch("an object")),
        }
    }

    /// A JSON string with its quotes.
    fn quoted_text(&mut self, json: &str) -> Result<(), Stop> {
        if !json.contains('\\') {
            return self.string(json.trim_matches('"'));
        }
        match serde_json::from_str::<String>(json) {
            Ok(text) => self.string(&text),
            Err(_) => Err(self.mismatch(format!("an escape that is no character in {}", excerpt(json)))),
        }
    }

    pub(crate) fn null(&mut self) -> Result<(), Stop> {
        if self.column.required {
            return Err(self.session.fail(required(self.column), "null"));
        }
        self.column.push_null(self.session)
    }

    pub(crate) fn boolean(&mut self, value: bool) -> Result<(), Stop> {
        match &mut self.column.values {
            Values::Boolean(bits) => bits.push(value),
            _ => return Err(self.mismatch(format!("boolean {value}"))),
        }
        self.column.validity.push_valid();
        Ok(())
    }

    #[inline]
    pub(crate) fn integer(&mut self, value: i64) -> Result<(), Stop> {
        match &mut self.column.values {
            Values::Long(values) => values.push(value),
            Values::Int(values) => match i32::try_from(value) {
                Ok(value) => values.push(value),
                Err(_) => return Err(self.mismatch(format!("number {value}"))),
            },
            _ => return Err(self.mismatch(format!("number {value}"))),
        }
        self.column.validity.push_valid();
        Ok(())
    }

    /// A JSON number as it is written.
    fn number(&mut self, number: &str) -> Result<(), Stop> {
        let taken = match &mut self.column.values {
            Values::Int(_) | Values::Long(_) => match text::integer(number) {
                Some(value) => return self.integer(value),
                None => Err(WRONG_KIND),
            },
            // The standard library rounds to the nearest value of the very type: no detour by f64 for f32.
            Values::Float(values) => finite(number.parse(), f32::is_finite).map(|value| values.push(value)),
            Values::Double(values) => finite(number.parse(), f64::is_finite).map(|value| values.push(value)),
            Values::Decimal { unscaled, precision, scale } => {
                decimal::parse(number, *precision, *scale).map(|value| unscaled.push(value))
            }
            _ => Err(WRONG_KIND),
        };
        self.finish(taken, |number| format!("number {}", excerpt(number)), number)
    }

    /// The text of a JSON string.
    #[inline]
    pub(crate) fn string(&mut self, string: &str) -> Result<(), Stop> {
        let taken = match &mut self.column.values {
            Values::String(strings) => {
                strings.push(string.as_bytes(), self.session)?;
                Ok(())
            }
            Values::Date(values) => temporal::date(string).map(|value| values.push(value)),
            Values::Time(values) => temporal::time(string).map(|value| values.push(value)),
            Values::Timestamp { values, unit, zoned } => {
                temporal::timestamp(string, *unit, *zoned).map(|value| values.push(value))
            }
            Values::Decimal { unscaled, precision, scale } => {
                decimal::parse(string, *precision, *scale).map(|value| unscaled.push(value))
            }
            Values::Uuid(values) => text::uuid(string).map(|value| values.push(value)),
            Values::Binary(binaries) => match text::hex_into(string, &mut binaries.bytes) {
                Ok(()) => Ok(binaries.end_value(self.session)?),
                Err(rule) => Err(rule),
            },
            Values::Fixed { bytes, width } => {
                check_room(bytes.len() + *width, self.session)?;
                text::hex_exact_into(string, *width, bytes)
            }
            _ => Err(WRONG_KIND),
        };
        self.finish(taken, quoted, string)
    }

    /// The text of a map key: as in a JSON string, and the integers and booleans that a key can only spell.
    pub(crate) fn key(&mut self, key: &str) -> Result<(), Stop> {
        match &self.column.values {
            Values::Int(_) | Values::Long(_) => match text::integer(key) {
                Some(value) => self.integer(value),
                None => Err(self.mismatch(format!("key \"{}\"", excerpt(key)))),
            },
            Values::Boolean(_) => match text::boolean(key) {
                Some(value) => self.boolean(value),
                None => Err(self.mismatch(format!("key \"{}\"", excerpt(key)))),
            },
            _ => self.string(key),
        }
    }

    /// Ends a value that was read from text, or refuses it by the rule it broke.
    #[inline]
    fn finish(
        &mut self,
        taken: Result<(), text::Rule>,
        show: impl Fn(&str) -> String,
        found: &str,
    ) -> Result<(), Stop> {
        match taken {
            Ok(()) => {
                self.column.validity.push_valid();
                Ok(())
            }
            Err(WRONG_KIND) => Err(self.mismatch(show(found))),
            Err(rule) => Err(self.session.fail(format!("{} ({rule})", self.column.type_name), show(found))),
        }
    }

    #[cold]
    pub(crate) fn mismatch(&mut self, found: impl Into<String>) -> Stop {
        self.session.fail(&*self.column.type_name, found)
    }
}

/// The rule broken by a value that does not even have the kind of its column's type: naming the type says it all.
const WRONG_KIND: text::Rule = "";

/// A parsed number unless it is past the type's range, which JSON has no word for.
fn finite<F: Copy>(
    parsed: Result<F, std::num::ParseFloatError>,
    is_finite: impl Fn(F) -> bool,
) -> Result<F, text::Rule> {
    parsed.ok().filter(|value| is_finite(*value)).ok_or("a number in the range of the type")
}
