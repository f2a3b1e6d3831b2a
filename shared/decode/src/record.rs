//! One record's JSON, read straight into columns: the serde side of the decoder.
//!
//! Each seed borrows the column it fills, so that the JSON library's own recursion walks record and schema side by side
//! and no value is ever built twice. The library stops at 128 levels, whatever the schema.

use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::column::{Column, MapValues, Values, push_offset};
use crate::rejection::{excerpt, quoted};
use crate::session::{Session, Stop};
use crate::structs::Fields;
use crate::value::ValueSeed;

/// Levels of objects and arrays that a record may have, the record's own included: the JSON library's limit, which it
/// does not keep where it only skips.
pub(crate) const DEPTH_MAX: usize = 127;

/// [`Fields::depth`] of the record's own fields.
const RECORD_DEPTH: usize = 1;

/// Reads one whole record into row `row` of `fields`.
pub(crate) fn read(record: &str, fields: &mut Fields, row: usize, session: &mut Session) -> serde_json::Result<()> {
    let mut json = serde_json::Deserializer::from_str(record);
    json.deserialize_any(RecordVisitor { fields, row, session: &mut *session })?;
    json.end()
}

/// The top level: nothing but an object.
struct RecordVisitor<'a> {
    fields: &'a mut Fields,
    row: usize,
    session: &'a mut Session,
}

impl RecordVisitor<'_> {
    fn refuse<E: de::Error>(self, found: impl Into<String>) -> Result<(), E> {
        Err(self.session.fail("one JSON object", found).raise())
    }
}

