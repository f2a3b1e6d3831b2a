//! Record bytes and a table schema become Arrow rows or a rejection; pure.
//!
//! One Kafka record is one JSON object is one row. [`Decoder`] compiles an Iceberg schema once; each
//! [`BatchBuilder`] it hands out takes records by [`BatchBuilder::push`] and ends as one Arrow `RecordBatch` in the very
//! schema (types, field ids, nullability) that the `iceberg` crate derives from the table's.
//!
//! What a caller may lean on:
//! - **Strict and lossless.** A value is stored exactly or its record is rejected: nothing is rounded, cut, nulled or
//!   guessed. `docs/semantics.md` lists every type with examples, and each example runs as a test.
//! - **Alone.** A [`Rejection`] concerns one record. The builder is afterwards as it was before, also when the error
//!   stood in the last byte of a deeply nested record.
//! - **Total.** No input panics, overflows the stack or takes more than linear time, whatever its bytes, size or depth.
//!
//! Deliberately absent: I/O, clock, settings, threads. Data flows `push` → `record` (JSON to calls) → `value` with `text`,
//! `temporal`, `decimal` (one value by its column's type) → `column` (values to buffers) → `arrays` (buffers to Arrow).
//!
//! ```
//! use iceberg::spec::{NestedField, PrimitiveType, Schema, Type};
//! use tributary_decode::Decoder;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let schema = Schema::builder()
//!     .with_fields([NestedField::required(1, "id", Type::Primitive(PrimitiveType::Long)).into()])
//!     .build()?;
//! let mut batch = Decoder::try_new(&schema)?.batch(2);
//! batch.push(br#"{"id": 7}"#)?;
//! let rejection = batch.push(br#"{"id": 1.9}"#).unwrap_err();
//! assert_eq!(rejection.to_string(), "column `id`: expected long, found number 1.9");
//! assert_eq!(batch.finish()?.num_rows(), 1);
//! # Ok(())
//! # }
//! ```

mod arrays;
mod batch;
mod bits;
mod column;
mod decimal;
mod plan;
mod record;
mod rejection;
mod session;
mod structs;
mod temporal;
mod text;
mod value;

pub use batch::{BatchBuilder, ROWS_RESERVED_MAX};
pub use plan::{Decoder, FIXED_WIDTH_BYTES_MAX, SchemaError};
pub use rejection::{FOUND_CHARS_MAX, Rejection};
