//! Builds an append's snapshot: one manifest (written once), then manifest list and metadata for each base.
//!
//! Pure: everything ends in memory, so that one parallel wave can send it (design D3).

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use iceberg::spec::{
    DataFile, FormatVersion, MAIN_BRANCH, ManifestFile, ManifestListWriter, ManifestWriterBuilder, Operation, Snapshot,
    SnapshotRef, Summary, TableMetadata,
};
use iceberg::{Error, ErrorKind, Result};
use uuid::Uuid;

use crate::checkpoint::{Advance, Anchor, CHECKPOINT_PROPERTY};
use crate::data_files::DescribedFiles;
use crate::lineage;
use crate::metadata_file::{self, NewMetadata};
use crate::state::{TableState, parse_manifests};
use crate::storage::Captured;

/// Name of the snapshot summary entry of a snapshot that puts back a lost one: the lost one's id.
const HEALS_PROPERTY: &str = "tributary.heals-snapshot-id";

/// An append that keeps its identity over every attempt: the snapshot id is how an unknown outcome is recognised.
pub(crate) struct AppendPlan {
    pub(crate) snapshot_id: i64,
    commit_id: Uuid,
    /// The manifest of the new data files; `None` when the batch has no rows.
    manifest: Option<(ManifestFile, Bytes)>,
    added: BTreeMap<&'static str, u64>,
    /// The snapshot this one puts back, if it does.
    heals: Option<i64>,
}

/// Everything one attempt would put and swap in.
pub(crate) struct Proposal {
    pub(crate) new: NewMetadata,
    pub(crate) manifest_list: (String, Bytes),
    pub(crate) manifests: Vec<ManifestFile>,
}

impl AppendPlan {
    pub(crate) async fn try_new(base: &TableState, files: &DescribedFiles, heals: Option<i64>) -> Result<Self> {
        let metadata = &base.metadata;
        let snapshot_id = unused_snapshot_id(metadata)?;
        let commit_id = Uuid::now_v7();
        let manifest = match files.files.is_empty() {
            true => None,
            false => Some(manifest(metadata, files, snapshot_id, commit_id).await?),
        };
        let partitions: HashSet<_> = files.files.iter().map(|file| file.partition()).collect();
        let sum = |of: fn(&DataFile) -> u64| files.files.iter().map(of).sum::<u64>();
        let added = BTreeMap::from([
            ("added-data-files", files.files.len() as u64),
            ("added-records", sum(DataFile::record_count)),
            ("added-files-size", sum(DataFile::file_size_in_bytes)),
            ("changed-partition-count", partitions.len() as u64),
        ]);
        Ok(Self { snapshot_id, commit_id, manifest, added, heals })
    }

    /// The manifest to put, once, with the first attempt.
    pub(crate) fn manifest_file(&self) -> Option<(String, Bytes)> {
        self.manifest.as_ref().map(|(manifest, bytes)| (manifest.manifest_path.clone(), bytes.clone()))
    }

    /// This append on top of `base`. The manifest stands; only the list and the metadata are new.
    pub(crate) async fn propose(
        &self,
        base: &TableState,
        advances: &[Advance],
        attempt: u32,
        now_ms: i64,
    ) -> Result<Proposal> {
        let metadata = &base.metadata;
        let sequence_number = metadata.next_sequence_number();
        let path =
            format!("{}/snap-{}-{attempt}-{}.avro", metadata_file::folder(metadata), self.snapshot_id, self.commit_id);
        let mut entries: Vec<ManifestFile> = base.manifests.iter().cloned().collect();
        // Newest first, as Java writes the list: readers that want recent rows open fewer manifests.
        entries.splice(0..0, self.manifest.iter().map(|(manifest, _)| manifest.clone()));
        let (list, next_row_id) = manifest_list(metadata, &path, self.snapshot_id, sequence_number, entries).await?;
        let anchor = Anchor { snapshot_id: self.snapshot_id, sequence_number };
        let checkpoint = base.checkpoint.advanced(advances, anchor);
        let snapshot = Snapshot::builder()
            .with_snapshot_id(self.snapshot_id)
            .with_parent_snapshot_id(metadata.current_snapshot_id())
            .with_sequence_number(sequence_number)
            .with_timestamp_ms(now_ms.max(metadata.last_updated_ms()))
            .with_manifest_list(path.clone())
            .with_schema_id(metadata.current_schema_id())
            .with_summary(self.summary(base, advances));
        let snapshot = match next_row_id {
            Some(next) => {
                snapshot.with_row_range(metadata.next_row_id(), next.saturating_sub(metadata.next_row_id())).build()
            }
            None => snapshot.build(),
        };
        let builder = TableMetadata::clone(metadata)
            .into_builder(Some(base.pointer.metadata_location.clone()))
            .set_branch_snapshot(snapshot, MAIN_BRANCH)?
            .set_properties(HashMap::from([(CHECKPOINT_PROPERTY.to_owned(), checkpoint.to_property())]))?;
        let new = NewMetadata::build(builder, &base.pointer.metadata_location)?;
        let manifests = parse_manifests(&list, metadata.format_version())?;
        Ok(Proposal { new, manifest_list: (path, list), manifests })
    }

