//! Builds a snapshot on top of a base: manifest list, summary and metadata, all in memory.
//!
//! Pure: everything ends in memory, so that one parallel wave can send it (design D3).

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use iceberg::spec::{
    DataContentType, DataFile, FormatVersion, MAIN_BRANCH, ManifestFile, ManifestListWriter, Operation, Snapshot,
    SnapshotRef, Summary, TableMetadata,
};
use iceberg::{Error, ErrorKind, Result};
use uuid::Uuid;

use crate::metadata_file::{self, NewMetadata};
use crate::state::{TableState, parse_manifests};
use crate::storage::Captured;

/// What a commit keeps over every attempt: the snapshot id is how an unknown outcome is recognised.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) snapshot_id: i64,
    commit_id: Uuid,
}

impl Identity {
    pub(crate) fn try_new(metadata: &TableMetadata) -> Result<Self> {
        Ok(Self { snapshot_id: unused_snapshot_id(metadata)?, commit_id: Uuid::now_v7() })
    }

    /// Where a manifest of the commit goes; names of different attempts (from 0) or numbers differ.
    pub(crate) fn manifest_path(&self, metadata: &TableMetadata, attempt: u32, number: usize) -> String {
        let folder = metadata_file::folder(metadata);
        match attempt {
            0 => format!("{folder}/{}-m{number}.avro", self.commit_id),
            attempt => format!("{folder}/{}-{attempt}-m{number}.avro", self.commit_id),
        }
    }

    fn list_path(&self, metadata: &TableMetadata, attempt: u32) -> String {
        format!("{}/snap-{}-{attempt}-{}.avro", metadata_file::folder(metadata), self.snapshot_id, self.commit_id)
    }
}

/// A snapshot to be built on whatever base the attempt has.
pub(crate) struct Draft {
    pub(crate) operation: Operation,
    pub(crate) delta: Delta,
    /// Manifests this snapshot wrote; they come first, since readers that want recent rows then open fewer.
    pub(crate) created: Vec<ManifestFile>,
    /// Manifests that stay from the base.
    pub(crate) kept: Vec<ManifestFile>,
    /// How many of the base's manifests are gone.
    pub(crate) replaced: usize,
    /// Further summary entries.
    pub(crate) summary: Vec<(&'static str, String)>,
}

/// Everything one attempt would put and swap in.
pub(crate) struct Proposal {
    pub(crate) new: NewMetadata,
    pub(crate) manifest_list: (String, Bytes),
    pub(crate) manifests: Vec<ManifestFile>,
}

impl Draft {
    /// The snapshot on top of `base`; `properties` of the table are set in the same metadata, by what they are once the
    /// snapshot's sequence number is known.
    pub(crate) async fn propose(
        self,
        identity: &Identity,
        base: &TableState,
        attempt: u32,
        now_ms: i64,
        properties: impl FnOnce(i64) -> HashMap<String, String>,
    ) -> Result<Proposal> {
        let metadata = &base.metadata;
        let (snapshot_id, sequence_number) = (identity.snapshot_id, metadata.next_sequence_number());
        let path = identity.list_path(metadata, attempt);
        let summary = self.summary(metadata.current_snapshot());
        let entries = self.created.into_iter().chain(self.kept).collect();
        let (list, next_row_id) = manifest_list(metadata, &path, snapshot_id, sequence_number, entries).await?;
        let snapshot = Snapshot::builder()
            .with_snapshot_id(snapshot_id)
            .with_parent_snapshot_id(metadata.current_snapshot_id())
            .with_sequence_number(sequence_number)
            .with_timestamp_ms(now_ms.max(metadata.last_updated_ms()))
            .with_manifest_list(path.clone())
            .with_schema_id(metadata.current_schema_id())
            .with_summary(summary);
        let snapshot = match next_row_id {
            Some(next) => {
                snapshot.with_row_range(metadata.next_row_id(), next.saturating_sub(metadata.next_row_id())).build()
            }
            None => snapshot.build(),
        };
        let mut builder = TableMetadata::clone(metadata)
            .into_builder(Some(base.pointer.metadata_location.clone()))
            .set_branch_snapshot(snapshot, MAIN_BRANCH)?;
        let properties = properties(sequence_number);
        if !properties.is_empty() {
            builder = builder.set_properties(properties)?;
        }
        let new = NewMetadata::build(builder, &base.pointer.metadata_location)?;
        let manifests = parse_manifests(&list, metadata.format_version())?;
        Ok(Proposal { new, manifest_list: (path, list), manifests })
    }

