//! One group of files becomes fewer, longer ones: read, deletes applied, written. Nothing is committed here.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use arrow_select::filter::filter_record_batch;
use futures::{StreamExt, TryStreamExt};
use iceberg::spec::{DataFile, Literal, NameMapping, StructType, Transform};
use tokio::time::Instant;
use tributary_runtime::Progress;
use tributary_table::{DataFileWriter, DescribedFiles, LiveFile, Table, TableError, TableState};

use super::deletes::{DeleteError, Deletes};
use super::options::Limits;
use super::plan::Group;
use super::survey::Survey;
use crate::rows::{FileToRead, ReadError, Rows};

/// Files opened ahead of the one that is read: enough to hide S3's latency behind small files.
const OPEN_AHEAD: usize = 4;

/// A group that stays as it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GroupError {
    /// A file that can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Deletes that can't be applied.
    #[error(transparent)]
    Delete(#[from] DeleteError),
    /// A file that can't be written.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Rows that can't be filtered.
    #[error("report this as a bug: expected to drop deleted rows, found: {0}")]
    Arrow(#[from] ArrowError),
    /// A file with other rows than its manifest says.
    #[error("check file `{path}` with another engine: expected the {expected} rows its manifest says, found {found}")]
    RowsRead {
        /// The file.
        path: String,
        /// What the manifest says.
        expected: u64,
        /// What it holds.
        found: u64,
    },
    /// INV-5, the check before the write.
    #[error(
        "report this as a bug, nothing was committed: expected {read} rows less {deleted} deleted ones in the new files, found {written}"
    )]
    RowsWritten {
        /// Rows read.
        read: u64,
        /// Rows dropped since they are deleted.
        deleted: u64,
        /// Rows in the new files.
        written: u64,
    },
    /// The time is over.
    #[error(
        "raise the function's timeout or lower `max-file-group-size-bytes`: expected to end before the deadline's margin, found the time over"
    )]
    OutOfTime,
}

/// A group in its new form, in storage and not in the table.
#[derive(Debug)]
pub(crate) struct Rewritten {
    /// Places of the files that go, in the survey.
    pub(crate) files: Vec<usize>,
    pub(crate) added: DescribedFiles,
    pub(crate) rows_read: u64,
    pub(crate) rows_deleted: u64,
    /// For each position delete file read, the live data files it names.
    pub(crate) named: BTreeMap<String, BTreeSet<String>>,
}

/// What all groups of a compaction share.
pub(crate) struct Rewrite<'a> {
    pub(crate) table: &'a Table,
    pub(crate) state: &'a TableState,
    pub(crate) survey: &'a Survey,
    pub(crate) limits: &'a Limits,
    /// Paths of every live data file.
    pub(crate) live_paths: HashSet<String>,
    pub(crate) mapping: Option<NameMapping>,
    /// When to stop.
    pub(crate) stop_at: Instant,
    /// Set when nothing more will be committed.
    pub(crate) halted: AtomicBool,
    pub(crate) progress: &'a dyn Progress,
}

/// What was read and dropped so far.
#[derive(Debug, Default)]
struct Count {
    read: u64,
    deleted: u64,
}

