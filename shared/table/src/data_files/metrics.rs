//! Column metrics for the manifest, from the rows themselves (bounds) and the Parquet footer (sizes, counts).
//!
//! iceberg 0.10.1 derives bounds from row-group statistics and skips groups whose statistics are truncated,
//! so that the bounds of the rest wrongly stand for the whole file and filtered reads lose rows. Ours are taken
//! from the Arrow arrays and cut by the table's metrics modes, upper bounds rounded up (Iceberg spec, "Metrics").

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, RecordBatch, make_array};
use arrow_buffer::NullBuffer;
use iceberg::spec::{Datum, PrimitiveType, Schema, StructType, Type};
use parquet::file::metadata::ParquetMetaData;

use super::DataFileError;
use super::bounds::{compare, cut, extremes};
use super::metrics_mode::{MetricsMode, MetricsModes};

/// What a manifest entry says of a file's columns, by field id.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    pub(super) column_sizes: HashMap<i32, u64>,
    pub(super) value_counts: HashMap<i32, u64>,
    pub(super) null_value_counts: HashMap<i32, u64>,
    pub(super) nan_value_counts: HashMap<i32, u64>,
    pub(super) lower_bounds: HashMap<i32, Datum>,
    pub(super) upper_bounds: HashMap<i32, Datum>,
}

/// What the rows of a file still being written say of its columns.
#[derive(Debug, Default)]
pub(super) struct RowMetrics {
    nan_value_counts: HashMap<i32, u64>,
    ranges: HashMap<i32, Range>,
}

/// The values of one column so far, whole: they are cut only when the file ends.
#[derive(Debug)]
struct Range {
    primitive: PrimitiveType,
    mode: MetricsMode,
    /// `None` once a NaN was among them: what sorts beside numbers bounds nothing.
    extremes: Option<(Vec<u8>, Vec<u8>)>,
}

impl RowMetrics {
    /// Takes in further rows of the file.
    pub(super) fn add(
        &mut self,
        schema: &Schema,
        modes: &MetricsModes,
        rows: &RecordBatch,
    ) -> Result<(), DataFileError> {
        self.add_struct(schema.as_struct(), modes, rows.columns(), None)
    }

    /// The metrics of the file, whose end `footer` is.
    pub(super) fn finish(self, modes: &MetricsModes, footer: &ParquetMetaData) -> Result<Metrics, DataFileError> {
        let mut metrics = Metrics { nan_value_counts: self.nan_value_counts, ..Metrics::default() };
        count(modes, footer, &mut metrics);
        for (id, range) in self.ranges {
            range.bound(id, &mut metrics)?;
        }
        Ok(metrics)
    }

    /// Primitive columns of a struct and of structs in it; columns inside lists and maps have no bounds.
    fn add_struct(
        &mut self,
        fields: &StructType,
        modes: &MetricsModes,
        columns: &[ArrayRef],
        parent_nulls: Option<&NullBuffer>,
    ) -> Result<(), DataFileError> {
        for (field, column) in fields.fields().iter().zip(columns) {
            // A value below a null struct is no value, whatever the child array holds there.
            let nulls = NullBuffer::union(parent_nulls, column.nulls());
            match field.field_type.as_ref() {
                Type::Struct(inner) => self.add_struct(inner, modes, column.as_struct().columns(), nulls.as_ref())?,
                Type::Primitive(primitive) => {
                    let mode = modes.of(field.id);
                    if mode == MetricsMode::None {
                        continue;
                    }
                    let visible = make_array(column.to_data().into_builder().nulls(nulls).build()?);
                    self.add_column(field.id, primitive, mode, &visible);
                }
                Type::List(_) | Type::Map(_) => {}
            }
        }
        Ok(())
    }

    fn add_column(&mut self, id: i32, primitive: &PrimitiveType, mode: MetricsMode, column: &ArrayRef) {
        let nans = nan_count(column);
        if let Some(nans) = nans {
            *self.nan_value_counts.entry(id).or_default() += nans;
        }
        if mode == MetricsMode::Counts {
            return;
        }
        let found = extremes(primitive, column);
        if nans.unwrap_or_default() > 0 {
            let range = Range { primitive: primitive.clone(), mode, extremes: None };
            self.ranges.insert(id, range);
        } else if let Some((lower, upper)) = found {
            match self.ranges.entry(id) {
                Entry::Vacant(entry) => {
                    entry.insert(Range { primitive: primitive.clone(), mode, extremes: Some((lower, upper)) });
                }
                Entry::Occupied(mut entry) => entry.get_mut().widen(lower, upper),
            }
        }
    }
}

impl Range {
    fn widen(&mut self, lower: Vec<u8>, upper: Vec<u8>) {
        let Some((least, greatest)) = &mut self.extremes else { return };
        if compare(&self.primitive, &lower, least).is_lt() {
            *least = lower;
        }
        if compare(&self.primitive, &upper, greatest).is_gt() {
            *greatest = upper;
        }
    }

    fn bound(self, id: i32, metrics: &mut Metrics) -> Result<(), DataFileError> {
        let Self { primitive, mode, extremes } = self;
        let Some((lower, upper)) = extremes else { return Ok(()) };
        let datum = |bytes: &[u8]| {
            Datum::try_from_bytes(bytes, primitive.clone()).map_err(|error| DataFileError::Entry(error.to_string()))
        };
        let (lower, upper) = match mode {
            MetricsMode::Truncate(length) => cut(&primitive, length, lower, upper),
            _ => (lower, Some(upper)),
        };
        metrics.lower_bounds.insert(id, datum(&lower)?);
        if let Some(upper) = upper {
            metrics.upper_bounds.insert(id, datum(&upper)?);
        }
        Ok(())
    }
}

fn count(modes: &MetricsModes, footer: &ParquetMetaData, metrics: &mut Metrics) {
    for chunk in footer.row_groups().iter().flat_map(|group| group.columns()) {
        let info = chunk.column_descr().self_type().get_basic_info();
        if !info.has_id() {
            continue;
        }
        let id = info.id();
        *metrics.column_sizes.entry(id).or_default() += u64::try_from(chunk.compressed_size()).unwrap_or_default();
        if modes.of(id) == MetricsMode::None {
            continue;
        }
        *metrics.value_counts.entry(id).or_default() += u64::try_from(chunk.num_values()).unwrap_or_default();
        if let Some(nulls) = chunk.statistics().and_then(|statistics| statistics.null_count_opt()) {
            *metrics.null_value_counts.entry(id).or_default() += nulls;
        }
    }
}

fn nan_count(column: &ArrayRef) -> Option<u64> {
    if let Some(floats) = column.as_primitive_opt::<Float32Type>() {
        return Some(floats.iter().flatten().filter(|value| value.is_nan()).count() as u64);
    }
    let doubles = column.as_primitive_opt::<Float64Type>()?;
    Some(doubles.iter().flatten().filter(|value| value.is_nan()).count() as u64)
}
