//! The state of a table, from its metadata and manifests alone: no data file is read, and what can't be seen so is said.

mod files;

use std::collections::BTreeMap;

use iceberg::spec::{FormatVersion, ManifestContentType, ManifestFile, SnapshotRef, SnapshotReference, TableMetadata};
use serde::Serialize;
use tributary_table::{LiveFile, Table, TableError, TableState};

pub use self::files::{FilesHealth, PartitionHealth};
use crate::time::TimePoint;
use crate::time_column::TimeColumn;

/// A table's state at one time. Rows count as their files hold them, also those that delete files hide. Times are RFC 3339.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HealthReport {
    /// The Iceberg format version.
    pub format_version: u8,
    /// Where the current metadata file is.
    pub metadata_location: String,
    /// Its length; `None` where it could not be asked. Every reader and every commit reads it whole.
    pub metadata_bytes: Option<u64>,
    /// Snapshots that can be read.
    pub snapshots: u64,
    /// When the oldest of them was committed.
    pub oldest_snapshot: Option<String>,
    /// Branches, `main` included.
    pub branches: u64,
    /// Tags.
    pub tags: u64,
    /// Earlier metadata files that the current one still lists.
    pub metadata_log_entries: u64,
    /// When the head was committed; `None` for a table without snapshots.
    pub last_commit: Option<String>,
    /// Whole seconds since then; negative when the committer's clock was ahead.
    pub seconds_since_last_commit: Option<i64>,
    /// What the head's commit did: `append`, `replace`, `overwrite` or `delete`.
    pub last_operation: Option<String>,
    /// Kafka partitions in the checkpoint.
    pub checkpoint_partitions: u64,
    /// The greatest timestamp of a committed Kafka record.
    pub newest_record: Option<String>,
    /// Why ingest can't go on from the checkpoint, if it can't.
    pub checkpoint_fault: Option<String>,
    /// Manifests of data files.
    pub data_manifests: u64,
    /// Manifests of delete files.
    pub delete_manifests: u64,
    /// Bytes of all manifests; a reader that plans a scan reads what it can't prune of them.
    pub manifest_bytes: u64,
    /// Data files and delete files.
    #[serde(flatten)]
    pub files: FilesHealth,
    /// Of each date and timestamp column, the newest value that is not in the future.
    pub newest_values: Vec<NewestValue>,
    /// What all this does not tell.
    pub cannot_see: Vec<String>,
}

/// The newest value of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewestValue {
    /// The column, with dots between the names of nested ones.
    pub column: String,
    /// At or after this time there is a row; `None` where no file tells.
    pub newest: Option<String>,
    /// Whole seconds since then.
    pub seconds_ago: Option<i64>,
    /// Files that don't tell: the newest row may be in one of them.
    pub files_unknown: u64,
}

/// Reads what is needed of the table and examines it. `now_ms` is since the epoch.
///
/// # Errors
/// [`TableError`] if metadata or a manifest can't be read.
pub async fn health(table: &Table, now_ms: i64) -> Result<HealthReport, TableError> {
    let state = table.refresh().await?;
    let live = table.live_files(&state).await?;
    let metadata_bytes = match state.file_io().new_input(state.metadata_location()) {
        // A length that can't be had is one more thing that can't be seen, and no reason to see nothing.
        Ok(input) => input.metadata().await.ok().map(|about| about.size),
        Err(_) => None,
    };
    let refs = state.refs(table.ident())?;
    Ok(examine(&state, &refs, &live, metadata_bytes, now_ms))
}

