//! Reads a table's rows, newest first, by its current schema.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt;
use iceberg::arrow::{ArrowReaderBuilder, schema_to_arrow_schema};
use iceberg::scan::{ArrowRecordBatchStream, FileScanTask};
use iceberg::spec::ManifestContentType;
use iceberg::{Runtime, TableIdent};
use tributary_table::{TableState, format_table_name};

use crate::render::Grid;

/// Rows decoded at one time. Small, since only the last rows of a file are kept.
const BATCH_ROWS: usize = 1024;

/// Rows that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The table's files or their metadata can't be read.
    #[error("try again, then check permissions and files: {operation} of table `{table}`: expected success")]
    Read {
        /// What was being done.
        operation: &'static str,
        /// The table.
        table: String,
        /// iceberg's words.
        #[source]
        source: Box<iceberg::Error>,
    },
    /// A value can't be shown as text.
    #[error("report this as a bug: expected a text for each value of table `{table}`")]
    Format {
        /// The table.
        table: String,
        /// Arrow's words.
        #[source]
        source: ArrowError,
    },
}

/// A table and the state of it that is read.
#[derive(Debug)]
pub struct Scan<'a> {
    ident: &'a TableIdent,
    state: &'a TableState,
}

impl<'a> Scan<'a> {
    /// A scan of the table as of `state`.
    pub fn new(ident: &'a TableIdent, state: &'a TableState) -> Self {
        Self { ident, state }
    }

    /// The newest rows, newest first: those committed last, and among them those written last.
    /// Reads only as many files as it needs.
    ///
    /// # Errors
    /// [`ScanError`] if the table can't be read.
    pub async fn newest(&self, rows_max: usize) -> Result<Grid, ScanError> {
        let schema = schema_to_arrow_schema(self.state.schema()).map_err(self.failed("reading the schema"))?;
        let columns = schema.fields().iter();
        let columns = columns.map(|field| (field.name().clone(), field.data_type().is_numeric()));
        let mut grid = Grid::of_columns(columns.collect());
        let mut missing = rows_max;
        for task in self.files_newest_first(None).await? {
            if missing == 0 {
                break;
            }
            let mut batches = self.rows_of(task)?;
            // Of a file, its last rows: batches at the front go as soon as those behind them suffice.
            let mut kept: VecDeque<RecordBatch> = VecDeque::new();
            let mut kept_rows = 0;
            while let Some(batch) = batches.try_next().await.map_err(self.failed("reading a data file"))? {
                kept_rows += batch.num_rows();
                kept.push_back(batch);
                while let Some(first) =
                    kept.front().map(RecordBatch::num_rows).filter(|first| kept_rows - first >= missing)
                {
                    kept_rows -= first;
                    kept.pop_front();
                }
            }
            for batch in kept.iter().rev() {
                missing -= push_last_rows(batch, missing, &mut grid)
                    .map_err(|source| ScanError::Format { table: self.table(), source })?;
            }
        }
        Ok(grid)
    }

    /// All rows of some top-level columns, in no promised order. A column that the current schema
    /// lacks is left out.
    ///
    /// # Errors
    /// [`ScanError`] if the table can't be read.
    pub async fn columns(&self, names: &[&str]) -> Result<Vec<RecordBatch>, ScanError> {
        let mut all = Vec::new();
        for task in self.files_newest_first(Some(names)).await? {
            let batches = self.rows_of(task)?.try_collect::<Vec<_>>().await;
            all.extend(batches.map_err(self.failed("reading a data file"))?);
        }
        Ok(all)
    }

    /// The live data files with their deletes; the last committed first.
    async fn files_newest_first(&self, names: Option<&[&str]>) -> Result<Vec<FileScanTask>, ScanError> {
        let planned = self.plan().await.map_err(self.failed("planning the scan"))?;
        let sequence_numbers = self.sequence_numbers().await.map_err(self.failed("reading a manifest"))?;
        // iceberg plans by the snapshot's schema; the table's current one is newer after a change of columns.
        let schema = self.state.schema();
        let wanted = |name: &str| names.is_none_or(|names| names.contains(&name));
        let columns = schema.as_struct().fields().iter().filter(|field| wanted(&field.name));
        let field_ids: Vec<i32> = columns.map(|field| field.id).collect();
        let current = planned.into_iter().map(|task| FileScanTask {
            schema: Arc::clone(schema),
            project_field_ids: field_ids.clone(),
            ..task
        });
        let mut tasks: Vec<FileScanTask> = current.collect();
        tasks.sort_by_key(|task| std::cmp::Reverse(sequence_numbers.get(&task.data_file_path).copied()));
        Ok(tasks)
    }

    async fn plan(&self) -> iceberg::Result<Vec<FileScanTask>> {
        let table = iceberg::table::Table::builder()
            .file_io(self.state.file_io().clone())
            .metadata(Arc::clone(self.state.metadata()))
            .identifier(self.ident.clone())
            .metadata_location(self.state.metadata_location())
            .runtime(Runtime::try_current()?)
            .build()?;
        table.scan().build()?.plan_files().await?.try_collect().await
    }

    /// When each live data file was committed, by path.
    async fn sequence_numbers(&self) -> iceberg::Result<HashMap<String, i64>> {
        let mut numbers = HashMap::new();
        let data = self.state.manifests().iter().filter(|file| file.content == ManifestContentType::Data);
        for manifest in data {
            let manifest = manifest.load_manifest(self.state.file_io()).await?;
            let live = manifest.entries().iter().filter(|entry| entry.is_alive());
            numbers
                .extend(live.map(|entry| (entry.file_path().to_owned(), entry.sequence_number().unwrap_or_default())));
        }
        Ok(numbers)
    }

    fn rows_of(&self, task: FileScanTask) -> Result<ArrowRecordBatchStream, ScanError> {
        let runtime = Runtime::try_current().map_err(self.failed("starting the reader"))?;
        let reader = ArrowReaderBuilder::new(self.state.file_io().clone(), runtime)
            .with_data_file_concurrency_limit(1)
            .with_batch_size(BATCH_ROWS)
            .build();
        let tasks = Box::pin(futures::stream::iter([Ok(task)]));
        reader.read(tasks).map(|read| read.stream()).map_err(self.failed("opening a data file"))
    }

    fn failed(&self, operation: &'static str) -> impl Fn(iceberg::Error) -> ScanError + use<> {
        let table = self.table();
        move |source| ScanError::Read { operation, table: table.clone(), source: Box::new(source) }
    }

    fn table(&self) -> String {
        format_table_name(self.ident)
    }
}

/// Adds the last rows of a batch, the very last first. Returns how many.
fn push_last_rows(batch: &RecordBatch, rows_max: usize, grid: &mut Grid) -> Result<usize, ArrowError> {
    let options = FormatOptions::default().with_null("NULL");
    let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref() as &dyn Array, &options));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let first = batch.num_rows().saturating_sub(rows_max);
    for row in (first..batch.num_rows()).rev() {
        let cells = columns.iter().map(|column| column.value(row).try_to_string());
        grid.push(&cells.collect::<Result<Vec<_>, _>>()?);
    }
    Ok(batch.num_rows() - first)
}
