//! Which partition each row falls into.

use std::collections::HashMap;

use arrow_array::{RecordBatch, UInt32Array};
use arrow_select::take::take_record_batch;
use iceberg::arrow::{PartitionValueCalculator, arrow_struct_to_literal};
use iceberg::spec::{Literal, PartitionSpec, Schema, Struct};

use super::DataFileError;

/// The rows of one partition, in the order they arrived.
pub(super) struct PartitionRows {
    /// Partition values in the order of the spec's fields; empty for an unpartitioned spec.
    pub(super) values: Struct,
    pub(super) rows: RecordBatch,
}

/// Groups rows by partition, groups in the order of their first row: one pass, whatever the number of partitions.
pub(super) fn split(
    spec: &PartitionSpec,
    schema: &Schema,
    rows: &RecordBatch,
) -> Result<Vec<PartitionRows>, DataFileError> {
    if spec.fields().is_empty() {
        return Ok(vec![PartitionRows { values: Struct::empty(), rows: rows.clone() }]);
    }
    let calculator = PartitionValueCalculator::try_new(spec, schema).map_err(DataFileError::Partition)?;
    let values = calculator.calculate(rows).map_err(DataFileError::Partition)?;
    let literals = arrow_struct_to_literal(&values, calculator.partition_type()).map_err(DataFileError::Partition)?;
    let mut numbers: HashMap<Struct, usize> = HashMap::new();
    let mut groups: Vec<(Struct, Vec<u32>)> = Vec::new();
    for (row, literal) in (0u32..).zip(literals) {
        let Some(Literal::Struct(values)) = literal else {
            return Err(DataFileError::Entry(format!("no partition values for row {row}")));
        };
        let number = *numbers.entry(values.clone()).or_insert_with(|| {
            groups.push((values, Vec::new()));
            groups.len() - 1
        });
        groups[number].1.push(row);
    }
    if let [(values, _)] = groups.as_slice() {
        return Ok(vec![PartitionRows { values: values.clone(), rows: rows.clone() }]);
    }
    let taken = groups.into_iter().map(|(values, indices)| {
        let rows = take_record_batch(rows, &UInt32Array::from(indices))?;
        Ok(PartitionRows { values, rows })
    });
    taken.collect()
}
