//! One batch: records in, rows out, each record all or nothing.

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};

use crate::arrays;
use crate::record;
use crate::rejection::Rejection;
use crate::session::Session;
use crate::structs::Fields;

/// Most rows that a batch reserves memory for ahead, however many are expected: an event source mapping sends at most
/// 10,000 records an event, and a wrong number must not take the function's memory.
pub const ROWS_RESERVED_MAX: usize = 65_536;

/// A batch under construction, from [`crate::Decoder::batch`].
#[derive(Debug)]
pub struct BatchBuilder {
    schema: SchemaRef,
    fields: Fields,
    rows: usize,
    fields_ignored: u64,
    session: Session,
}

impl BatchBuilder {
    pub(crate) fn new(schema: SchemaRef, mut fields: Fields, rows_expected: usize) -> Self {
        fields.reserve(rows_expected.min(ROWS_RESERVED_MAX));
        Self { schema, fields, rows: 0, fields_ignored: 0, session: Session::new() }
    }

    /// Decodes one record as the next row.
    ///
    /// # Errors
    /// [`Rejection`] says why the record can't be a row of this table; the builder is then as if it never saw it.
    pub fn push(&mut self, record: &[u8]) -> Result<(), Rejection> {
        let text = std::str::from_utf8(record).map_err(|error| not_utf8(record, error.valid_up_to()))?;
        let mut outcome = self.attempt(text, false);
        if outcome.is_err() && self.session.needs_exact_numbers() {
            outcome = self.attempt(text, true);
        }
        outcome.map_err(|error| self.session.rejection(&error))?;
        self.rows += 1;
        self.fields_ignored += self.session.fields_ignored;
        Ok(())
    }

    /// Rows so far: records accepted.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Fields of accepted records that the schema has no column for, nested ones included, counted each time they occur.
    #[must_use]
    pub fn fields_ignored(&self) -> u64 {
        self.fields_ignored
    }

    /// The rows as one Arrow batch in the schema of [`crate::Decoder::arrow_schema`], in the order of their records.
    ///
    /// # Errors
    /// None that input can cause: Arrow checks its own rules once more (lengths, UTF-8, no NULL in a required column).
    pub fn finish(self) -> Result<RecordBatch, ArrowError> {
        arrays::batch(self.fields, self.schema)
    }

    /// Reads the record once; after an error the half row is cut off.
    fn attempt(&mut self, record: &str, exact_numbers: bool) -> serde_json::Result<()> {
        self.session.begin(exact_numbers);
        let outcome = record::read(record, &mut self.fields, self.rows, &mut self.session);
        if outcome.is_err() {
            self.fields.truncate(self.rows);
        }
        outcome
    }

    /// Lowers the offset that a batch may reach, which no test could fill.
    #[cfg(test)]
    pub(crate) fn limit_offsets(&mut self, offset_max: usize) {
        self.session.offset_max = offset_max;
    }
}

#[cold]
fn not_utf8(record: &[u8], position: usize) -> Rejection {
    let byte = record.get(position).copied().unwrap_or_default();
    Rejection::new(None, "UTF-8".into(), format!("byte 0x{byte:02x} at position {position}, counted from 0"))
}
