//! The files a snapshot holds, as its manifests list them: what planning reads, and what a commit is checked against.

use std::collections::HashMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use iceberg::io::FileIO;
use iceberg::spec::{
    DataContentType, DataFile, Literal, Manifest, ManifestEntryRef, ManifestFile, ManifestStatus, PartitionSpec,
    PrimitiveLiteral, PrimitiveType, SchemaRef, Snapshot, Struct, StructType, Type,
};

use crate::data_files::partition_path;
use crate::error::{Blame, TableError};
use crate::state::{TableState, read_manifest_list};
use crate::table::Table;

/// Manifests read at the same time: enough to hide S3's latency, few enough to hold in memory.
const READS_AT_ONCE_MAX: usize = 16;

/// A manifest read: its entry in the manifest list, and what it lists.
#[derive(Debug)]
pub(crate) struct ReadManifest {
    pub(crate) file: ManifestFile,
    pub(crate) contents: Manifest,
}

/// Manifests already read, by path. A manifest never changes once written.
pub(crate) type ReadManifests = HashMap<String, Arc<ReadManifest>>;

/// A data file or delete file that a snapshot holds. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LiveFile {
    entry: ManifestEntryRef,
    manifest: Arc<ReadManifest>,
}

impl LiveFile {
    /// What the manifest says of the file.
    pub fn data_file(&self) -> &DataFile {
        self.entry.data_file()
    }

    /// Where the file is.
    pub fn path(&self) -> &str {
        self.entry.file_path()
    }

    /// Whether it holds rows, position deletes or equality deletes.
    pub fn content(&self) -> DataContentType {
        self.entry.content_type()
    }

    /// Its data sequence number: which deletes apply to it, or to what it applies.
    pub fn sequence_number(&self) -> i64 {
        // Only manifests of format version 1 leave it out, and there it is 0.
        self.entry.sequence_number().unwrap_or_default()
    }

    /// The snapshot that added it; 0 where its manifest does not say.
    pub fn added_by(&self) -> i64 {
        self.entry.snapshot_id().unwrap_or_default()
    }

    /// The partition spec it was written by.
    pub fn partition_spec(&self) -> &PartitionSpec {
        self.manifest.contents.metadata().partition_spec()
    }

    /// The schema its manifest was written with.
    pub fn schema(&self) -> &SchemaRef {
        self.manifest.contents.metadata().schema()
    }

    /// Its partition for people, `name=value/name=value` as a folder's name has it; empty for a file of no partition.
    pub fn partition_path(&self) -> String {
        let (spec, values) = (self.partition_spec(), self.data_file().partition());
        match spec.partition_type(self.schema()) {
            Ok(partition_type) => partition_path(spec, &partition_type, values),
            // A manifest's schema binds its spec; where another writer's does not, there is only the spec to name.
            Err(_) => format!("spec {}", spec.spec_id()),
        }
    }

    /// Whether it holds equality deletes for every partition (Iceberg spec, "Scan Planning").
    pub fn is_global(&self) -> bool {
        self.content() == DataContentType::EqualityDeletes && self.partition_spec().is_unpartitioned()
    }

    /// Its partition values as `newer` has them: the spec's types after columns were widened.
    pub fn partition_as(&self, newer: &StructType) -> Struct {
        let values = self.data_file().partition().iter().zip(newer.fields());
        values.map(|(value, field)| value.map(|value| widened(value, &field.field_type))).collect()
    }

    /// Whether this delete file may apply to a data file (Iceberg spec, "Scan Planning").
    ///
    /// Exact but for what only the delete file's rows tell; `false` for a file that holds rows.
    pub fn may_delete_from(&self, data: &Self) -> bool {
        let (delete, spec) = (self.data_file(), self.partition_spec());
        let same_partition = spec.spec_id() == data.partition_spec().spec_id()
            && same_partition(delete.partition(), data.data_file().partition());
        match self.content() {
            DataContentType::Data => false,
            DataContentType::EqualityDeletes => {
                self.sequence_number() > data.sequence_number() && (same_partition || self.is_global())
            }
            DataContentType::PositionDeletes => {
                let of_another = delete.referenced_data_file().is_some_and(|path| path != data.path());
                self.sequence_number() >= data.sequence_number() && same_partition && !of_another
            }
        }
    }
}

/// What one snapshot did to the files of the one before it.
#[derive(Debug, Default)]
pub struct FileChanges {
    /// Files it added.
    pub added: Vec<LiveFile>,
    /// Files it removed, with the sequence numbers they had.
    pub removed: Vec<LiveFile>,
}

impl Table {
    /// Every file of the state's head, in the order of its manifests. A warm handle reads only manifests it has not seen.
    pub async fn live_files(&self, state: &TableState) -> Result<Vec<LiveFile>, TableError> {
        let manifests = self.manifests_of_head(state).await?;
        Ok(manifests.iter().flat_map(live).collect())
    }

