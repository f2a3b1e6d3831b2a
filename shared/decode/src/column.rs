//! Columns under construction: plain vectors that can be cut back to an exact number of rows.
//!
//! Arrow's own builders can't forget a row, and a record may fail in its last byte after most columns took a value.
//! Here the number of rows says it all: [`Column::truncate`] follows the offsets down, however deep the nesting.
//!
//! Invariant between records: every column of a struct has as many rows as the struct. While a record is being read a
//! column may be one row ahead, which is how a second value for the same column is noticed.

use std::collections::HashSet;
use std::hash::Hash;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::OffsetSizeTrait;
use arrow_buffer::ArrowNativeType;

use crate::bits::{Bits, Validity};
use crate::session::{Session, Stop};
use crate::structs::Fields;
use crate::temporal::Unit;

/// One column, nested ones included: rows so far and what the schema says of them.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// Iceberg's name of the type, for messages.
    pub(crate) type_name: Arc<str>,
    pub(crate) required: bool,
    pub(crate) validity: Validity,
    pub(crate) values: Values,
}

/// The values of a column by Iceberg type. A NULL row holds a zero, an empty range or, in a struct, NULLs.
#[derive(Debug, Clone)]
pub(crate) enum Values {
    Boolean(Bits),
    Int(Vec<i32>),
    Long(Vec<i64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Decimal { unscaled: Vec<i128>, precision: u32, scale: u32 },
    Date(Vec<i32>),
    Time(Vec<i64>),
    Timestamp { values: Vec<i64>, unit: Unit, zoned: bool },
    String(VarBytes<i32>),
    Binary(VarBytes<i64>),
    Uuid(Vec<[u8; 16]>),
    Fixed { bytes: Vec<u8>, width: usize },
    Struct(Fields),
    List { offsets: Vec<i32>, elements: Box<Column> },
    Map(Box<MapValues>),
}

/// Entries of a map column.
#[derive(Debug, Clone)]
pub(crate) struct MapValues {
    pub(crate) offsets: Vec<i32>,
    pub(crate) keys: Column,
    pub(crate) values: Column,
    /// Start of the key being read: a message about its value names it.
    pub(crate) key_text: String,
}

/// A value for rows whose record lacks the field: Iceberg v3's `write-default`, for primitive types.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum DefaultValue {
    Boolean(bool),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    Decimal(i128),
    Uuid([u8; 16]),
    Bytes(Box<[u8]>),
}

impl Column {
    /// Rows so far.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.validity.len()
    }

    /// Appends a NULL; that the column allows it is the caller's to know. Fails only when the batch is full.
    pub(crate) fn push_null(&mut self, session: &mut Session) -> Result<(), Stop> {
        self.values.push_filler(session)?;
        self.validity.push_null();
        Ok(())
    }

    /// Appends the default of a field that the record lacks.
    pub(crate) fn push_default(&mut self, default: &DefaultValue, session: &mut Session) -> Result<(), Stop> {
        self.values.push_default(default, session)?;
        self.validity.push_valid();
        Ok(())
    }

    /// Cuts back to `rows` rows, children included; nothing happens when there are no more than that.
    pub(crate) fn truncate(&mut self, rows: usize) {
        self.validity.truncate(rows);
        self.values.truncate(rows);
    }

    /// Makes room for `rows` more rows. What a row holds in strings, lists and maps is not known, so not reserved.
    pub(crate) fn reserve(&mut self, rows: usize) {
        match &mut self.values {
            Values::Boolean(bits) => bits.reserve(rows),
            Values::Int(values) | Values::Date(values) => values.reserve(rows),
            Values::Long(values) | Values::Time(values) | Values::Timestamp { values, .. } => values.reserve(rows),
            Values::Float(values) => values.reserve(rows),
            Values::Double(values) => values.reserve(rows),
            Values::Decimal { unscaled, .. } => unscaled.reserve(rows),
            Values::String(strings) => strings.offsets.reserve(rows),
            Values::Binary(binaries) => binaries.offsets.reserve(rows),
            Values::Uuid(values) => values.reserve(rows),
            // A width may be large and the column all NULL: let it grow.
            Values::Fixed { .. } => {}
            Values::Struct(fields) => fields.reserve(rows),
            Values::List { offsets, .. } => offsets.reserve(rows),
            Values::Map(map) => map.offsets.reserve(rows),
        }
    }
}

