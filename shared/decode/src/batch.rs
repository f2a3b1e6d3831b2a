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
}

#[cold]
fn not_utf8(record: &[u8], position: usize) -> Rejection {
    let byte = record.get(position).copied().unwrap_or_default();
    Rejection::new(None, "UTF-8".into(), format!("byte 0x{byte:02x} at position {position}, counted from 0"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use iceberg::spec::{ListType, Literal, MapType, NestedField, PrimitiveType, Schema, Type};
    use proptest::prelude::*;

    use crate::Decoder;

    fn decoder(columns: Vec<NestedField>) -> Decoder {
        let schema = Schema::builder().with_fields(columns.into_iter().map(Arc::new)).build().unwrap();
        Decoder::try_new(&schema).unwrap()
    }

    fn column(id: i32, name: &str, primitive: PrimitiveType) -> NestedField {
        NestedField::optional(id, name, Type::Primitive(primitive))
    }

    #[test]
    fn a_full_batch_rejects_the_record_and_keeps_its_rows() {
        let list = ListType::new(column(10, "element", PrimitiveType::Int).into());
        let map = MapType::new(
            NestedField::required(20, "key", Type::Primitive(PrimitiveType::Long)).into(),
            column(21, "value", PrimitiveType::Boolean).into(),
        );
        let decoder = decoder(vec![
            column(1, "text", PrimitiveType::String),
            column(2, "fixed", PrimitiveType::Fixed(2)),
            NestedField::optional(3, "list", Type::List(list)),
            NestedField::optional(4, "map", Type::Map(map)),
        ]);
        let overflowing = [
            ("text", r#"{"text": "123456789"}"#),
            ("list", r#"{"list": [1, 2, 3, 4, 5, 6, 7, 8, 9]}"#),
            (
                "map",
                r#"{"map": {"1": true, "2": true, "3": true, "4": true, "5": true, "6": true, "7": true, "8": true, "9": true}}"#,
            ),
        ];
        for (name, record) in overflowing {
            let mut batch = decoder.batch(0);
            // This test can't fill 2 GiB, so the limit comes to the test.
            batch.session.offset_max = 8;
            batch.push(b"{}").unwrap();
            let rejection = batch.push(record.as_bytes()).unwrap_err();
            assert_eq!(rejection.column(), Some(name));
            assert_eq!(rejection.found(), "a full batch: finish it and start another");
            assert_eq!(batch.push(br#"{"text": "12345678", "list": [1], "map": {"1": true}}"#), Ok(()));
            assert_eq!(batch.rows(), 2);
        }
        let mut batch = decoder.batch(0);
        batch.session.offset_max = 8;
        (0..4).for_each(|_| batch.push(b"{}").unwrap());
        assert_eq!(batch.push(b"{}").unwrap_err().column(), Some("fixed"));
        assert_eq!(batch.push(br#"{"fixed": "ffff"}"#).unwrap_err().column(), Some("fixed"));
        assert_eq!(batch.finish().unwrap().num_rows(), 4);
    }

    #[test]
    fn every_primitive_type_takes_its_write_default() {
        let defaults = [
            (PrimitiveType::Boolean, Literal::bool(true), "true"),
            (PrimitiveType::Int, Literal::int(-7), "-7"),
            (PrimitiveType::Long, Literal::long(1i64 << 40), "1099511627776"),
            (PrimitiveType::Float, Literal::float(0.1f32), "0.1"),
            (PrimitiveType::Double, Literal::double(0.1f64), "0.1"),
            (PrimitiveType::Decimal { precision: 4, scale: 2 }, Literal::decimal(-1250), "-12.50"),
            (PrimitiveType::Date, Literal::date(0), "1970-01-01"),
            (PrimitiveType::Time, Literal::time(1_000_000), "00:00:01"),
            (PrimitiveType::Timestamp, Literal::timestamp(0), "1970-01-01T00:00:00"),
            (PrimitiveType::Timestamptz, Literal::timestamptz(0), "1970-01-01T00:00:00Z"),
            (PrimitiveType::TimestampNs, Literal::long(1i64), "1970-01-01T00:00:00.000000001"),
            (PrimitiveType::TimestamptzNs, Literal::long(0i64), "1970-01-01T00:00:00Z"),
            (PrimitiveType::String, Literal::string("é"), "é"),
            (
                PrimitiveType::Uuid,
                Literal::uuid_from_str("00000000-0000-0000-0000-0000000000ff").unwrap(),
                "000000000000000000000000000000ff",
            ),
            (PrimitiveType::Fixed(2), Literal::fixed([1, 2]), "0102"),
            (PrimitiveType::Binary, Literal::binary([3]), "03"),
        ];
        for (primitive, default, shown) in defaults {
            let decoder = decoder(vec![column(1, "v", primitive.clone()).with_write_default(default)]);
            let mut batch = decoder.batch(2);
            batch.push(b"{}").unwrap();
            batch.push(br#"{"v": null}"#).unwrap();
            let batch = batch.finish().unwrap();
            let value = arrow::util::display::array_value_to_string(batch.column(0), 0).unwrap();
            assert_eq!((value.as_str(), batch.column(0).null_count()), (shown, 1), "{primitive}");
        }
    }

    proptest! {
        /// The exact reading is the reference for the fast one: whatever the fast one takes, both take alike.
        #[test]
        fn numbers_read_fast_and_numbers_read_from_text_agree(number in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,3})?(e[0-9])?", name in "int|long|text|date") {
            let decoder = decoder(vec![
                column(1, "int", PrimitiveType::Int), column(2, "long", PrimitiveType::Long),
                column(3, "text", PrimitiveType::String), column(4, "date", PrimitiveType::Date),
            ]);
            let (mut fast, mut exact) = (decoder.batch(1), decoder.batch(1));
            let record = format!("{{\"{name}\": {number}}}");
            let (fast_outcome, exact_outcome) = (fast.push(record.as_bytes()), exact.attempt(&record, true));
            match exact_outcome {
                Ok(()) => {
                    prop_assert_eq!(fast_outcome, Ok(()));
                    exact.rows += 1;
                    prop_assert_eq!(fast.finish().unwrap(), exact.finish().unwrap());
                }
                Err(error) => prop_assert_eq!(fast_outcome.unwrap_err(), exact.session.rejection(&error)),
            }
        }
    }
}
