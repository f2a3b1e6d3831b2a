//! Data files of any length from a stream of batches: a file goes into storage as soon as it is full, so that memory holds only those
//! still open.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use iceberg::spec::{Struct, TableMetadata};

use super::encode::{Encoder, OpenFile};
use super::{DataFileError, DescribedFiles, partition};
use crate::catalog::display;
use crate::error::{Blame, TableError};
use crate::state::TableState;
use crate::table::Table;

/// Bytes of open files at most, over all partitions: the largest ends early when there are more.
const OPEN_BYTES_MAX: u64 = 512 << 20;
/// Open files at most: each has buffers for its columns, however short it is.
const OPEN_FILES_MAX: usize = 64;

/// Writes batches as data files of a table, by the schema and partition spec that are its own when the writer is made.
///
/// Rows keep their order within a partition. A writer that is given up must be discarded, or its files stay behind as orphans.
pub struct DataFileWriter<'a> {
    table: &'a Table,
    state: TableState,
    encoder: Arc<Encoder>,
    file_bytes: u64,
    open: Vec<OpenFile>,
    /// Files in storage, or on their way there.
    put: DescribedFiles,
}

impl fmt::Debug for DataFileWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataFileWriter").field("open", &self.open.len()).field("put", &self.put).finish_non_exhaustive()
    }
}

impl Table {
    /// A writer whose files end when they are `file_bytes` long, about: a file is never cut within a batch.
    ///
    /// # Errors
    /// [`TableError::DataFile`] for a schema, spec or property that can't be written.
    pub fn data_file_writer(&self, state: &TableState, file_bytes: u64) -> Result<DataFileWriter<'_>, TableError> {
        let encoder = encoder(state.metadata()).map_err(|error| self.data_file_error(error))?;
        let put = DescribedFiles::none(state.metadata());
        let encoder = Arc::new(encoder);
        Ok(DataFileWriter { table: self, state: state.clone(), encoder, file_bytes, open: Vec::new(), put })
    }

    fn data_file_error(&self, source: DataFileError) -> TableError {
        TableError::DataFile { table: display(self.ident()), source: Box::new(source) }
    }
}

fn encoder(metadata: &TableMetadata) -> Result<Encoder, DataFileError> {
    let encoder = Encoder::try_new(metadata)?;
    let partition_type = encoder.spec().partition_type(encoder.schema()).map_err(DataFileError::Partition)?;
    partition::refuse_unwritable_values(encoder.spec(), &partition_type)?;
    Ok(encoder)
}

impl DataFileWriter<'_> {
    /// Writes rows, shaped by the table's schema, to the partitions they fall into.
    ///
    /// # Errors
    /// [`TableError::DataFile`] for rows that can't be encoded, [`TableError::Storage`] if a full file can't be put.
    pub async fn write(&mut self, rows: &RecordBatch) -> Result<(), TableError> {
        let split = partition::split(self.encoder.spec(), self.encoder.schema(), rows);
        for group in split.map_err(|error| self.table.data_file_error(error))? {
            self.write_to(&group.values, &group.rows).await?;
        }
        Ok(())
    }

    /// Writes rows that are known to fall into one partition of the table's spec.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn write_to(&mut self, partition: &Struct, rows: &RecordBatch) -> Result<(), TableError> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let index = self.opened(partition).await?;
        self.open[index].write(rows).map_err(|error| self.table.data_file_error(error))?;
        if self.open[index].bytes() >= self.file_bytes {
            self.end(index).await?;
        }
        let open_bytes = |open: &[OpenFile]| open.iter().map(OpenFile::bytes).sum::<u64>();
        // Ends: each round closes a file.
        while self.open.len() > 1 && open_bytes(&self.open) > OPEN_BYTES_MAX {
            self.end_largest().await?;
        }
        Ok(())
    }

    /// Ends every file. The rows are then in storage, and in no table yet.
    ///
    /// # Errors
    /// As [`Self::write`]; whatever was put is discarded then.
    pub async fn finish(mut self) -> Result<DescribedFiles, TableError> {
        // Ends: each round closes a file.
        while !self.open.is_empty() {
            if let Err(error) = self.end(0).await {
                self.discard().await;
                return Err(error);
            }
        }
        Ok(self.put)
    }

    /// Gives the files up: those in storage are deleted, best effort.
    pub async fn discard(self) {
        self.table.discard_files(&self.state, &self.put).await;
    }

    /// The place of the partition's open file.
    async fn opened(&mut self, partition: &Struct) -> Result<usize, TableError> {
        if let Some(index) = self.open.iter().position(|file| file.values() == partition) {
            return Ok(index);
        }
        if self.open.len() >= OPEN_FILES_MAX {
            self.end_largest().await?;
        }
        let file = self.encoder.open(partition.clone()).map_err(|error| self.table.data_file_error(error))?;
        self.open.push(file);
        Ok(self.open.len() - 1)
    }

    async fn end_largest(&mut self) -> Result<(), TableError> {
        let largest = (0..self.open.len()).max_by_key(|index| self.open[*index].bytes());
        match largest {
            Some(index) => self.end(index).await,
            None => Ok(()),
        }
    }

    async fn end(&mut self, index: usize) -> Result<(), TableError> {
        let file = self.open.remove(index).close().map_err(|error| self.table.data_file_error(error))?;
        let path = file.data_file.file_path().to_owned();
        // Before it is put: a put whose answer is lost may have left the file.
        self.put.files.push(file.data_file);
        let blame = Blame(self.table.ident());
        let output = self.state.file_io().new_output(&path).map_err(blame.storage("open a data file"))?;
        output.write(file.bytes).await.map_err(blame.storage("write a data file"))
    }
}
