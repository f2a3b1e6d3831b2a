//! One consistent view of a table: pointer, metadata, the head's manifests and the checkpoint that holds for it.

use std::sync::Arc;

use iceberg::TableIdent;
use iceberg::io::FileIO;
use iceberg::spec::{FormatVersion, ManifestFile, ManifestList, SchemaRef, TableMetadataRef};

use crate::catalog::{Pointer, display};
use crate::checkpoint::{CHECKPOINT_PROPERTY, Checkpoint};
use crate::error::{Blame, TableError};
use crate::lineage;
use crate::metadata_file;

/// A table as of one pointer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TableState {
    pub(crate) pointer: Pointer,
    pub(crate) metadata: TableMetadataRef,
    pub(crate) manifests: Arc<Vec<ManifestFile>>,
    pub(crate) checkpoint: Arc<Checkpoint>,
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

    /// The checkpoint that holds for the table's head.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The manifests of the head snapshot.
    pub fn manifests(&self) -> &[ManifestFile] {
        &self.manifests
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
            Some(head) => {
                let input = file_io.new_input(head.manifest_list()).map_err(blame.storage("open the manifest list"))?;
                let bytes = input.read().await.map_err(blame.storage("read the manifest list"))?;
                parse_manifests(&bytes, metadata.format_version()).map_err(blame.metadata("read the manifest list"))?
            }
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
        let stored = match metadata.properties().get(CHECKPOINT_PROPERTY) {
            None => Checkpoint::default(),
            Some(text) => Checkpoint::from_property(text)
                .map_err(|source| TableError::CheckpointFormat { table: display(table), source })?,
        };
        let checkpoint = lineage::reconciled(&metadata, stored)
            .map_err(|source| TableError::History { table: display(table), source })?;
        Ok(Self { pointer, metadata, manifests: Arc::new(manifests), checkpoint: Arc::new(checkpoint), file_io })
    }
}

/// The entries of a manifest list, with the sequence numbers it assigns.
pub(crate) fn parse_manifests(bytes: &[u8], version: FormatVersion) -> iceberg::Result<Vec<ManifestFile>> {
    let list = ManifestList::parse_with_version(bytes, version)?;
    Ok(list.consume_entries().into_iter().collect())
}
