//! The deletes that apply to a group's files, read and applied by ourselves (Iceberg spec, "Position Delete Files", "Equality
//! Delete Files" and "Scan Planning").
//!
//! iceberg 0.10.1 can apply them too, but may hang on position deletes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int64Type};
use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_row::{RowConverter, SortField};
use arrow_schema::ArrowError;
use iceberg::io::FileIO;
use iceberg::spec::{
    DataContentType, MappedField, NameMapping, NestedField, NestedFieldRef, PrimitiveType, StructType, TableMetadata,
    Type,
};
use tributary_table::LiveFile;

use crate::rows::{FileToRead, ReadError, Rows};

/// Reserved field ids of a position delete file's columns.
const PATH_ID: i32 = 2_147_483_546;
const POSITION_ID: i32 = 2_147_483_545;
/// Rows of equality delete files that a group may need: they are kept in memory, some hundred bytes each.
const EQUALITY_ROWS_MAX: u64 = 4_000_000;

/// Deletes that can't be applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeleteError {
    /// A delete file that can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Its rows are more than memory is for.
    #[error(
        "rewrite these files by another engine, or compact more often: expected at most {EQUALITY_ROWS_MAX} rows in the equality delete files of a group, found {rows}"
    )]
    TooMany {
        /// Their rows.
        rows: u64,
    },
    /// An equality delete file by columns that no row can be compared by.
    #[error(
        "rewrite its data files by another engine: equality delete file `{path}`: expected {expected}, found {found}"
    )]
    Columns {
        /// The delete file.
        path: String,
        /// What would be served.
        expected: &'static str,
        /// What it has.
        found: String,
    },
    /// Arrow can't compare rows.
    #[error("report this as a bug: expected to compare rows with equality deletes, found: {0}")]
    Arrow(#[from] ArrowError),
}

/// The deletes of one group of data files.
#[derive(Debug, Default)]
pub(crate) struct Deletes {
    /// Deleted positions by data file, ascending, each once.
    positions: HashMap<String, Vec<u64>>,
    keys: Vec<Keys>,
    /// For each position delete file read, the files it names of those that were asked for.
    pub(crate) named: BTreeMap<String, BTreeSet<String>>,
}

/// Rows that equality delete files name by the same columns.
#[derive(Debug)]
struct Keys {
    columns: StructType,
    converter: RowConverter,
    /// The greatest sequence number a key was deleted under, by the key's comparable bytes.
    deleted: HashMap<Box<[u8]>, i64>,
}

impl Deletes {
    /// Reads the delete files `files` for the data files `group`, which are all of one partition. `live` are the paths of
    /// every data file, of which it is told which ones a position delete file names.
    pub(crate) async fn read(
        file_io: &FileIO,
        metadata: &TableMetadata,
        files: &[&LiveFile],
        group: &[&LiveFile],
        live: &HashSet<String>,
    ) -> Result<Self, DeleteError> {
        let rows = files.iter().filter(|file| file.content() == DataContentType::EqualityDeletes);
        let rows = rows.map(|file| file.data_file().record_count()).sum();
        if rows > EQUALITY_ROWS_MAX {
            return Err(DeleteError::TooMany { rows });
        }
        let mut deletes = Self::default();
        for file in files {
            match file.content() {
                DataContentType::PositionDeletes => deletes.read_positions(file_io, file, group, live).await?,
                DataContentType::EqualityDeletes => deletes.read_keys(file_io, metadata, file).await?,
                DataContentType::Data => {}
            }
        }
        for positions in deletes.positions.values_mut() {
            positions.sort_unstable();
            positions.dedup();
        }
        Ok(deletes)
    }

    /// The columns that rows must be read by, besides the table's own, to be held against equality deletes.
    pub(crate) fn key_columns(&self) -> impl Iterator<Item = &StructType> {
        self.keys.iter().map(|keys| &keys.columns)
    }

    /// Which rows of a data file stay. `first` is the position of the first; `keys` has the rows by each of
    /// [`Self::key_columns`]. `None`: all of them.
    pub(crate) fn kept(
        &self,
        data: &LiveFile,
        first: u64,
        rows: usize,
        keys: &[RecordBatch],
    ) -> Result<Option<BooleanArray>, DeleteError> {
        let mut keep = vec![true; rows];
        let positions = self.positions.get(data.path()).map(Vec::as_slice).unwrap_or_default();
        let begin = positions.partition_point(|position| *position < first);
        for position in positions[begin..].iter().map_while(|position| usize::try_from(position - first).ok()) {
            match keep.get_mut(position) {
                Some(keep) => *keep = false,
                None => break,
            }
        }
        for (deleted, batch) in self.keys.iter().zip(keys) {
            deleted.apply(data.sequence_number(), batch, &mut keep)?;
        }
        Ok(keep.contains(&false).then(|| BooleanArray::from(keep)))
    }