    fn summary(&self, base: &TableState, advances: &[Advance]) -> Summary {
        let mut entries: HashMap<String, String> = self
            .added
            .iter()
            .filter(|(_, value)| **value > 0)
            .map(|(name, value)| ((*name).to_owned(), value.to_string()))
            .collect();
        for (total, added) in [
            ("total-data-files", "added-data-files"),
            ("total-records", "added-records"),
            ("total-files-size", "added-files-size"),
            ("total-delete-files", ""),
            ("total-position-deletes", ""),
            ("total-equality-deletes", ""),
        ] {
            // A total whose previous value is unknown can't be told (Iceberg Java omits it too).
            if let Some(previous) = previous_total(base.metadata.current_snapshot(), total) {
                let value = previous + self.added.get(added).copied().unwrap_or_default();
                entries.insert(total.to_owned(), value.to_string());
            }
        }
        entries.insert("manifests-created".to_owned(), u64::from(self.manifest.is_some()).to_string());
        entries.insert("manifests-kept".to_owned(), base.manifests.len().to_string());
        entries.insert("manifests-replaced".to_owned(), "0".to_owned());
        entries.insert("engine-name".to_owned(), "tributary".to_owned());
        entries.insert("engine-version".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        if let Some(lost) = self.heals {
            entries.insert(HEALS_PROPERTY.to_owned(), lost.to_string());
        }
        entries.insert(lineage::LINEAGE_PROPERTY.to_owned(), lineage::to_summary(advances));
        Summary { operation: Operation::Append, additional_properties: entries }
    }
}

fn previous_total(head: Option<&SnapshotRef>, total: &str) -> Option<u64> {
    match head {
        None => Some(0),
        Some(head) => head.summary().additional_properties.get(total)?.parse().ok(),
    }
}

/// A positive id no snapshot of the table has.
fn unused_snapshot_id(metadata: &TableMetadata) -> Result<i64> {
    /// One draw fails with a chance of snapshots / 2^63.
    const DRAWS_MAX: usize = 16;
    for _ in 0..DRAWS_MAX {
        let (high, low) = Uuid::new_v4().as_u64_pair();
        let id = i64::try_from((high ^ low) >> 1).unwrap_or_default();
        if id != 0 && metadata.snapshot_by_id(id).is_none() {
            return Ok(id);
        }
    }
    Err(Error::new(
        ErrorKind::Unexpected,
        format!("expected an unused snapshot id within {DRAWS_MAX} draws, found none"),
    ))
}

async fn manifest(
    metadata: &TableMetadata,
    files: &DescribedFiles,
    snapshot_id: i64,
    commit_id: Uuid,
) -> Result<(ManifestFile, Bytes)> {
    let captured = Captured::default();
    let path = format!("{}/{commit_id}-m0.avro", metadata_file::folder(metadata));
    let output = captured.file_io().new_output(&path)?;
    let builder = ManifestWriterBuilder::new(
        output,
        Some(snapshot_id),
        files.schema.clone(),
        files.partition_spec.as_ref().clone(),
    );
    let mut writer = match metadata.format_version() {
        FormatVersion::V1 => builder.build_v1(),
        FormatVersion::V2 => builder.build_v2_data(),
        FormatVersion::V3 => builder.build_v3_data(),
    };
    for file in &files.files {
        // -1: the sequence number is inherited from the manifest list, whichever attempt wins.
        writer.add_file(file.clone(), -1)?;
    }
    let manifest = writer.write_manifest_file().await?;
    Ok((manifest, only(captured)?))
}

/// The list's bytes, and for v3 tables the next row id after it.
async fn manifest_list(
    metadata: &TableMetadata,
    path: &str,
    snapshot_id: i64,
    sequence_number: i64,
    entries: Vec<ManifestFile>,
) -> Result<(Bytes, Option<u64>)> {
    let captured = Captured::default();
    let output = captured.file_io().new_output(path)?.writer().await?;
    let parent = metadata.current_snapshot_id();
    let mut writer = match metadata.format_version() {
        FormatVersion::V1 => ManifestListWriter::v1(output, snapshot_id, parent),
        FormatVersion::V2 => ManifestListWriter::v2(output, snapshot_id, parent, sequence_number),
        FormatVersion::V3 => {
            ManifestListWriter::v3(output, snapshot_id, parent, sequence_number, Some(metadata.next_row_id()))
        }
    };
    writer.add_manifests(entries.into_iter())?;
    let next_row_id = writer.next_row_id();
    writer.close().await?;
    Ok((only(captured)?, next_row_id))
}

fn only(captured: Captured) -> Result<Bytes> {
    let mut files = captured.take();
    match (files.pop(), files.is_empty()) {
        (Some((_, bytes)), true) => Ok(bytes),
        _ => Err(Error::new(ErrorKind::Unexpected, "expected one file from the writer, found none or several")),
    }
}
