//! Columns of one data file, by iceberg's reader. Without predicates: it would lose rows after a column was widened.

use std::sync::Arc;

use arrow_array::RecordBatch;
use futures::TryStreamExt;
use iceberg::Runtime;
use iceberg::arrow::ArrowReaderBuilder;
use iceberg::scan::FileScanTask;
use iceberg::spec::{DEFAULT_SCHEMA_NAME_MAPPING, NameMapping};
use tributary_table::{LiveFile, TableState};

/// Rows decoded at one time: enough for the kernels, few enough to hold wide ones.
const BATCH_ROWS: usize = 8192;

/// Reads columns of a file, by their field ids in the current schema; gives each batch to `take`. Deletes are not applied.
///
/// # Errors
/// The reader's words.
pub(crate) async fn read_columns(
    state: &TableState,
    file: &LiveFile,
    field_ids: &[i32],
    mut take: impl FnMut(&RecordBatch) -> Result<(), String>,
) -> Result<(), String> {
    let task = task(state, file, field_ids)?;
    let runtime = Runtime::try_current().map_err(text)?;
    let reader = ArrowReaderBuilder::new(state.file_io().clone(), runtime)
        .with_data_file_concurrency_limit(1)
        .with_batch_size(BATCH_ROWS)
        .build();
    let mut batches = reader.read(Box::pin(futures::stream::iter([Ok(task)]))).map_err(text)?.stream();
    while let Some(batch) = batches.try_next().await.map_err(text)? {
        take(&batch)?;
    }
    Ok(())
}

fn task(state: &TableState, file: &LiveFile, field_ids: &[i32]) -> Result<FileScanTask, String> {
    let data = file.data_file();
    let mapping = state.metadata().properties().get(DEFAULT_SCHEMA_NAME_MAPPING);
    let mapping = mapping.map(|json| serde_json::from_str::<NameMapping>(json)).transpose().map_err(text)?;
    Ok(FileScanTask::builder()
        .with_file_size_in_bytes(data.file_size_in_bytes())
        .with_start(0)
        .with_length(data.file_size_in_bytes())
        .with_record_count(Some(data.record_count()))
        .with_data_file_path(file.path().to_owned())
        .with_data_file_format(data.file_format())
        .with_schema(state.schema().clone())
        .with_project_field_ids(field_ids.to_vec())
        .with_partition(Some(data.partition().clone()))
        .with_partition_spec(Some(Arc::new(file.partition_spec().clone())))
        .with_name_mapping(mapping.map(Arc::new))
        .with_case_sensitive(true)
        .build())
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