    async fn read_positions(
        &mut self,
        file_io: &FileIO,
        delete: &LiveFile,
        group: &[&LiveFile],
        live: &HashSet<String>,
    ) -> Result<(), DeleteError> {
        let applied = group.iter().filter(|data| delete.may_delete_from(data));
        let applied: HashSet<&str> = applied.map(|data| data.path()).collect();
        let named = self.named.entry(delete.path().to_owned()).or_default();
        // A writer may leave out the reserved ids; the names are reserved as well.
        let names = NameMapping::new(vec![
            MappedField::new(Some(PATH_ID), vec!["file_path".to_owned()], Vec::new()),
            MappedField::new(Some(POSITION_ID), vec!["pos".to_owned()], Vec::new()),
        ]);
        let file = to_read(delete, Some(&names));
        let mut rows = Rows::open(file_io, &file, &[position_columns()]).await?;
        while let Some(batches) = rows.next().await? {
            for batch in &batches {
                let (paths, positions) =
                    (batch.column(0).as_string::<i32>(), batch.column(1).as_primitive::<Int64Type>());
                for (path, position) in paths.iter().flatten().zip(positions.values()) {
                    if live.contains(path) && !named.contains(path) {
                        named.insert(path.to_owned());
                    }
                    let position = u64::try_from(*position).ok();
                    if let Some(position) = position.filter(|_| applied.contains(path)) {
                        match self.positions.get_mut(path) {
                            Some(positions) => positions.push(position),
                            None => drop(self.positions.insert(path.to_owned(), vec![position])),
                        }
                    }
                }
            }
        }
        Ok(())
    }

    async fn read_keys(
        &mut self,
        file_io: &FileIO,
        metadata: &TableMetadata,
        delete: &LiveFile,
    ) -> Result<(), DeleteError> {
        let columns = key_columns(metadata, delete)?;
        let file = to_read(delete, None);
        let mut rows = Rows::open(file_io, &file, std::slice::from_ref(&columns)).await?;
        let place = self.keys.iter().position(|keys| keys.columns == columns);
        let place = place.unwrap_or(self.keys.len());
        while let Some(batches) = rows.next().await? {
            for batch in &batches {
                if place == self.keys.len() {
                    self.keys.push(Keys::by(columns.clone(), batch)?);
                }
                self.keys[place].add(delete.sequence_number(), batch)?;
            }
        }
        Ok(())
    }
}

impl Keys {
    fn by(columns: StructType, batch: &RecordBatch) -> Result<Self, ArrowError> {
        let fields = batch.columns().iter().map(|column| SortField::new(column.data_type().clone()));
        Ok(Self { columns, converter: RowConverter::new(fields.collect())?, deleted: HashMap::new() })
    }

    fn add(&mut self, sequence_number: i64, batch: &RecordBatch) -> Result<(), ArrowError> {
        for row in &self.converter.convert_columns(&comparable(batch))? {
            let under = self.deleted.entry(row.as_ref().into()).or_insert(sequence_number);
            *under = sequence_number.max(*under);
        }
        Ok(())
    }

    /// A delete applies to rows of smaller sequence numbers alone: what was written with it or after it stays.
    fn apply(&self, sequence_number: i64, batch: &RecordBatch, keep: &mut [bool]) -> Result<(), ArrowError> {
        let rows = self.converter.convert_columns(&comparable(batch))?;
        for (row, keep) in rows.iter().zip(keep) {
            if self.deleted.get(row.as_ref()).is_some_and(|under| *under > sequence_number) {
                *keep = false;
            }
        }
        Ok(())
    }
}

/// Columns whose equal values have equal bytes: every NaN is the same.
fn comparable(batch: &RecordBatch) -> Vec<ArrayRef> {
    let one = |column: &ArrayRef| -> ArrayRef {
        if let Some(floats) = column.as_primitive_opt::<Float32Type>() {
            return Arc::new(floats.unary::<_, Float32Type>(|value| if value.is_nan() { f32::NAN } else { value }));
        }
        match column.as_primitive_opt::<Float64Type>() {
            Some(doubles) => {
                Arc::new(doubles.unary::<_, Float64Type>(|value| if value.is_nan() { f64::NAN } else { value }))
            }
            None => Arc::clone(column),
        }
    };
    batch.columns().iter().map(one).collect()
}

fn to_read<'a>(delete: &'a LiveFile, mapping: Option<&'a NameMapping>) -> FileToRead<'a> {
    let bytes = delete.data_file().file_size_in_bytes();
    FileToRead { path: delete.path(), bytes, mapping, constants: HashMap::new() }
}

fn position_columns() -> StructType {
    let path = NestedField::required(PATH_ID, "file_path", Type::Primitive(PrimitiveType::String));
    let position = NestedField::required(POSITION_ID, "pos", Type::Primitive(PrimitiveType::Long));
    StructType::new(vec![path.into(), position.into()])
}

/// The columns by which an equality delete file names rows, by field id; one that was dropped since, as it last was.
fn key_columns(metadata: &TableMetadata, delete: &LiveFile) -> Result<StructType, DeleteError> {
    let error = |expected, found: String| DeleteError::Columns { path: delete.path().to_owned(), expected, found };
    let mut ids = delete.data_file().equality_ids().unwrap_or_default();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Err(error("columns to compare by", "none".to_owned()));
    }
    let column = |id: &i32| {
        let field =
            newest_column(metadata, *id).ok_or_else(|| error("columns at the top level", format!("field id {id}")))?;
        if !field.field_type.is_primitive() {
            return Err(error("columns of primitive types", format!("`{}` of type {}", field.name, field.field_type)));
        }
        // A file without the column has NULL in every row.
        let field_type = Type::clone(&field.field_type);
        Ok(NestedFieldRef::new(NestedField::optional(*id, &field.name, field_type)))
    };
    Ok(StructType::new(ids.iter().map(column).collect::<Result<_, _>>()?))
}

fn newest_column(metadata: &TableMetadata, id: i32) -> Option<&NestedFieldRef> {
    let mut others: Vec<_> = metadata.schemas_iter().collect();
    others.sort_by_key(|schema| std::cmp::Reverse(schema.schema_id()));
    let newest = std::iter::once(metadata.current_schema()).chain(others);
    newest.map(|schema| schema.as_struct().field_by_id(id)).find_map(|field| field)
}
