//! Rows become Parquet data files: split by partition, encoded in memory, described by metrics of our own.

mod bounds;
mod encode;
mod metrics;
mod metrics_mode;
mod partition;
mod partition_path;
mod writer;

use std::sync::Arc;

use arrow_array::RecordBatch;
use bytes::Bytes;
use iceberg::spec::{DataFile, PartitionSpecRef, SchemaRef, TableMetadata};

pub(crate) use partition::refuse_unwritable_values;
pub(crate) use partition_path::partition_path;
pub use writer::DataFileWriter;

/// A data file in memory: not in storage yet.
#[derive(Debug, Clone)]
pub struct EncodedFile {
    /// What the manifest will say of it.
    pub data_file: DataFile,
    /// The Parquet bytes to put at `data_file.file_path()`.
    pub bytes: Bytes,
}

/// Data files for a batch, with the schema and partition spec they were made by.
#[derive(Debug, Clone)]
pub struct EncodedFiles {
    /// One file per partition the rows fall into.
    pub files: Vec<EncodedFile>,
    /// The table's current schema when the rows were decoded.
    pub schema: SchemaRef,
    /// The table's default partition spec then.
    pub partition_spec: PartitionSpecRef,
}

/// Data files as a manifest needs them: where they are and what they hold, without their bytes.
#[derive(Debug, Clone)]
pub struct DescribedFiles {
    /// One entry a file.
    pub files: Vec<DataFile>,
    /// The schema they were written by.
    pub schema: SchemaRef,
    /// The partition spec they were written by.
    pub partition_spec: PartitionSpecRef,
}

impl DescribedFiles {
    /// No files yet, by the table's current schema and spec.
    pub fn none(metadata: &TableMetadata) -> Self {
        let partition_spec = metadata.default_partition_spec().clone();
        Self { files: Vec::new(), schema: metadata.current_schema().clone(), partition_spec }
    }

    /// Whether the files still mean on this table what they meant when they were written. By content: a writer that overwrites
    /// another's commit gives the same id to another schema or spec.
    pub(crate) fn fit(&self, metadata: &TableMetadata) -> bool {
        let schema = metadata.schema_by_id(self.schema.schema_id());
        schema.is_some_and(|schema| schema.as_struct() == self.schema.as_struct())
            && metadata.partition_spec_by_id(self.partition_spec.spec_id()) == Some(&self.partition_spec)
    }
}

impl EncodedFiles {
    /// The description, and what is still to be put, by path.
    pub(crate) fn split(self) -> (DescribedFiles, Vec<(String, Bytes)>) {
        let puts = self.files.iter().map(|file| (file.data_file.file_path().to_owned(), file.bytes.clone())).collect();
        let files = self.files.into_iter().map(|file| file.data_file).collect();
        (DescribedFiles { files, schema: self.schema, partition_spec: self.partition_spec }, puts)
    }
}

/// Rows that can't be written as data files of this table.
#[derive(Debug, thiserror::Error)]
pub enum DataFileError {
    /// Iceberg's own code refused the partition transform or the metadata.
    #[error("check the partition spec against the schema: expected partition values for the batch, found: {0}")]
    Partition(#[source] iceberg::Error),
    /// A partition field whose values can't be computed or written.
    #[error("change the partition spec: partition field `{field}`: expected {expected}, found {found}")]
    PartitionField {
        /// Name of the partition field.
        field: String,
        /// What would be served.
        expected: &'static str,
        /// What the spec has.
        found: String,
    },
    /// Arrow refused to regroup or measure the rows.
    #[error("report this as a bug: expected to regroup rows by partition, found: {0}")]
    Arrow(#[from] arrow_schema::ArrowError),
    /// The Parquet writer refused the rows.
    #[error("report this as a bug: expected to encode the rows as Parquet, found: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// A table property that can't be read.
    #[error("correct table property `{property}`: expected {expected}, found `{found}`")]
    Property {
        /// Name of the property.
        property: String,
        /// What would be read.
        expected: &'static str,
        /// Its value.
        found: String,
    },
    /// The manifest entry could not be built.
    #[error("report this as a bug: expected a complete data file entry, found: {0}")]
    Entry(String),
}

/// Encodes `rows` (shaped by the table's current schema) as data files of the table.
pub(crate) fn encode(metadata: &TableMetadata, rows: &RecordBatch) -> Result<EncodedFiles, DataFileError> {
    let schema = metadata.current_schema().clone();
    let spec = metadata.default_partition_spec();
    let mut files = Vec::new();
    if rows.num_rows() > 0 {
        let encoder = Arc::new(encode::Encoder::try_new(metadata)?);
        for group in partition::split(spec, &schema, rows)? {
            let mut file = encoder.open(group.values)?;
            file.write(&group.rows)?;
            files.push(file.close()?);
        }
    }
    Ok(EncodedFiles { files, schema, partition_spec: spec.clone() })
}
