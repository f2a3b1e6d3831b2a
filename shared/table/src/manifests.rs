//! The manifests of a snapshot that removes files: those that list them are written anew, and merged on the way.
//!
//! By the Iceberg spec ("Manifests", "Sequence Numbers"): an entry that stays is EXISTING with the snapshot and sequence numbers it
//! had; one that goes is DELETED, kept for this snapshot alone; one that comes is ADDED. Manifests are merged only where
//! they have the same content, partition spec and partition type, since a manifest's entries share one Avro schema.
//! Pure: everything ends in memory.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use iceberg::Result;
use iceberg::spec::{
    DataFile, FormatVersion, ManifestContentType, ManifestEntry, ManifestFile, ManifestWriter, ManifestWriterBuilder,
    PartitionSpec, SchemaRef, StructType, TableMetadata,
};

use crate::data_files::DescribedFiles;
use crate::files::ReadManifest;
use crate::snapshot::{Identity, only};
use crate::storage::Captured;

const TARGET_BYTES: &str = "commit.manifest.target-size-bytes";
const TARGET_BYTES_DEFAULT: u64 = 8 << 20;
/// What an entry takes where no manifest tells: some dozens of columns with bounds.
const ENTRY_BYTES_DEFAULT: u64 = 1 << 10;

/// The manifests of a new head.
pub(crate) struct ChangedManifests {
    /// Those written anew, with their bytes.
    pub(crate) written: Vec<(ManifestFile, Bytes)>,
    /// Those that stay as they are.
    pub(crate) kept: Vec<ManifestFile>,
    /// How many the written ones stand for.
    pub(crate) replaced: usize,
}

/// What goes and what comes.
pub(crate) struct Change<'a> {
    /// Paths of the files that go.
    pub(crate) removed: &'a HashSet<&'a str>,
    /// The files that come.
    pub(crate) added: &'a DescribedFiles,
    /// Their data sequence number; `None`: that of the new snapshot.
    pub(crate) sequence_number: Option<i64>,
}

/// Entries that go into manifests of one kind.
struct Group<'a> {
    content: ManifestContentType,
    partition_type: StructType,
    spec: PartitionSpec,
    /// The newest schema among the group's manifests: one the spec binds to, which the current one need not be.
    schema: SchemaRef,
    stays: Vec<&'a ManifestEntry>,
    goes: Vec<&'a ManifestEntry>,
    comes: &'a [DataFile],
    bytes_before: u64,
}

/// The manifests of `head` after `change`.
pub(crate) async fn changed(
    metadata: &TableMetadata,
    head: &[Arc<ReadManifest>],
    change: &Change<'_>,
    identity: &Identity,
    attempt: u32,
) -> Result<ChangedManifests> {
    let (mut groups, mut kept, mut replaced) = (Vec::new(), Vec::new(), 0);
    for manifest in head {
        let entries = manifest.contents.entries();
        if entries.iter().any(|entry| entry.is_alive() && change.removed.contains(entry.file_path())) {
            replaced += 1;
            join(&mut groups, manifest, change.removed)?;
        } else if entries.iter().any(|entry| entry.is_alive()) {
            kept.push(manifest.file.clone());
        } else {
            // Nothing but what earlier snapshots deleted: of no use to this one.
            replaced += 1;
        }
    }
    add(&mut groups, change.added)?;
    let entry_bytes = entry_bytes(&groups);
    let target_bytes = metadata.properties().get(TARGET_BYTES).and_then(|text| text.parse().ok());
    let entries_max = usize::try_from(target_bytes.unwrap_or(TARGET_BYTES_DEFAULT) / entry_bytes).unwrap_or(1).max(1);
    let mut written = Vec::new();
    for group in &groups {
        for part in group.parts(entries_max) {
            let path = identity.manifest_path(metadata, attempt, written.len());
            written.push(write(metadata, group, &part, change.sequence_number, identity.snapshot_id, &path).await?);
        }
    }
    Ok(ChangedManifests { written, kept, replaced })
}

fn join<'a>(groups: &mut Vec<Group<'a>>, manifest: &'a ReadManifest, removed: &HashSet<&str>) -> Result<()> {
    let about = manifest.contents.metadata();
    let group = group(groups, *about.content(), about.partition_spec(), about.schema())?;
    group.bytes_before += u64::try_from(manifest.file.manifest_length).unwrap_or_default();
    for entry in manifest.contents.entries().iter().filter(|entry| entry.is_alive()) {
        match removed.contains(entry.file_path()) {
            true => group.goes.push(entry),
            false => group.stays.push(entry),
        }
    }
    Ok(())
}