impl Values {
    /// Appends what stands behind a NULL.
    fn push_filler(&mut self, session: &mut Session) -> Result<(), Stop> {
        match self {
            Self::Boolean(bits) => bits.push(false),
            Self::Int(values) | Self::Date(values) => values.push(0),
            Self::Long(values) | Self::Time(values) | Self::Timestamp { values, .. } => values.push(0),
            Self::Float(values) => values.push(0.0),
            Self::Double(values) => values.push(0.0),
            Self::Decimal { unscaled, .. } => unscaled.push(0),
            Self::String(strings) => strings.end_value(session)?,
            Self::Binary(binaries) => binaries.end_value(session)?,
            Self::Uuid(values) => values.push([0; 16]),
            Self::Fixed { bytes, width } => {
                check_room(bytes.len() + *width, session)?;
                bytes.resize(bytes.len() + *width, 0);
            }
            Self::Struct(fields) => fields.push_nulls(session)?,
            Self::List { offsets, elements } => push_offset(offsets, elements.len(), session)?,
            Self::Map(map) => push_offset(&mut map.offsets, map.keys.len(), session)?,
        }
        Ok(())
    }

    fn push_default(&mut self, default: &DefaultValue, session: &mut Session) -> Result<(), Stop> {
        match (self, default) {
            (Self::Boolean(bits), DefaultValue::Boolean(value)) => bits.push(*value),
            (Self::Int(values) | Self::Date(values), DefaultValue::Int(value)) => values.push(*value),
            (Self::Long(values) | Self::Time(values) | Self::Timestamp { values, .. }, DefaultValue::Long(value)) => {
                values.push(*value)
            }
            (Self::Float(values), DefaultValue::Float(value)) => values.push(*value),
            (Self::Double(values), DefaultValue::Double(value)) => values.push(*value),
            (Self::Decimal { unscaled, .. }, DefaultValue::Decimal(value)) => unscaled.push(*value),
            (Self::String(strings), DefaultValue::Bytes(value)) => strings.push(value, session)?,
            (Self::Binary(binaries), DefaultValue::Bytes(value)) => binaries.push(value, session)?,
            (Self::Uuid(values), DefaultValue::Uuid(value)) => values.push(*value),
            (Self::Fixed { bytes, .. }, DefaultValue::Bytes(value)) => {
                check_room(bytes.len() + value.len(), session)?;
                bytes.extend_from_slice(value);
            }
            // The plan pairs defaults with columns, so this is out of reach; refusing the record is the safe answer.
            _ => return Err(session.fail("a default of the column's type", "another")),
        }
        Ok(())
    }

    fn truncate(&mut self, rows: usize) {
        match self {
            Self::Boolean(bits) => bits.truncate(rows),
            Self::Int(values) | Self::Date(values) => values.truncate(rows),
            Self::Long(values) | Self::Time(values) | Self::Timestamp { values, .. } => values.truncate(rows),
            Self::Float(values) => values.truncate(rows),
            Self::Double(values) => values.truncate(rows),
            Self::Decimal { unscaled, .. } => unscaled.truncate(rows),
            Self::String(strings) => strings.truncate(rows),
            Self::Binary(binaries) => binaries.truncate(rows),
            Self::Uuid(values) => values.truncate(rows),
            Self::Fixed { bytes, width } => bytes.truncate(rows * *width),
            Self::Struct(fields) => fields.truncate(rows),
            Self::List { offsets, elements } => elements.truncate(cut_offsets(offsets, rows)),
            Self::Map(map) => {
                let entries = cut_offsets(&mut map.offsets, rows);
                map.keys.truncate(entries);
                map.values.truncate(entries);
            }
        }
    }

    /// Two positions in `range` that hold the same value, for types that can be map keys.
    pub(crate) fn repeated(&self, range: Range<usize>) -> Option<(usize, usize)> {
        match self {
            Self::Boolean(bits) => first_repeat(range, |index| bits.get(index)),
            Self::Int(values) | Self::Date(values) => first_repeat(range, |index| values[index]),
            Self::Long(values) | Self::Time(values) | Self::Timestamp { values, .. } => {
                first_repeat(range, |index| values[index])
            }
            Self::Decimal { unscaled, .. } => first_repeat(range, |index| unscaled[index]),
            Self::String(strings) => first_repeat(range, |index| strings.value(index)),
            Self::Binary(binaries) => first_repeat(range, |index| binaries.value(index)),
            Self::Uuid(values) => first_repeat(range, |index| values[index]),
            Self::Fixed { bytes, width } => first_repeat(range, |index| &bytes[index * width..(index + 1) * width]),
            Self::Float(_) | Self::Double(_) | Self::Struct(_) | Self::List { .. } | Self::Map(_) => None,
        }
    }
}