impl Rewrite<'_> {
    /// Writes a group anew. What it put is discarded if it fails.
    pub(crate) async fn group(&self, group: &Group) -> Result<Rewritten, GroupError> {
        self.check_time()?;
        let files: Vec<&LiveFile> = group.files.iter().map(|place| &self.survey.live[*place]).collect();
        let applied = self.survey.deletes_of(&group.files);
        let (file_io, metadata) = (self.state.file_io(), self.state.metadata());
        let mut deletes = Deletes::read(file_io, metadata, &applied, &files, &self.live_paths).await?;
        let mut writer = self.table.data_file_writer(self.state, group.output_file_bytes(self.limits))?;
        let count = match self.copy(group, &files, &deletes, &mut writer).await {
            Ok(count) => count,
            Err(error) => {
                writer.discard().await;
                return Err(error);
            }
        };
        let added = writer.finish().await?;
        if let Err(error) = balanced(&count, &added) {
            self.table.discard_files(self.state, &added).await;
            return Err(error);
        }
        let named = std::mem::take(&mut deletes.named);
        let (rows_read, rows_deleted) = (count.read, count.deleted);
        Ok(Rewritten { files: group.files.clone(), added, rows_read, rows_deleted, named })
    }

    /// Copies the rows that are not deleted, file after file in the group's order.
    async fn copy(
        &self,
        group: &Group,
        files: &[&LiveFile],
        deletes: &Deletes,
        writer: &mut DataFileWriter<'_>,
    ) -> Result<Count, GroupError> {
        let schema = self.state.schema().as_struct().clone();
        let targets: Vec<StructType> = std::iter::once(&schema).chain(deletes.key_columns()).cloned().collect();
        // Collected, since a closure inside the stream would keep the whole future from being known as `Send`.
        let opens: Vec<_> = files.iter().map(|file| self.open(file, &targets)).collect();
        let mut opened = futures::stream::iter(opens).buffered(OPEN_AHEAD);
        let mut count = Count::default();
        for file in files {
            let Some(mut rows) = opened.try_next().await? else { break };
            let read_before = count.read;
            while let Some(batches) = rows.next().await? {
                self.check_time()?;
                let first = count.read - read_before;
                if let Some((batch, keys)) = batches.split_first() {
                    count.read += batch.num_rows() as u64;
                    let kept = kept(deletes, file, first, batch, keys)?;
                    count.deleted += (batch.num_rows() - kept.num_rows()) as u64;
                    self.write(group, writer, &kept).await?;
                }
            }
            let (found, expected) = (count.read - read_before, file.data_file().record_count());
            if found != expected {
                return Err(GroupError::RowsRead { path: file.path().to_owned(), expected, found });
            }
            self.progress.advance(1);
        }
        Ok(count)
    }

    async fn write(
        &self,
        group: &Group,
        writer: &mut DataFileWriter<'_>,
        rows: &RecordBatch,
    ) -> Result<(), GroupError> {
        match group.spec_id == self.state.metadata().default_partition_spec_id() {
            // Rows stay in the partition that the manifest puts them in, as every reader sees them.
            true => writer.write_to(&group.partition, rows).await?,
            false => writer.write(rows).await?,
        }
        Ok(())
    }

    async fn open(&self, file: &LiveFile, targets: &[StructType]) -> Result<Rows, ReadError> {
        let bytes = file.data_file().file_size_in_bytes();
        let to_read =
            FileToRead { path: file.path(), bytes, mapping: self.mapping.as_ref(), constants: constants(file) };
        Rows::open(self.state.file_io(), &to_read, targets).await
    }

    fn check_time(&self) -> Result<(), GroupError> {
        match self.halted.load(Ordering::Relaxed) || Instant::now() >= self.stop_at {
            true => Err(GroupError::OutOfTime),
            false => Ok(()),
        }
    }
}

fn kept(
    deletes: &Deletes,
    file: &LiveFile,
    first: u64,
    batch: &RecordBatch,
    keys: &[RecordBatch],
) -> Result<RecordBatch, GroupError> {
    match deletes.kept(file, first, batch.num_rows(), keys)? {
        None => Ok(batch.clone()),
        Some(kept) => Ok(filter_record_batch(batch, &kept)?),
    }
}

/// INV-5: every row that was read is in the new files, or was deleted.
fn balanced(count: &Count, added: &DescribedFiles) -> Result<(), GroupError> {
    let written: u64 = added.files.iter().map(DataFile::record_count).sum();
    if written + count.deleted == count.read {
        return Ok(());
    }
    Err(GroupError::RowsWritten { read: count.read, deleted: count.deleted, written })
}

/// The values that a file's partition gives to columns which the file itself may lack (Iceberg spec, "Column Projection").
fn constants(file: &LiveFile) -> HashMap<i32, Literal> {
    let fields = file.partition_spec().fields().iter().zip(file.data_file().partition().iter());
    let identities = fields.filter(|(field, _)| field.transform == Transform::Identity);
    identities.filter_map(|(field, value)| Some((field.source_id, value?.clone()))).collect()
}