fn add<'a>(groups: &mut Vec<Group<'a>>, added: &'a DescribedFiles) -> Result<()> {
    if added.files.is_empty() {
        return Ok(());
    }
    let group = group(groups, ManifestContentType::Data, &added.partition_spec, &added.schema)?;
    group.comes = &added.files;
    Ok(())
}

fn group<'g, 'a>(
    groups: &'g mut Vec<Group<'a>>,
    content: ManifestContentType,
    spec: &PartitionSpec,
    schema: &SchemaRef,
) -> Result<&'g mut Group<'a>> {
    let partition_type = spec.partition_type(schema)?;
    let known = groups.iter().position(|group| {
        group.content == content && group.spec.spec_id() == spec.spec_id() && group.partition_type == partition_type
    });
    let index = known.unwrap_or_else(|| {
        let (spec, schema) = (spec.clone(), schema.clone());
        let (stays, goes) = (Vec::new(), Vec::new());
        groups.push(Group { content, partition_type, spec, schema, stays, goes, comes: &[], bytes_before: 0 });
        groups.len() - 1
    });
    let group = &mut groups[index];
    if schema.schema_id() > group.schema.schema_id() {
        group.schema = schema.clone();
    }
    Ok(group)
}

fn entry_bytes(groups: &[Group<'_>]) -> u64 {
    let bytes: u64 = groups.iter().map(|group| group.bytes_before).sum();
    let entries: usize = groups.iter().map(|group| group.stays.len() + group.goes.len()).sum();
    bytes.checked_div(entries as u64).unwrap_or(ENTRY_BYTES_DEFAULT).max(1)
}

/// Entries of one manifest.
#[derive(Default)]
struct Part<'a> {
    stays: &'a [&'a ManifestEntry],
    goes: &'a [&'a ManifestEntry],
    comes: &'a [DataFile],
}

impl Group<'_> {
    /// The group's entries, at most `entries_max` a manifest: what comes and goes first, so that manifests of nothing but
    /// EXISTING entries stay untouched next time.
    fn parts(&self, entries_max: usize) -> Vec<Part<'_>> {
        let (mut stays, mut goes, mut comes) = (self.stays.as_slice(), self.goes.as_slice(), self.comes);
        let mut parts = Vec::new();
        // Ends: each round takes at least one entry.
        while !(stays.is_empty() && goes.is_empty() && comes.is_empty()) {
            let mut part = Part::default();
            let mut room = entries_max;
            (part.comes, comes) = comes.split_at(comes.len().min(room));
            room -= part.comes.len();
            (part.goes, goes) = goes.split_at(goes.len().min(room));
            room -= part.goes.len();
            (part.stays, stays) = stays.split_at(stays.len().min(room));
            parts.push(part);
        }
        parts
    }
}

async fn write(
    metadata: &TableMetadata,
    group: &Group<'_>,
    part: &Part<'_>,
    sequence_number: Option<i64>,
    snapshot_id: i64,
    path: &str,
) -> Result<(ManifestFile, Bytes)> {
    let captured = Captured::default();
    let output = captured.file_io().new_output(path)?;
    let builder = ManifestWriterBuilder::new(output, Some(snapshot_id), group.schema.clone(), group.spec.clone());
    let mut writer = writer(builder, metadata.format_version(), group.content);
    for file in part.comes {
        // -1: inherited from the manifest list.
        writer.add_file(file.clone(), sequence_number.unwrap_or(-1))?;
    }
    for entry in part.goes {
        let (sequence, file_sequence) = (entry.sequence_number().unwrap_or_default(), entry.file_sequence_number);
        writer.add_delete_file(entry.data_file().clone(), sequence, file_sequence)?;
    }
    for entry in part.stays {
        let (sequence, file_sequence) = (entry.sequence_number().unwrap_or_default(), entry.file_sequence_number);
        let added_by = entry.snapshot_id().unwrap_or_default();
        writer.add_existing_file(entry.data_file().clone(), added_by, sequence, file_sequence)?;
    }
    let manifest = writer.write_manifest_file().await?;
    Ok((manifest, only(captured)?))
}

pub(crate) fn writer(
    builder: ManifestWriterBuilder,
    version: FormatVersion,
    content: ManifestContentType,
) -> ManifestWriter {
    match (version, content) {
        (FormatVersion::V1, _) => builder.build_v1(),
        (FormatVersion::V2, ManifestContentType::Data) => builder.build_v2_data(),
        (FormatVersion::V2, ManifestContentType::Deletes) => builder.build_v2_deletes(),
        (FormatVersion::V3, ManifestContentType::Data) => builder.build_v3_data(),
        (FormatVersion::V3, ManifestContentType::Deletes) => builder.build_v3_deletes(),
    }
}
