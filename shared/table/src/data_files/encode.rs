//! Rows of one partition become one Parquet file in memory, batch by batch.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::extension::Uuid as UuidExtension;
use arrow_schema::{Field, FieldRef, Schema as ArrowSchema};
use bytes::Bytes;
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::spec::{
    DataContentType, DataFileBuilder, DataFileFormat, PartitionSpecRef, PrimitiveType, SchemaRef, Struct, StructType,
    TableMetadata, Type,
};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};

use super::metrics::{Metrics, RowMetrics};
use super::metrics_mode::MetricsModes;
use super::partition_path::partition_path;
use super::{DataFileError, EncodedFile};

const CODEC: &str = "write.parquet.compression-codec";
const LEVEL: &str = "write.parquet.compression-level";
const PAGE_BYTES: &str = "write.parquet.page-size-bytes";
const PAGE_ROWS: &str = "write.parquet.page-row-limit";
const DICTIONARY_BYTES: &str = "write.parquet.dict-size-bytes";
const ROW_GROUP_BYTES: &str = "write.parquet.row-group-size-bytes";
/// Row groups of Iceberg's Java writers.
const ROW_GROUP_BYTES_DEFAULT: usize = 128 << 20;
const DATA_PATH: &str = "write.data.path";
const FOLDER_PATH: &str = "write.folder-storage.path";
/// zstd's level in Iceberg's Java writers.
const ZSTD_LEVEL_DEFAULT: i32 = 3;

/// What every file written by one schema and spec shares.
#[derive(Debug)]
pub(super) struct Encoder {
    schema: SchemaRef,
    arrow_schema: Arc<ArrowSchema>,
    spec: PartitionSpecRef,
    partition_type: StructType,
    modes: MetricsModes,
    properties: WriterProperties,
    data_location: String,
}

impl Encoder {
    pub(super) fn try_new(metadata: &TableMetadata) -> Result<Self, DataFileError> {
        let schema = metadata.current_schema().clone();
        let spec = metadata.default_partition_spec().clone();
        let partition_type = spec.partition_type(&schema).map_err(DataFileError::Partition)?;
        let plain = schema_to_arrow_schema(&schema).map_err(DataFileError::Partition)?;
        let table_properties = metadata.properties();
        let data_location = table_properties.get(DATA_PATH).or_else(|| table_properties.get(FOLDER_PATH));
        let data_location = data_location
            .map_or_else(|| format!("{}/data", metadata.location()), |path| path.trim_end_matches('/').to_owned());
        Ok(Self {
            arrow_schema: Arc::new(with_uuid_annotation(&plain, schema.as_struct())),
            properties: writer_properties(table_properties, &schema)?,
            modes: MetricsModes::of_table(metadata)?,
            schema,
            spec,
            partition_type,
            data_location,
        })
    }

    pub(super) fn spec(&self) -> &PartitionSpecRef {
        &self.spec
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Begins a file of one partition.
    pub(super) fn open(self: &Arc<Self>, values: Struct) -> Result<OpenFile, DataFileError> {
        // Without Arrow's own copy of the schema, which Java's writers don't leave either: where there is one, PyIceberg takes
        // its spelling of UTC for another time zone than that of a column which an older file lacks.
        let options = ArrowWriterOptions::new().with_properties(self.properties.clone()).with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(&self.arrow_schema), options)?;
        Ok(OpenFile { encoder: Arc::clone(self), values, writer, metrics: RowMetrics::default(), rows: 0 })
    }

    fn path(&self, values: &Struct) -> String {
        let name = format!("{}.parquet", uuid::Uuid::now_v7());
        match partition_path(&self.spec, &self.partition_type, values).as_str() {
            "" => format!("{}/{name}", self.data_location),
            folder => format!("{}/{folder}/{name}", self.data_location),
        }
    }
}

/// A data file being written: what it has so far is in memory.
pub(super) struct OpenFile {
    encoder: Arc<Encoder>,
    values: Struct,
    writer: ArrowWriter<Vec<u8>>,
    metrics: RowMetrics,
    rows: u64,
}

impl OpenFile {
    /// The partition its rows fall into.
    pub(super) fn values(&self) -> &Struct {
        &self.values
    }

    /// How long the file would be if it ended now, about.
    pub(super) fn bytes(&self) -> u64 {
        (self.writer.bytes_written() + self.writer.in_progress_size()) as u64
    }

    /// Adds rows, shaped by the encoder's schema.
    pub(super) fn write(&mut self, rows: &RecordBatch) -> Result<(), DataFileError> {
        let columns: Vec<ArrayRef> = rows.columns().to_vec();
        let annotated = RecordBatch::try_new(Arc::clone(&self.encoder.arrow_schema), columns)?;
        self.writer.write(&annotated)?;
        self.rows += rows.num_rows() as u64;
        self.metrics.add(&self.encoder.schema, &self.encoder.modes, rows)
    }

