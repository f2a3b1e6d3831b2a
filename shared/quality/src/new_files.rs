//! The data files that came since a snapshot, by what snapshots say of them: rows that were only rewritten since are not new.

use std::collections::HashSet;

use iceberg::spec::{DataContentType, Operation, SnapshotRef, TableMetadata};
use tributary_table::{LiveFile, Table, TableError, TableState};

use crate::facts::history;

/// Rewrites whose manifests are read, each with some reads. A check that finds more since the last one runs too rarely.
const REWRITES_READ_MAX: usize = 32;

/// Files with rows that came since a snapshot.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewFiles {
    pub(crate) files: Vec<LiveFile>,
    /// Paths of those that are live no more, their rows rewritten into others: snapshot expiry may have deleted them.
    pub(crate) rewritten: HashSet<String>,
    /// Whether these are all, and hold nothing else.
    pub(crate) is_complete: bool,
}

/// What the history says of the time since a snapshot.
#[derive(Debug, PartialEq, Eq)]
struct Since<'a> {
    /// Snapshots that added rows.
    added: HashSet<i64>,
    /// Snapshots that rewrote files, perhaps those of `added`.
    rewrites: Vec<&'a SnapshotRef>,
    /// The sequence number of the first snapshot.
    first_sequence_number: i64,
    is_complete: bool,
}

fn plan_since(metadata: &TableMetadata, last: i64) -> Since<'_> {
    let mut since =
        Since { added: HashSet::new(), rewrites: Vec::new(), first_sequence_number: i64::MAX, is_complete: false };
    for snapshot in history(metadata) {
        if snapshot.snapshot_id() == last {
            since.is_complete = true;
            break;
        }
        match snapshot.summary().operation {
            Operation::Append | Operation::Overwrite => drop(since.added.insert(snapshot.snapshot_id())),
            Operation::Replace => since.rewrites.push(snapshot),
            Operation::Delete => {}
        }
        since.first_sequence_number = snapshot.sequence_number();
        // The last one may have expired meanwhile; what came after it is still all there.
        since.is_complete |= snapshot.parent_snapshot_id() == Some(last);
    }
    since
}

/// The data files that came after snapshot `last`: of those live, and of those rewritten since. If the history does not tell, all
/// that are live: rather rows twice than rows never.
pub(crate) async fn new_files(
    table: &Table,
    state: &TableState,
    live: &[LiveFile],
    last: i64,
) -> Result<NewFiles, TableError> {
    let since = plan_since(state.metadata(), last);
    if !since.is_complete || since.rewrites.len() > REWRITES_READ_MAX {
        return Ok(NewFiles { files: live.to_vec(), rewritten: HashSet::new(), is_complete: false });
    }
    let mut files: Vec<LiveFile> = live.iter().filter(|file| since.added.contains(&file.added_by())).cloned().collect();
    let (mut written, mut removed) = (HashSet::new(), Vec::new());
    for snapshot in since.rewrites {
        let changes = table.file_changes_of(state, snapshot).await?;
        written.extend(changes.added.iter().map(|file| file.path().to_owned()));
        removed.extend(changes.removed);
    }
    // What a rewrite removed came since then if its sequence number says so, unless it was a rewrite's own work.
    let came = |file: &LiveFile| {
        file.content() == DataContentType::Data
            && file.sequence_number() >= since.first_sequence_number
            && !written.contains(file.path())
    };
    removed.retain(came);
    let rewritten = removed.iter().map(|file| file.path().to_owned()).collect();
    files.extend(removed);
    Ok(NewFiles { files, rewritten, is_complete: true })
}