    pub(crate) async fn manifests_of_head(&self, state: &TableState) -> Result<Vec<Arc<ReadManifest>>, TableError> {
        let known = self.read_manifests();
        // Collected, since a closure inside the stream would keep the whole future from being known as `Send`.
        let reads: Vec<_> = state
            .manifests()
            .iter()
            .map(|file| {
                let known = known.get(&file.manifest_path).cloned();
                async {
                    match known {
                        Some(manifest) => Ok(manifest),
                        None => read(file, state.file_io()).await.map(Arc::new),
                    }
                }
            })
            .collect();
        let reads: Vec<Arc<ReadManifest>> = futures::stream::iter(reads)
            .buffered(READS_AT_ONCE_MAX)
            .try_collect()
            .await
            .map_err(Blame(self.ident()).storage("read a manifest"))?;
        let by_path = reads.iter().map(|manifest| (manifest.file.manifest_path.clone(), Arc::clone(manifest)));
        self.keep_manifests(by_path.collect());
        Ok(reads)
    }

    /// The manifests of any snapshot the table knows.
    pub async fn manifests_of(&self, state: &TableState, snapshot: &Snapshot) -> Result<Vec<ManifestFile>, TableError> {
        read_manifest_list(self.ident(), state.metadata(), snapshot, state.file_io()).await
    }

    /// Which files a snapshot the table knows added and removed, by the manifests it wrote.
    pub async fn file_changes_of(&self, state: &TableState, snapshot: &Snapshot) -> Result<FileChanges, TableError> {
        let mut changes = FileChanges::default();
        let manifests = self.manifests_of(state, snapshot).await?;
        // Only a snapshot's own manifests have entries of its own (Iceberg spec, "Manifest Entry Fields").
        let own = manifests.into_iter().filter(|manifest| manifest.added_snapshot_id == snapshot.snapshot_id());
        for manifest in own {
            let read =
                read(&manifest, state.file_io()).await.map_err(Blame(self.ident()).storage("read a manifest"))?;
            let manifest = Arc::new(read);
            let by_it = |entry: &&ManifestEntryRef| entry.snapshot_id() == Some(snapshot.snapshot_id());
            for entry in manifest.contents.entries().iter().filter(by_it) {
                let file = LiveFile { entry: Arc::clone(entry), manifest: Arc::clone(&manifest) };
                match entry.status() {
                    ManifestStatus::Added => changes.added.push(file),
                    ManifestStatus::Deleted => changes.removed.push(file),
                    ManifestStatus::Existing => {}
                }
            }
        }
        Ok(changes)
    }

    /// The live files of one manifest, of whichever snapshot.
    pub async fn live_files_of(
        &self,
        state: &TableState,
        manifest: &ManifestFile,
    ) -> Result<Vec<LiveFile>, TableError> {
        let done = read(manifest, state.file_io()).await;
        let manifest = Arc::new(done.map_err(Blame(self.ident()).storage("read a manifest"))?);
        Ok(live(&manifest).collect())
    }
}

/// Whether two tuples of one spec are one partition, also where a column was widened between them.
pub(crate) fn same_partition(one: &Struct, other: &Struct) -> bool {
    let same = |(one, other): (Option<&Literal>, Option<&Literal>)| match (one, other) {
        (
            Some(Literal::Primitive(PrimitiveLiteral::Int(narrow))),
            Some(Literal::Primitive(PrimitiveLiteral::Long(wide))),
        )
        | (
            Some(Literal::Primitive(PrimitiveLiteral::Long(wide))),
            Some(Literal::Primitive(PrimitiveLiteral::Int(narrow))),
        ) => i64::from(*narrow) == *wide,
        (
            Some(Literal::Primitive(PrimitiveLiteral::Float(narrow))),
            Some(Literal::Primitive(PrimitiveLiteral::Double(wide))),
        )
        | (
            Some(Literal::Primitive(PrimitiveLiteral::Double(wide))),
            Some(Literal::Primitive(PrimitiveLiteral::Float(narrow))),
        ) => f64::from(narrow.0).to_bits() == wide.0.to_bits(),
        (one, other) => one == other,
    };
    one.fields().len() == other.fields().len() && one.iter().zip(other.iter()).all(same)
}

/// The value as the wider of two types between which Iceberg promotes.
fn widened(value: &Literal, to: &Type) -> Literal {
    match (value, to.as_primitive_type()) {
        (Literal::Primitive(PrimitiveLiteral::Int(value)), Some(PrimitiveType::Long)) => Literal::long(*value),
        (Literal::Primitive(PrimitiveLiteral::Float(value)), Some(PrimitiveType::Double)) => {
            Literal::double(f64::from(value.0))
        }
        (value, _) => value.clone(),
    }
}

fn live(manifest: &Arc<ReadManifest>) -> impl Iterator<Item = LiveFile> {
    let alive = manifest.contents.entries().iter().filter(|entry| entry.is_alive());
    alive.map(|entry| LiveFile { entry: Arc::clone(entry), manifest: Arc::clone(manifest) })
}

async fn read(file: &ManifestFile, file_io: &FileIO) -> iceberg::Result<ReadManifest> {
    let contents = file.load_manifest(file_io).await?;
    Ok(ReadManifest { file: file.clone(), contents })
}
