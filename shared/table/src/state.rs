//! One consistent view of a table: pointer, metadata, the head's manifests and the checkpoint that holds for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use iceberg::TableIdent;
use iceberg::io::FileIO;
use iceberg::spec::{
    FormatVersion, ManifestFile, ManifestList, SchemaRef, Snapshot, SnapshotReference, TableMetadata, TableMetadataRef,
};
use serde::Deserialize;

use crate::catalog::{Pointer, display};
use crate::checkpoint::{CHECKPOINT_PROPERTY, Checkpoint, CheckpointFormatError};
use crate::error::{Blame, TableError};
use crate::lineage::{self, HistoryError};
use crate::metadata_file;

/// A table as of one pointer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TableState {
    pub(crate) pointer: Pointer,
    pub(crate) metadata: TableMetadataRef,
    pub(crate) manifests: Arc<Vec<ManifestFile>>,
    pub(crate) checkpoint: Arc<Checkpoint>,
    pub(crate) fault: Option<Arc<CheckpointFault>>,
    pub(crate) file_io: FileIO,
}

impl TableState {
    /// The table's metadata.
    pub fn metadata(&self) -> &TableMetadataRef {
        &self.metadata
    }

    /// Location of the metadata file.
    pub fn metadata_location(&self) -> &str {
        &self.pointer.metadata_location
    }

    /// The current schema, the only one rows are decoded by (INV-3).
    pub fn schema(&self) -> &SchemaRef {
        self.metadata.current_schema()
    }

    /// The checkpoint that holds for the table's head; with a [`Self::checkpoint_fault`] the one stored, for people to look at.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Why the checkpoint can't be relied on: nothing may be committed until a person has set it.
    pub fn checkpoint_fault(&self) -> Option<&CheckpointFault> {
        self.fault.as_deref()
    }

    /// The checkpoint, only if it can be relied on.
    pub(crate) fn sound_checkpoint(&self, table: &TableIdent) -> Result<&Checkpoint, TableError> {
        match self.fault.as_deref() {
            None => Ok(&self.checkpoint),
            Some(fault) => Err(TableError::Checkpoint { table: display(table), source: Box::new(fault.clone()) }),
        }
    }

    /// The manifests of the head snapshot.
    pub fn manifests(&self) -> &[ManifestFile] {
        &self.manifests
    }

    /// The table's branches and tags, by name; `main` among them, unless the table has no snapshot.
    ///
    /// # Errors
    /// The metadata does not serialise as the Iceberg spec has it.
    pub fn refs(&self, table: &TableIdent) -> Result<BTreeMap<String, SnapshotReference>, TableError> {
        // iceberg's metadata gives a ref by its name, and no list of the names.
        let read = || serde_json::from_value::<Refs>(serde_json::to_value(&*self.metadata)?);
        let invalid = |error: serde_json::Error| {
            iceberg::Error::new(iceberg::ErrorKind::DataInvalid, "expected refs as JSON").with_source(error)
        };
        read().map(|read| read.refs).map_err(invalid).map_err(Blame(table).metadata("read the refs"))
    }

    /// File access for the table's location.
    pub fn file_io(&self) -> &FileIO {
        &self.file_io
    }

    /// Reads metadata and manifest list of a pointer.
    pub(crate) async fn read(table: &TableIdent, pointer: Pointer, file_io: FileIO) -> Result<Self, TableError> {
        let blame = Blame(table);
        let input = file_io.new_input(&pointer.metadata_location).map_err(blame.storage("open the metadata file"))?;
        let bytes = input.read().await.map_err(blame.storage("read the metadata file"))?;
        let metadata = metadata_file::parse(&bytes).map_err(blame.metadata("parse the metadata file"))?;
        let manifests = match metadata.current_snapshot() {
            None => Vec::new(),
            Some(head) => read_manifest_list(table, &metadata, head, &file_io).await?,
        };
        Self::new(table, pointer, Arc::new(metadata), manifests, file_io)
    }

    /// Checks and assembles a state from its parts.
    pub(crate) fn new(
        table: &TableIdent,
        pointer: Pointer,
        metadata: TableMetadataRef,
        manifests: Vec<ManifestFile>,
        file_io: FileIO,
    ) -> Result<Self, TableError> {
        if metadata.format_version() == FormatVersion::V1 {
            return Err(TableError::Unsupported {
                remedy: "upgrade it (table property `format-version` = 2, set by any engine)",
                table: display(table),
                expected: "format version 2 or 3",
                found: "format version 1".to_owned(),
            });
        }
        let (checkpoint, fault) = match checkpoint_of(&metadata) {
            Ok(checkpoint) => (checkpoint, None),
            Err((stored, fault)) => (stored, Some(Arc::new(fault))),
        };
        let (manifests, checkpoint) = (Arc::new(manifests), Arc::new(checkpoint));
        Ok(Self { pointer, metadata, manifests, checkpoint, fault, file_io })
    }
}

/// The part of a metadata file that names branches and tags.
#[derive(Deserialize)]
struct Refs {
    #[serde(default)]
    refs: BTreeMap<String, SnapshotReference>,
}

/// A checkpoint that can't be relied on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointFault {
    /// The property can't be read.
    #[error(transparent)]
    Format(#[from] CheckpointFormatError),
    /// It does not belong to the table's history.
    #[error(transparent)]
    History(#[from] HistoryError),
}

/// The checkpoint that holds for the head, or what is stored and why it does not hold.
fn checkpoint_of(metadata: &TableMetadata) -> Result<Checkpoint, (Checkpoint, CheckpointFault)> {
    let Some(text) = metadata.properties().get(CHECKPOINT_PROPERTY) else { return Ok(Checkpoint::default()) };
    let stored = Checkpoint::from_property(text).map_err(|error| (Checkpoint::default(), error.into()))?;
    lineage::reconciled(metadata, stored.clone()).map_err(|error| (stored, error.into()))
}

/// The manifests of a snapshot.
pub(crate) async fn read_manifest_list(
    table: &TableIdent,
    metadata: &TableMetadata,
    snapshot: &Snapshot,
    file_io: &FileIO,
) -> Result<Vec<ManifestFile>, TableError> {
    let blame = Blame(table);
    let input = file_io.new_input(snapshot.manifest_list()).map_err(blame.storage("open the manifest list"))?;
    let bytes = input.read().await.map_err(blame.storage("read the manifest list"))?;
    parse_manifests(&bytes, metadata.format_version()).map_err(blame.metadata("read the manifest list"))
}

/// The entries of a manifest list, with the sequence numbers it assigns.
pub(crate) fn parse_manifests(bytes: &[u8], version: FormatVersion) -> iceberg::Result<Vec<ManifestFile>> {
    let list = ManifestList::parse_with_version(bytes, version)?;
    Ok(list.consume_entries().into_iter().collect())
}
