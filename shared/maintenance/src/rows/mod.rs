//! The rows of a Parquet file, in the file's order, under any schema.

mod convert;
mod int96;
mod mapping;
mod project;
mod source;

use std::collections::HashMap;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, Fields};
use futures::TryStreamExt;
use iceberg::io::FileIO;
use iceberg::spec::{Literal, NameMapping, StructType};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::{ParquetRecordBatchStream, ParquetRecordBatchStreamBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use tributary_table::Remedy;

pub(crate) use project::ColumnError;
use project::Projection;
use source::Source;

/// Rows of a batch at most.
const BATCH_ROWS_MAX: usize = 8192;
/// Bytes of a batch, about: rows of a megabyte come a few at a time.
const BATCH_BYTES: usize = 16 << 20;

/// A file whose rows can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The storage did not give it.
    #[error("try again, then check permissions: read `{path}`: expected its bytes, found: {source}")]
    Storage {
        /// The file.
        path: String,
        /// The storage's words.
        source: Box<iceberg::Error>,
    },
    /// It is no Parquet file that this reader understands.
    #[error("read `{path}` by another engine: expected Parquet, found: {source}")]
    Parquet {
        /// The file.
        path: String,
        /// parquet's words.
        source: Box<ParquetError>,
    },
    /// Neither its columns have ids, nor has the table names for them.
    #[error(
        "set table property `schema.name-mapping.default`: file `{path}`: expected columns with field ids, found none"
    )]
    NoFieldIds {
        /// The file.
        path: String,
    },
    /// A column that can't be had from it.
    #[error("rewrite file `{path}` by the engine that wrote it: {source}")]
    Column {
        /// The file.
        path: String,
        /// The column.
        source: ColumnError,
    },
    /// Values that are none of the column's type.
    #[error("rewrite file `{path}` by the engine that wrote it: expected values of the table's types, found: {source}")]
    Value {
        /// The file.
        path: String,
        /// arrow's words.
        source: ArrowError,
    },
}

impl ReadError {
    /// Whether another try may do better.
    pub(crate) fn remedy(&self) -> Remedy {
        match self {
            Self::Storage { .. } => Remedy::Retry,
            _ => Remedy::Halt,
        }
    }
}

/// A file to be read.
#[derive(Debug)]
pub(crate) struct FileToRead<'a> {
    /// Where it is.
    pub(crate) path: &'a str,
    /// Its length, as the manifest has it.
    pub(crate) bytes: u64,
    /// Names of columns, for a file without field ids.
    pub(crate) mapping: Option<&'a NameMapping>,
    /// Values of columns that the file does not have, by field id.
    pub(crate) constants: HashMap<i32, Literal>,
}

/// The rows of one file.
pub(crate) struct Rows {
    path: String,
    stream: ParquetRecordBatchStream<Source>,
    projections: Vec<Projection>,
}

impl Rows {
    /// Opens a file, to be read under several schemas at the same time. Only the columns that they need are read.
    pub(crate) async fn open(
        file_io: &FileIO,
        file: &FileToRead<'_>,
        targets: &[StructType],
    ) -> Result<Self, ReadError> {
        let path = file.path.to_owned();
        let source = Source::open(file_io, file.path, file.bytes).await;
        let mut source =
            source.map_err(|source| ReadError::Storage { path: path.clone(), source: Box::new(source) })?;
        let metadata = load(&mut source).await.map_err(|source| parquet_error(&path, source))?;
        let fields = identified(file, metadata.schema().fields())?;
        let plan = |target| Projection::plan(&fields, target, &file.constants);
        let projections = targets.iter().map(plan).collect::<Result<Vec<_>, _>>();
        let projections = projections.map_err(|source| ReadError::Column { path: path.clone(), source })?;
        let mut read: Vec<usize> = projections.iter().flat_map(Projection::reads).collect();
        read.sort_unstable();
        read.dedup();
        let mask = ProjectionMask::roots(metadata.parquet_schema(), read.iter().copied());
        let batch_rows = batch_rows(metadata.metadata());
        let stream = ParquetRecordBatchStreamBuilder::new_with_metadata(source, metadata)
            .with_projection(mask)
            .with_batch_size(batch_rows)
            .build()
            .map_err(|source| parquet_error(&path, source))?;
        let projections = projections.into_iter().map(|projection| projection.among(&read)).collect();
        Ok(Self { path, stream, projections })
    }

    /// The next rows, once for each schema; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<RecordBatch>>, ReadError> {
        let batch = self.stream.try_next().await.map_err(|source| parquet_error(&self.path, source))?;
        let Some(batch) = batch else { return Ok(None) };
        let views = self.projections.iter().map(|projection| projection.apply(&batch)).collect::<Result<Vec<_>, _>>();
        views.map(Some).map_err(|source| ReadError::Value { path: self.path.clone(), source })
    }
}

fn parquet_error(path: &str, source: ParquetError) -> ReadError {
    let path = path.to_owned();
    match source {
        ParquetError::External(inner) => match inner.downcast::<iceberg::Error>() {
            Ok(source) => ReadError::Storage { path, source },
            Err(inner) => ReadError::Parquet { path, source: Box::new(ParquetError::External(inner)) },
        },
        source => ReadError::Parquet { path, source: Box::new(source) },
    }
}

/// The footer, and the Arrow types that its columns are read as.
async fn load(source: &mut Source) -> Result<ArrowReaderMetadata, ParquetError> {
    // A copy of the writer's Arrow schema would bring types that Iceberg does not know.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata = ArrowReaderMetadata::load_async(source, options.clone()).await?;
    match int96::as_micros(metadata.parquet_schema(), metadata.schema()) {
        None => Ok(metadata),
        Some(schema) => ArrowReaderMetadata::try_new(metadata.metadata().clone(), options.with_schema(schema)),
    }
}

/// The file's columns with their field ids.
fn identified(file: &FileToRead<'_>, fields: &Fields) -> Result<Fields, ReadError> {
    if mapping::has_ids(fields) {
        return Ok(fields.clone());
    }
    match file.mapping {
        Some(names) => Ok(mapping::with_ids(fields, names)),
        None => Err(ReadError::NoFieldIds { path: file.path.to_owned() }),
    }
}

fn batch_rows(metadata: &ParquetMetaData) -> usize {
    let groups = metadata.row_groups().iter();
    let per_row =
        groups.map(|group| group.total_byte_size().max(0) / group.num_rows().max(1)).max().unwrap_or_default();
    let per_row = usize::try_from(per_row).unwrap_or(usize::MAX).max(1);
    (BATCH_BYTES / per_row).clamp(1, BATCH_ROWS_MAX)
}
