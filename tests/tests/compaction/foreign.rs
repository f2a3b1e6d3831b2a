//! Files as other engines leave them: position deletes, equality deletes, data files of their own making. Made by hand by the Iceberg
//! spec, with iceberg's manifest writers, so that nothing of what is tested has a part in them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{Field, Schema as ArrowSchema};
use iceberg::spec::{
    DataContentType, DataFileBuilder, DataFileFormat, ManifestFile, ManifestListWriter, ManifestWriterBuilder,
    Operation, Snapshot, Struct, Summary,
};
use parquet::arrow::{ArrowWriter, PARQUET_FIELD_ID_META_KEY};
use tributary_table::{Table, TableState};
use tributary_tests::far;

use crate::ground::Ground;

const PATH_ID: i32 = 2_147_483_546;
const POSITION_ID: i32 = 2_147_483_545;

/// The partition that a file is written for.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) spec_id: i32,
    pub(crate) partition: Struct,
}

impl Target {
    /// That of a live file, by its place.
    pub(crate) async fn of(ground: &Ground, place: usize) -> Self {
        let file = ground.live().await.swap_remove(place);
        Self { spec_id: file.partition_spec().spec_id(), partition: file.data_file().partition().clone() }
    }

    pub(crate) fn unpartitioned() -> Self {
        Self { spec_id: 0, partition: Struct::empty() }
    }
}

/// A file to be committed.
pub(crate) struct Foreign {
    spec_id: i32,
    file: DataFileBuilder,
}

impl Foreign {
    pub(crate) fn of(target: &Target, file: DataFileBuilder) -> Self {
        Self { spec_id: target.spec_id, file }
    }

    /// Lets a position delete file say that it names this data file alone.
    pub(crate) fn name_alone(&mut self, path: &str) {
        self.file.referenced_data_file(Some(path.to_owned()));
    }

    /// Lets the manifest say that the file is an Avro file.
    pub(crate) fn claim_to_be_avro(&mut self) {
        self.file.file_format(DataFileFormat::Avro);
    }
}

/// A column with its field id; without one for id 0.
fn field(id: i32, name: &str, values: &ArrayRef) -> Field {
    let metadata = match id {
        0 => HashMap::new(),
        id => HashMap::from([(PARQUET_FIELD_ID_META_KEY.to_owned(), id.to_string())]),
    };
    Field::new(name, values.data_type().clone(), true).with_metadata(metadata)
}

/// Puts a Parquet file of these columns below the table, described as far as all kinds of files are alike.
pub(crate) async fn put(ground: &Ground, target: &Target, columns: &[(i32, &str, ArrayRef)]) -> DataFileBuilder {
    let fields: Vec<Field> = columns.iter().map(|(id, name, values)| field(*id, name, values)).collect();
    let arrays = columns.iter().map(|(_, _, values)| Arc::clone(values)).collect();
    let rows = RecordBatch::try_new(Arc::new(ArrowSchema::new(fields)), arrays).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), None).unwrap();
    writer.write(&rows).unwrap();
    put_bytes(ground, target, writer.into_inner().unwrap(), rows.num_rows()).await
}

/// Puts a Parquet file below the table.
pub(crate) async fn put_bytes(ground: &Ground, target: &Target, bytes: Vec<u8>, rows: usize) -> DataFileBuilder {
    let state = ground.table().refresh().await.unwrap();
    let path = format!("{}/data/foreign-{:016x}.parquet", state.metadata().location(), fastrand::u64(..));
    let length = bytes.len() as u64;
    state.file_io().new_output(&path).unwrap().write(bytes.into()).await.unwrap();
    let mut file = DataFileBuilder::default();
    file.content(DataContentType::Data)
        .file_path(path)
        .file_format(DataFileFormat::Parquet)
        .partition(target.partition.clone())
        .partition_spec_id(target.spec_id)
        .record_count(rows as u64)
        .file_size_in_bytes(length);
    file
}

/// A data file of these columns.
pub(crate) async fn data_file(ground: &Ground, target: &Target, columns: &[(i32, &str, ArrayRef)]) -> Foreign {
    Foreign::of(target, put(ground, target, columns).await)
}

/// A position delete file of rows `(path, position)`.
pub(crate) async fn position_deletes(ground: &Ground, target: &Target, rows: &[(&str, i64)]) -> Foreign {
    let paths: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|(path, _)| path)));
    let positions: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|(_, position)| *position)));
    let columns = [(PATH_ID, "file_path", paths), (POSITION_ID, "pos", positions)];
    let mut file = put(ground, target, &columns).await;
    file.content(DataContentType::PositionDeletes);
    Foreign::of(target, file)
}

/// An equality delete file by these columns.
pub(crate) async fn equality_deletes(ground: &Ground, target: &Target, columns: &[(i32, &str, ArrayRef)]) -> Foreign {
    let mut file = put(ground, target, columns).await;
    let ids = columns.iter().map(|(id, _, _)| *id).collect();
    file.content(DataContentType::EqualityDeletes).equality_ids(Some(ids));
    Foreign::of(target, file)
}

/// Commits files of any content in one snapshot, as another engine would.
pub(crate) async fn commit(table: &Table, files: Vec<Foreign>) {
    let state = table.refresh().await.unwrap();
    let metadata = state.metadata();
    let (snapshot_id, sequence_number) = (fastrand::i64(1..), metadata.next_sequence_number());
    let mut manifests = state.manifests().to_vec();
    for (number, file) in files.into_iter().enumerate() {
        manifests.push(manifest(&state, snapshot_id, number, file).await);
    }
    let list = format!("{}/metadata/snap-{snapshot_id}-foreign.avro", metadata.location());
    let output = state.file_io().new_output(&list).unwrap().writer().await.unwrap();
    let parent = metadata.current_snapshot_id();
    let mut writer = ManifestListWriter::v2(output, snapshot_id, parent, sequence_number);
    writer.add_manifests(manifests.into_iter()).unwrap();
    writer.close().await.unwrap();
    let summary = Summary { operation: Operation::Overwrite, additional_properties: HashMap::new() };
    let snapshot = Snapshot::builder()
        .with_snapshot_id(snapshot_id)
        .with_parent_snapshot_id(parent)
        .with_sequence_number(sequence_number)
        .with_timestamp_ms(metadata.last_updated_ms())
        .with_manifest_list(list)
        .with_schema_id(metadata.current_schema_id())
        .with_summary(summary)
        .build();
    table.update(far(), |_, builder| Ok(builder.set_branch_snapshot(snapshot.clone(), "main").unwrap())).await.unwrap();
}

async fn manifest(state: &TableState, snapshot_id: i64, number: usize, foreign: Foreign) -> ManifestFile {
    let metadata = state.metadata();
    let path = format!("{}/metadata/foreign-{snapshot_id}-m{number}.avro", metadata.location());
    let output = state.file_io().new_output(path).unwrap();
    let spec = metadata.partition_spec_by_id(foreign.spec_id).unwrap().as_ref().clone();
    let builder = ManifestWriterBuilder::new(output, Some(snapshot_id), metadata.current_schema().clone(), spec);
    let file = foreign.file.build().unwrap();
    let mut writer = match file.content_type() {
        DataContentType::Data => builder.build_v2_data(),
        _ => builder.build_v2_deletes(),
    };
    // -1: inherited from the manifest list.
    writer.add_file(file, -1).unwrap();
    writer.write_manifest_file().await.unwrap()
}
