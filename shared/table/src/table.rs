//! A table: its catalog entry, its storage, and the state a warm function keeps.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use iceberg::TableIdent;
use iceberg::spec::{
    FormatVersion, ManifestFile, Schema, SortOrder, TableMetadata, TableMetadataBuilder, UnboundPartitionSpec,
};
use tokio::time::Instant;
use tributary_kafka::PartitionRecords;

use crate::catalog::{Catalog, Pointer, display};
use crate::checkpoint::Cut;
use crate::commit::{Attempt, Course, Limits, Settled};
use crate::data_files::{self, EncodedFiles};
use crate::error::{Blame, TableError};
use crate::files::ReadManifests;
use crate::heal::{REMEMBERED_MAX, Remembered};
use crate::metadata_file::{self, NewMetadata};
use crate::state::TableState;
use crate::storage::ObjectStore;

/// One Iceberg table, and the last state read of it.
#[derive(Debug)]
pub struct Table {
    ident: TableIdent,
    catalog: Arc<dyn Catalog>,
    store: ObjectStore,
    cached: Mutex<Option<TableState>>,
    /// The latest commits of this instance, oldest first (INV-7).
    recent: Mutex<VecDeque<Arc<Remembered>>>,
    /// The manifests last read of a head.
    manifests: Mutex<ReadManifests>,
}

/// A metadata change that was committed.
#[derive(Debug)]
pub struct Updated {
    /// The state the change was made from.
    pub base: TableState,
    /// The table after it.
    pub state: TableState,
}

/// What became of a metadata change that need not be made.
#[must_use]
#[derive(Debug)]
pub enum MaybeUpdated {
    /// It was committed.
    Committed(Updated),
    /// The table, as it stands, needs no change.
    Unchanged(TableState),
}

/// What a new table is made of.
#[derive(Debug, Clone)]
pub struct TableDefinition {
    /// The schema; field ids are assigned anew, from 1.
    pub schema: Schema,
    /// The partition spec, by the schema's own field ids.
    pub partition_spec: UnboundPartitionSpec,
    /// Table properties.
    pub properties: HashMap<String, String>,
    /// Where it goes; the catalog's default when `None`.
    pub location: Option<String>,
}

impl Table {
    /// A handle; nothing is read yet.
    pub fn new(ident: TableIdent, catalog: Arc<dyn Catalog>, store: ObjectStore) -> Self {
        let (cached, recent, manifests) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { ident, catalog, store, cached, recent, manifests }
    }

    /// Where its files are.
    pub fn store(&self) -> &ObjectStore {
        &self.store
    }

    /// The table's name.
    pub fn ident(&self) -> &TableIdent {
        &self.ident
    }

    pub(crate) fn catalog(&self) -> &dyn Catalog {
        self.catalog.as_ref()
    }

    /// The last state read or committed; `None` on a cold start.
    pub fn cached(&self) -> Option<TableState> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The table as it stands: one catalog call, and metadata and manifest list only when the pointer moved.
    pub async fn refresh(&self) -> Result<TableState, TableError> {
        let pointer = self.catalog.pointer(&self.ident).await?;
        let state = match self.cached() {
            Some(cached) if cached.pointer.metadata_location == pointer.metadata_location => {
                // The same metadata under a newer version: a foreign change of the catalog entry alone.
                TableState { pointer, ..cached }
            }
            _ => {
                let file_io = self.store.file_io(&pointer.metadata_location)?;
                TableState::read(&self.ident, pointer, file_io).await?
            }
        };
        Ok(self.keep(state))
    }

    /// Whether a metadata file is one of this table, by its uuid; also where it can't be read as metadata, since then it is of no
    /// other table either.
    ///
    /// # Errors
    /// Storage does not give the file.
    pub async fn is_own_metadata(&self, state: &TableState, location: &str) -> Result<bool, TableError> {
        let blame = Blame(&self.ident);
        let input = state.file_io.new_input(location).map_err(blame.storage("open a metadata file"))?;
        let bytes = input.read().await.map_err(blame.storage("read a metadata file"))?;
        Ok(metadata_file::parse(&bytes).map_or(true, |metadata| metadata.uuid() == state.metadata.uuid()))
    }

    /// Where a batch's unseen records begin, by a state's checkpoint.
    pub fn cut(&self, state: &TableState, batch: &PartitionRecords) -> Result<Cut, TableError> {
        let done = state.sound_checkpoint(&self.ident)?.cut(batch);
        done.map_err(|source| TableError::Epoch { table: display(&self.ident), source })
    }

    /// Encodes rows (shaped by the state's current schema) as data files of the table.
    pub fn encode(&self, state: &TableState, rows: &RecordBatch) -> Result<EncodedFiles, TableError> {
        let done = data_files::encode(&state.metadata, rows);
        done.map_err(|source| TableError::DataFile { table: display(&self.ident), source: Box::new(source) })
    }