    fn summary(&self, head: Option<&SnapshotRef>) -> Summary {
        let mut entries = self.delta.entries(head);
        entries.insert("manifests-created".to_owned(), self.created.len().to_string());
        entries.insert("manifests-kept".to_owned(), self.kept.len().to_string());
        entries.insert("manifests-replaced".to_owned(), self.replaced.to_string());
        entries.insert("engine-name".to_owned(), "tributary".to_owned());
        entries.insert("engine-version".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        entries.extend(self.summary.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        Summary { operation: self.operation.clone(), additional_properties: entries }
    }
}

/// What a snapshot adds and removes, counted under the summary names of the Iceberg spec (Appendix F).
#[derive(Debug, Clone, Default)]
pub(crate) struct Delta(BTreeMap<&'static str, u64>);

/// Each total with what adds to it and what takes from it.
const TOTALS: [(&str, &str, &str); 6] = [
    ("total-data-files", "added-data-files", "deleted-data-files"),
    ("total-records", "added-records", "deleted-records"),
    ("total-files-size", "added-files-size", "removed-files-size"),
    ("total-delete-files", "added-delete-files", "removed-delete-files"),
    ("total-position-deletes", "added-position-deletes", "removed-position-deletes"),
    ("total-equality-deletes", "added-equality-deletes", "removed-equality-deletes"),
];

impl Delta {
    /// Data files that come, and files of any content that go.
    pub(crate) fn of<'a>(
        added: impl IntoIterator<Item = &'a DataFile>,
        removed: impl IntoIterator<Item = &'a DataFile>,
    ) -> Self {
        let (mut delta, mut partitions) = (Self::default(), HashSet::new());
        for file in added {
            partitions.insert(file.partition());
            delta.count("added-data-files", 1);
            delta.count("added-records", file.record_count());
            delta.count("added-files-size", file.file_size_in_bytes());
        }
        for file in removed {
            partitions.insert(file.partition());
            delta.count("removed-files-size", file.file_size_in_bytes());
            delta.remove(file);
        }
        delta.count("changed-partition-count", partitions.len() as u64);
        delta
    }

    fn remove(&mut self, file: &DataFile) {
        let (files, records) = match file.content_type() {
            DataContentType::Data => ("deleted-data-files", "deleted-records"),
            DataContentType::PositionDeletes => ("removed-position-delete-files", "removed-position-deletes"),
            DataContentType::EqualityDeletes => ("removed-equality-delete-files", "removed-equality-deletes"),
        };
        self.count(files, 1);
        self.count(records, file.record_count());
        if file.content_type() != DataContentType::Data {
            self.count("removed-delete-files", 1);
        }
    }

    fn count(&mut self, name: &'static str, by: u64) {
        if by > 0 {
            *self.0.entry(name).or_default() += by;
        }
    }

    fn of_name(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// The counts and the totals after them.
    fn entries(&self, head: Option<&SnapshotRef>) -> HashMap<String, String> {
        let mut entries: HashMap<String, String> =
            self.0.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect();
        for (total, added, removed) in TOTALS {
            // A total whose previous value is unknown, or too small to be true, can't be told (Iceberg Java omits it too).
            let before = previous_total(head, total).map(|previous| previous.saturating_add(self.of_name(added)));
            if let Some(value) = before.and_then(|before| before.checked_sub(self.of_name(removed))) {
                entries.insert(total.to_owned(), value.to_string());
            }
        }
        entries
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

/// The one file a writer left.
pub(crate) fn only(captured: Captured) -> Result<Bytes> {
    let mut files = captured.take();
    match (files.pop(), files.is_empty()) {
        (Some((_, bytes)), true) => Ok(bytes),
        _ => Err(Error::new(ErrorKind::Unexpected, "expected one file from the writer, found none or several")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(totals: &[(&str, &str)]) -> SnapshotRef {
        let entries = totals.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let summary = Summary { operation: Operation::Append, additional_properties: entries };
        Snapshot::builder()
            .with_snapshot_id(1)
            .with_sequence_number(1)
            .with_timestamp_ms(1)
            .with_manifest_list("list".to_owned())
            .with_schema_id(0)
            .with_summary(summary)
            .build()
            .into()
    }

    #[test]
    fn a_total_is_left_out_where_it_can_not_be_told() {
        let mut delta = Delta::default();
        delta.count("deleted-records", 5);
        assert_eq!(delta.entries(None).get("total-records"), None, "fewer than none");
        let known = delta.entries(Some(&snapshot(&[("total-records", "7")])));
        assert_eq!(known.get("total-records").map(String::as_str), Some("2"));
        assert_eq!(known.get("total-data-files"), None, "the head does not say");
        assert_eq!(delta.entries(None).get("total-data-files").map(String::as_str), Some("0"));
    }
}