impl<'de> Visitor<'de> for RecordVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        read_fields(map, self.fields, self.row, self.session)
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.refuse("null")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.refuse(format!("boolean {value}"))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.refuse(format!("number {value}"))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.refuse(format!("number {value}"))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        self.refuse(number(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<(), E> {
        self.refuse(quoted(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        self.refuse("an array")
    }
}

/// How a message shows a number that the JSON library has already read: written out, an f64 has up to 300 digits.
#[cold]
fn number(value: f64) -> String {
    format!("number {}", excerpt(&value.to_string()))
}

/// The fields of the record or of a struct, into row `row`.
fn read_fields<'de, A: MapAccess<'de>>(
    mut map: A,
    fields: &mut Fields,
    row: usize,
    session: &mut Session,
) -> Result<(), A::Error> {
    let mut after = 0;
    while let Some(found) = map.next_key_seed(FieldSeed { fields: &*fields, after })? {
        let Some(position) = found else {
            let value = map.next_value::<&RawValue>()?;
            ignore(value.get(), fields.depth, session).map_err(Stop::raise)?;
            continue;
        };
        fields.learn(after, position);
        after = position + 1;
        let field = &mut fields.fields[position];
        let outcome = if field.column.len() > row {
            Err(session.fail("each field once", "it a second time").raise())
        } else {
            map.next_value_seed(ValueSeed { column: &mut field.column, session: &mut *session })
        };
        outcome.inspect_err(|_| session.inside_field(&field.name))?;
    }
    fields.complete(row, session).map_err(Stop::raise)?;
    // A record of another table would otherwise pass as a row of NULLs.
    if after == 0 && fields.depth == RECORD_DEPTH && session.fields_ignored > 0 {
        let found = "only fields that it has no column for";
        return Err(session.fail("a field of the table", found).raise());
    }
    Ok(())
}

/// Counts a field without a column. Its value is skipped unread but for its depth, which is held to the same limit as
/// in columns: whether a record is taken must not depend on how the schema stands to its deep parts.
fn ignore(value: &str, depth: usize, session: &mut Session) -> Result<(), Stop> {
    session.fields_ignored += 1;
    if value.starts_with(['[', '{']) && depth + nesting(value) > DEPTH_MAX {
        let found = "more, in a field that the schema has no column for";
        return Err(session.fail(format!("at most {DEPTH_MAX} levels of objects and arrays"), found));
    }
    Ok(())
}

/// Levels of objects and arrays in a valid JSON text.
fn nesting(json: &str) -> usize {
    let (mut level, mut deepest) = (0usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                level += 1;
                deepest = deepest.max(level);
            }
            b']' | b'}' => level = level.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A key of an object that is a struct: the position of its field, `None` for a field without a column.
struct FieldSeed<'a> {
    fields: &'a Fields,
    after: usize,
}

impl<'de> DeserializeSeed<'de> for FieldSeed<'_> {
    type Value = Option<usize>;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldSeed<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    #[inline]
    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.fields.find(name, self.after))
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = ();

    #[inline]
    fn deserialize<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<(), D::Error> {
        if self.reads_text() {
            let value = <&RawValue>::deserialize(deserializer)?;
            self.json_text(value.get()).map_err(Stop::raise)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.column.type_name)
    }

    #[inline]
    fn visit_unit<E: de::Error>(mut self) -> Result<(), E> {
        self.null().map_err(Stop::raise)
    }

    #[inline]
    fn visit_bool<E: de::Error>(mut self, value: bool) -> Result<(), E> {
        self.boolean(value).map_err(Stop::raise)
    }

    #[inline]
    fn visit_i64<E: de::Error>(mut self, value: i64) -> Result<(), E> {
        self.integer(value).map_err(Stop::raise)
    }

    #[inline]
    fn visit_u64<E: de::Error>(mut self, value: u64) -> Result<(), E> {
        match i64::try_from(value) {
            Ok(value) => self.integer(value).map_err(Stop::raise),
            Err(_) => Err(self.mismatch(format!("number {value}")).raise()),
        }
    }

    fn visit_f64<E: de::Error>(mut self, value: f64) -> Result<(), E> {
        self.session.inexact_number_met = true;
        Err(self.mismatch(number(value)).raise())
    }

    #[inline]
    fn visit_str<E: de::Error>(mut self, value: &str) -> Result<(), E> {
        self.string(value).map_err(Stop::raise)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, seq: A) -> Result<(), A::Error> {
        let Values::List { offsets, elements } = &mut self.column.values else {
            return Err(self.mismatch("an array").raise());
        };
        read_elements(seq, elements, self.session)?;
        push_offset(offsets, elements.len(), self.session).map_err(Stop::raise)?;
        self.column.validity.push_valid();
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, map: A) -> Result<(), A::Error> {
        match &mut self.column.values {
            Values::Struct(fields) => read_fields(map, fields, self.column.validity.len(), self.session)?,
            Values::Map(entries) => read_entries(map, entries, self.session)?,
            _ => return Err(self.mismatch("an object").raise()),
        }
        self.column.validity.push_valid();
        Ok(())
    }
}

fn read_elements<'de, A: SeqAccess<'de>>(
    mut seq: A,
    elements: &mut Column,
    session: &mut Session,
) -> Result<(), A::Error> {
    let first = elements.len();
    loop {
        match seq.next_element_seed(ValueSeed { column: &mut *elements, session: &mut *session }) {
            Ok(Some(())) => {}
            Ok(None) => return Ok(()),
            Err(error) => {
                session.inside_element(elements.len() - first);
                return Err(error);
            }
        }
    }
}

fn read_entries<'de, A: MapAccess<'de>>(
    mut map: A,
    entries: &mut MapValues,
    session: &mut Session,
) -> Result<(), A::Error> {
    let MapValues { offsets, keys, values, key_text } = entries;
    let first = keys.len();
    while let Some(()) =
        map.next_key_seed(KeySeed { keys: &mut *keys, key_text: &mut *key_text, session: &mut *session })?
    {
        let outcome = map.next_value_seed(ValueSeed { column: &mut *values, session: &mut *session });
        outcome.inspect_err(|_| session.inside_entry(key_text))?;
    }
    if let Some((earlier, later)) = keys.values.repeated(first..keys.len()) {
        let found = format!("one key in entries {} and {}", earlier - first, later - first);
        return Err(session.fail("each key once", found).raise());
    }
    push_offset(offsets, keys.len(), session).map_err(Stop::raise)
}

/// A key of an object that is a map.
struct KeySeed<'a> {
    keys: &'a mut Column,
    key_text: &'a mut String,
    session: &'a mut Session,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

/// Bytes of a key that are kept for a message about its value; more than any message shows.
const KEY_BYTES_KEPT: usize = 400;

impl Visitor<'_> for KeySeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<(), E> {
        self.key_text.clear();
        self.key_text.push_str(&key[..key.floor_char_boundary(KEY_BYTES_KEPT)]);
        let mut seed = ValueSeed { column: self.keys, session: &mut *self.session };
        let outcome = seed.key(key);
        outcome.inspect_err(|_| self.session.inside_entry(self.key_text)).map_err(Stop::raise)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_counts_brackets_outside_of_strings() {
        for (json, levels) in [("1", 0), ("[]", 1), ("[[],[{}]]", 3), (r#"["[[[", "\"[", "\\", {}]"#, 2)] {
            assert_eq!(nesting(json), levels, "{json}");
        }
    }
}