    pub(crate) fn remember(&self, commit: Remembered) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == REMEMBERED_MAX {
            recent.pop_front();
        }
        recent.push_back(Arc::new(commit));
    }

    pub(crate) fn forget(&self, snapshot_id: i64) {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).retain(|commit| commit.snapshot_id() != snapshot_id);
    }

    pub(crate) fn remembered(&self) -> VecDeque<Arc<Remembered>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn read_manifests(&self) -> ReadManifests {
        self.manifests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn keep_manifests(&self, manifests: ReadManifests) {
        *self.manifests.lock().unwrap_or_else(PoisonError::into_inner) = manifests;
    }

    fn keep(&self, state: TableState) -> TableState {
        *self.cached.lock().unwrap_or_else(PoisonError::into_inner) = Some(state.clone());
        state
    }

    /// The state after our own swap, known without reading anything but the catalog's new version.
    pub(crate) async fn after_swap(
        &self,
        base: &TableState,
        location: &str,
        metadata: TableMetadata,
        manifests: Vec<ManifestFile>,
    ) -> Result<TableState, TableError> {
        // The version the catalog gave our swap is unknown here and not needed: the next refresh reads it, and a swap from
        // this state without a refresh conflicts, which is safe.
        let pointer = Pointer { metadata_location: location.to_owned(), version: String::new() };
        let state = TableState::new(&self.ident, pointer, Arc::new(metadata), manifests, base.file_io.clone())?;
        Ok(self.keep(state))
    }

    /// Creates the table (and its namespace) and returns its first state.
    pub async fn create(&self, definition: TableDefinition) -> Result<TableState, TableError> {
        let blame = Blame(&self.ident);
        let location = match definition.location {
            Some(location) => location,
            None => self.catalog.default_location(&self.ident).await?.ok_or_else(|| TableError::Unsupported {
                remedy: "name a location or a warehouse",
                table: display(&self.ident),
                expected: "a location for the new table",
                found: "neither a location, nor a warehouse, nor one of its namespace".to_owned(),
            })?,
        };
        let location = location.trim_end_matches('/').to_owned();
        let built = TableMetadataBuilder::new(
            definition.schema,
            definition.partition_spec,
            SortOrder::unsorted_order(),
            location,
            FormatVersion::V2,
            definition.properties,
        );
        let metadata =
            built.and_then(TableMetadataBuilder::build).map_err(blame.metadata("build the metadata"))?.metadata;
        let first = NewMetadata::first(metadata).map_err(blame.metadata("build the metadata"))?;
        let file_io = self.store.file_io(&first.location)?;
        self.catalog.ensure_namespace(&self.ident).await?;
        let output = file_io.new_output(&first.location).map_err(blame.storage("open the metadata file"))?;
        output.write(first.bytes).await.map_err(blame.storage("write the metadata file"))?;
        let created = self.catalog.create(&self.ident, &first.location, &first.metadata).await;
        match created {
            Ok(()) => self.refresh().await,
            // A lost reply looks like a failure, or like another's table: only the catalog can tell (INV-6).
            Err(error) => match self.catalog.pointer(&self.ident).await {
                Ok(pointer) if pointer.metadata_location == first.location => self.refresh().await,
                Ok(_) => {
                    if let Err(left) = file_io.delete(&first.location).await {
                        tracing::warn!(path = first.location, error = %left, "the metadata file of a table not created stays behind");
                    }
                    Err(error.into())
                }
                Err(_) => Err(error.into()),
            },
        }
    }

    /// Commits a change of metadata alone (schema, properties, snapshots), made again on each fresh base by `change`.
    pub async fn update<F>(&self, deadline: Instant, change: F) -> Result<Updated, TableError>
    where
        F: Fn(&TableState, TableMetadataBuilder) -> Result<TableMetadataBuilder, TableError>,
    {
        match self.update_if(deadline, |state, builder| change(state, builder).map(Some)).await? {
            MaybeUpdated::Committed(updated) => Ok(updated),
            // `change` above always gives a builder.
            MaybeUpdated::Unchanged(state) => Ok(Updated { base: state.clone(), state }),
        }
    }

    /// As [`Self::update`], but `change` may find that a fresh base needs none; then nothing (more) is committed.
    pub async fn update_if<F>(&self, deadline: Instant, change: F) -> Result<MaybeUpdated, TableError>
    where
        F: Fn(&TableState, TableMetadataBuilder) -> Result<Option<TableMetadataBuilder>, TableError>,
    {
        let blame = Blame(&self.ident);
        let mut current = self.refresh().await?;
        let mut course = Course::new(self, Limits::of_table(&current.metadata, deadline), Vec::new(), Vec::new());
        // Ends: `Course` bounds the attempts.
        loop {
            let from = &current.pointer.metadata_location;
            let builder = TableMetadata::clone(&current.metadata).into_builder(Some(from.clone()));
            let Some(builder) = change(&current, builder)? else { return Ok(MaybeUpdated::Unchanged(current)) };
            let new = NewMetadata::build(builder, from).map_err(blame.metadata("build the metadata"))?;
            let location = new.location.clone();
            let attempt = Attempt { new, manifests: current.manifests.to_vec(), own_files: Vec::new() };
            let holds_it = |state: &TableState| {
                state.pointer.metadata_location == location
                    || state.metadata.metadata_log().iter().any(|log| log.metadata_file == location)
            };
            match course.attempt(&current, attempt, holds_it).await? {
                Settled::Landed(state) => return Ok(MaybeUpdated::Committed(Updated { base: current, state })),
                Settled::Lost(state) => current = state,
            }
        }
    }
}