/// Values of any length, end to end. Row `i` is `bytes[offsets[i]..offsets[i + 1]]`.
#[derive(Debug, Clone)]
pub(crate) struct VarBytes<O> {
    pub(crate) offsets: Vec<O>,
    pub(crate) bytes: Vec<u8>,
}

impl<O: OffsetSizeTrait> VarBytes<O> {
    pub(crate) fn new() -> Self {
        Self { offsets: vec![O::default()], bytes: Vec::new() }
    }

    /// Appends one value.
    #[inline]
    pub(crate) fn push(&mut self, value: &[u8], session: &mut Session) -> Result<(), Stop> {
        self.bytes.extend_from_slice(value);
        self.end_value(session)
    }

    /// Ends the value whose bytes were appended. In a full batch the row is refused and then cut off like any other.
    #[inline]
    pub(crate) fn end_value(&mut self, session: &mut Session) -> Result<(), Stop> {
        if !O::IS_LARGE {
            check_room(self.bytes.len(), session)?;
        }
        self.offsets.push(O::usize_as(self.bytes.len()));
        Ok(())
    }

    fn truncate(&mut self, rows: usize) {
        self.offsets.truncate(rows + 1);
        self.bytes.truncate(self.offsets.last().map_or(0, |end| end.as_usize()));
    }

    fn value(&self, index: usize) -> &[u8] {
        &self.bytes[self.offsets[index].as_usize()..self.offsets[index + 1].as_usize()]
    }
}

/// Ends a list or map whose children now count `len`.
#[inline]
pub(crate) fn push_offset(offsets: &mut Vec<i32>, len: usize, session: &mut Session) -> Result<(), Stop> {
    check_room(len, session)?;
    offsets.push(i32::usize_as(len));
    Ok(())
}

/// Keeps `rows` lists and returns how many children they have.
fn cut_offsets(offsets: &mut Vec<i32>, rows: usize) -> usize {
    offsets.truncate(rows + 1);
    offsets.last().map_or(0, |end| end.as_usize())
}

/// Refuses an offset that 32 bits can't hold: past this check, the casts to `i32` lose nothing.
#[inline]
pub(crate) fn check_room(offset: usize, session: &mut Session) -> Result<(), Stop> {
    if offset <= session.offset_max { Ok(()) } else { Err(session.full()) }
}

/// Up to this many keys, comparing each with each is faster than hashing and takes no memory.
const COMPARED_PAIRWISE_MAX: usize = 16;

/// Positions of two equal keys in `range`, the second of them the first repeat.
fn first_repeat<K: Eq + Hash>(range: Range<usize>, key: impl Fn(usize) -> K) -> Option<(usize, usize)> {
    let earlier =
        |second: usize| range.clone().take_while(|first| *first < second).find(|first| key(*first) == key(second));
    let repeat = if range.len() <= COMPARED_PAIRWISE_MAX {
        range.clone().find(|second| earlier(*second).is_some())
    } else {
        let mut seen = HashSet::with_capacity(range.len());
        range.clone().find(|second| !seen.insert(key(*second)))
    };
    repeat.and_then(|second| Some((earlier(second)?, second)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_is_found_among_few_and_among_many() {
        for len in [2, COMPARED_PAIRWISE_MAX, COMPARED_PAIRWISE_MAX + 1, 1_000] {
            assert_eq!(first_repeat(5..5 + len, |index| index), None);
            let last_repeats_first = |index| if index == 4 + len { 5 } else { index };
            assert_eq!(first_repeat(5..5 + len, last_repeats_first), Some((5, 4 + len)));
        }
        assert_eq!(first_repeat(3..3, |index| index), None);
    }

    #[test]
    fn a_string_past_the_last_offset_is_refused() {
        let mut session = Session::new();
        session.offset_max = 5;
        let mut strings = VarBytes::<i32>::new();
        assert_eq!(strings.push(b"abcde", &mut session), Ok(()));
        assert_eq!(strings.push(b"", &mut session), Ok(()));
        assert_eq!(strings.push(b"f", &mut session), Err(Stop));
        strings.truncate(2);
        assert_eq!((strings.value(0), strings.value(1), strings.bytes.len()), (&b"abcde"[..], &b""[..], 5));
    }
}