/// The report over what was read. Pure.
pub fn examine(
    state: &TableState,
    refs: &BTreeMap<String, SnapshotReference>,
    live: &[LiveFile],
    metadata_bytes: Option<u64>,
    now_ms: i64,
) -> HealthReport {
    let (metadata, now) = (state.metadata(), TimePoint::of_ms(now_ms));
    let files = FilesHealth::of(live, metadata.properties());
    let newest_values = newest_values(metadata, live, now);
    let head = metadata.current_snapshot();
    let oldest = metadata.snapshots().map(|snapshot| snapshot.timestamp_ms()).min();
    let records = state.checkpoint().iter().map(|(_, progress)| progress.timestamp_ms_max);
    let branches = refs.values().filter(|one| one.is_branch()).count() as u64;
    let cannot_see = cannot_see(&files, &newest_values, metadata_bytes, refs.len());
    HealthReport {
        format_version: version_number(metadata.format_version()),
        metadata_location: state.metadata_location().to_owned(),
        metadata_bytes,
        snapshots: metadata.snapshots().count() as u64,
        oldest_snapshot: oldest.map(text),
        branches,
        tags: refs.len() as u64 - branches,
        metadata_log_entries: metadata.metadata_log().len() as u64,
        last_commit: head.map(|head| text(head.timestamp_ms())),
        seconds_since_last_commit: head.map(|head| TimePoint::of_ms(head.timestamp_ms()).seconds_until(now)),
        last_operation: head.map(operation),
        checkpoint_partitions: state.checkpoint().iter().count() as u64,
        newest_record: records.filter(|ms| *ms >= 0).max().map(text),
        checkpoint_fault: state.checkpoint_fault().map(ToString::to_string),
        data_manifests: manifests(state, ManifestContentType::Data).count() as u64,
        delete_manifests: manifests(state, ManifestContentType::Deletes).count() as u64,
        manifest_bytes: state
            .manifests()
            .iter()
            .map(|one| u64::try_from(one.manifest_length).unwrap_or_default())
            .sum(),
        files,
        newest_values,
        cannot_see,
    }
}

fn version_number(version: FormatVersion) -> u8 {
    match version {
        FormatVersion::V1 => 1,
        FormatVersion::V2 => 2,
        FormatVersion::V3 => 3,
    }
}

fn text(ms: i64) -> String {
    TimePoint::of_ms(ms).to_string()
}

fn operation(head: &SnapshotRef) -> String {
    head.summary().operation.as_str().to_owned()
}

fn manifests(state: &TableState, content: ManifestContentType) -> impl Iterator<Item = &ManifestFile> {
    state.manifests().iter().filter(move |manifest| manifest.content == content)
}

fn newest_values(metadata: &TableMetadata, live: &[LiveFile], now: TimePoint) -> Vec<NewestValue> {
    let of_column = |column: TimeColumn| {
        let newest = column.newest(files::data_files(live), now);
        NewestValue {
            column: column.name().to_owned(),
            newest: newest.map(|newest| newest.to_string()),
            seconds_ago: newest.map(|newest| newest.seconds_until(now)),
            files_unknown: files::data_files(live).filter(|file| !column.times_of(file).tells()).count() as u64,
        }
    };
    TimeColumn::all_of_schema(metadata.current_schema()).into_iter().map(of_column).collect()
}

fn cannot_see(
    files: &FilesHealth,
    newest_values: &[NewestValue],
    metadata_bytes: Option<u64>,
    refs: usize,
) -> Vec<String> {
    let mut unseen = vec![
        "files in storage that no snapshot names (orphan files), and those that only older snapshots name".to_owned(),
        "whether the files are there and can be read".to_owned(),
    ];
    let deletes = files.position_delete_files + files.equality_delete_files;
    if deletes > 0 {
        unseen.push(format!("how many rows {deletes} delete files hide: counts and newest values include them"));
    }
    if refs > 1 {
        unseen.push("what branches other than `main`, and tags, hold".to_owned());
    }
    for NewestValue { column, files_unknown, .. } in newest_values.iter().filter(|one| one.files_unknown > 0) {
        unseen.push(format!("the newest `{column}` of {files_unknown} data files without bounds of it"));
    }
    if metadata_bytes.is_none() {
        unseen.push("the length of the metadata file: its storage did not tell".to_owned());
    }
    unseen
}