    /// Ends the file.
    pub(super) fn close(mut self) -> Result<EncodedFile, DataFileError> {
        let footer = self.writer.finish()?;
        let bytes = Bytes::from(std::mem::take(self.writer.inner_mut()));
        let encoder = self.encoder;
        let Metrics { column_sizes, value_counts, null_value_counts, nan_value_counts, lower_bounds, upper_bounds } =
            self.metrics.finish(&encoder.modes, &footer)?;
        let data_file = DataFileBuilder::default()
            .content(DataContentType::Data)
            .file_path(encoder.path(&self.values))
            .file_format(DataFileFormat::Parquet)
            .partition(self.values)
            .partition_spec_id(encoder.spec.spec_id())
            .record_count(self.rows)
            .file_size_in_bytes(bytes.len() as u64)
            .column_sizes(column_sizes)
            .value_counts(value_counts)
            .null_value_counts(null_value_counts)
            .nan_value_counts(nan_value_counts)
            .lower_bounds(lower_bounds)
            .upper_bounds(upper_bounds)
            .split_offsets(Some(footer.row_groups().iter().filter_map(|group| group.file_offset()).collect()))
            .build()
            .map_err(|error| DataFileError::Entry(error.to_string()))?;
        Ok(EncodedFile { data_file, bytes })
    }
}

/// Marks uuid columns so that Parquet's UUID annotation is written: iceberg's own conversion leaves them plain
/// 16-byte arrays, which some readers refuse as a uuid. Columns inside lists and maps stay plain.
fn with_uuid_annotation(arrow: &ArrowSchema, fields: &StructType) -> ArrowSchema {
    let marked: Vec<FieldRef> =
        arrow.fields().iter().zip(fields.fields()).map(|(field, iceberg)| marked(field, &iceberg.field_type)).collect();
    ArrowSchema::new_with_metadata(marked, arrow.metadata().clone())
}

fn marked(field: &FieldRef, iceberg: &Type) -> FieldRef {
    match iceberg {
        Type::Primitive(PrimitiveType::Uuid) => Arc::new(Field::clone(field).with_extension_type(UuidExtension)),
        _ => Arc::clone(field),
    }
}

fn writer_properties(
    properties: &HashMap<String, String>,
    schema: &SchemaRef,
) -> Result<WriterProperties, DataFileError> {
    let json = serde_json::to_string(schema.as_ref()).map_err(|error| DataFileError::Entry(error.to_string()))?;
    let mut builder = WriterProperties::builder()
        .set_compression(compression(properties)?)
        .set_created_by(concat!("tributary ", env!("CARGO_PKG_VERSION")).to_owned())
        // As Java's writers: tools can read the schema a file was written with.
        .set_key_value_metadata(Some(vec![KeyValue::new("iceberg.schema".to_owned(), json)]));
    builder = sized(builder, properties, PAGE_BYTES, WriterPropertiesBuilder::set_data_page_size_limit)?;
    builder = sized(builder, properties, PAGE_ROWS, WriterPropertiesBuilder::set_data_page_row_count_limit)?;
    builder = sized(builder, properties, DICTIONARY_BYTES, WriterPropertiesBuilder::set_dictionary_page_size_limit)?;
    builder = builder.set_max_row_group_bytes(Some(ROW_GROUP_BYTES_DEFAULT));
    builder = sized(builder, properties, ROW_GROUP_BYTES, |builder, bytes| {
        builder.set_max_row_group_bytes(Some(bytes.max(1)))
    })?;
    Ok(builder.build())
}

fn sized(
    builder: WriterPropertiesBuilder,
    properties: &HashMap<String, String>,
    property: &str,
    set: fn(WriterPropertiesBuilder, usize) -> WriterPropertiesBuilder,
) -> Result<WriterPropertiesBuilder, DataFileError> {
    match properties.get(property) {
        None => Ok(builder),
        Some(text) => Ok(set(builder, number(property, text)?)),
    }
}

fn compression(properties: &HashMap<String, String>) -> Result<Compression, DataFileError> {
    let codec = properties.get(CODEC).map_or("zstd", String::as_str).to_ascii_lowercase();
    let level = properties.get(LEVEL).filter(|text| !text.is_empty());
    match codec.as_str() {
        "zstd" => {
            let level = level.map_or(Ok(ZSTD_LEVEL_DEFAULT), |text| number(LEVEL, text))?;
            Ok(Compression::ZSTD(ZstdLevel::try_new(level)?))
        }
        "gzip" => {
            let level = level.map(|text| number(LEVEL, text)).transpose()?;
            Ok(Compression::GZIP(level.map_or(Ok(GzipLevel::default()), GzipLevel::try_new)?))
        }
        "snappy" => Ok(Compression::SNAPPY),
        "lz4" => Ok(Compression::LZ4_RAW),
        "uncompressed" | "none" => Ok(Compression::UNCOMPRESSED),
        other => Err(DataFileError::Property {
            property: CODEC.to_owned(),
            expected: "`zstd`, `gzip`, `snappy`, `lz4` or `uncompressed`",
            found: other.to_owned(),
        }),
    }
}

fn number<T: FromStr>(property: &str, text: &str) -> Result<T, DataFileError> {
    text.parse().map_err(|_| DataFileError::Property {
        property: property.to_owned(),
        expected: "a number",
        found: text.to_owned(),
    })
}
