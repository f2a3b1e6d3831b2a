//! Append: rows and their offsets, in one step (INV-2).

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use iceberg::Result as IcebergResult;
use iceberg::spec::{ManifestFile, Operation};
use tokio::time::Instant;

use crate::checkpoint::{Advance, Anchor, CHECKPOINT_PROPERTY};
use crate::commit::{Attempt, Course, Limits, Settled};
use crate::data_files::{DescribedFiles, EncodedFiles};
use crate::error::{Blame, TableError};
use crate::heal::Remembered;
use crate::lineage;
use crate::manifests::{self, Change};
use crate::snapshot::{Delta, Draft, Identity, Proposal};
use crate::state::TableState;
use crate::table::Table;

/// Name of the snapshot summary entry of a snapshot that puts back a lost one: the lost one's id.
const HEALS_PROPERTY: &str = "tributary.heals-snapshot-id";

/// A batch ready to commit.
#[derive(Debug)]
pub struct AppendRequest<'a> {
    /// The state the batch was cut and decoded by.
    pub base: &'a TableState,
    /// Its rows.
    pub files: EncodedFiles,
    /// The offsets it settles, one range a partition; none for rows that come from no source.
    pub advances: Vec<Advance>,
    /// The time of the snapshot, in milliseconds since the epoch.
    pub now_ms: i64,
    /// When to give up.
    pub deadline: Instant,
}

/// What became of an append.
#[must_use]
#[derive(Debug)]
pub enum Appended {
    /// Rows and offsets are in the table.
    Committed {
        /// The snapshot that added them.
        snapshot_id: i64,
        /// How many attempts it took.
        attempts: u32,
        /// The table after it.
        state: TableState,
    },
    /// The table moved in a way that changes what the batch means (its checkpoint, schema or partition spec): nothing was
    /// committed; cut and decode the batch again by the new state.
    Superseded {
        /// The table as it stands.
        state: TableState,
        /// How many attempts were made.
        attempts: u32,
    },
}

/// What `Table::commit_files` commits: files, offsets, and what is still to be put.
pub(crate) struct FilesToCommit {
    pub(crate) files: DescribedFiles,
    pub(crate) puts: Vec<(String, Bytes)>,
    pub(crate) advances: Vec<Advance>,
    /// The lost snapshot these files are put back from.
    pub(crate) heals: Option<i64>,
}

impl Table {
    /// Commits rows and offsets on top of `request.base`, or of what other writers made of it meanwhile.
    pub async fn append(&self, request: AppendRequest<'_>) -> Result<Appended, TableError> {
        let AppendRequest { base, files, advances, now_ms, deadline } = request;
        let (files, puts) = files.split();
        self.commit_files(base, FilesToCommit { files, puts, advances, heals: None }, now_ms, deadline).await
    }

    pub(crate) async fn commit_files(
        &self,
        base: &TableState,
        commit: FilesToCommit,
        now_ms: i64,
        deadline: Instant,
    ) -> Result<Appended, TableError> {
        let FilesToCommit { files, puts, advances, heals } = commit;
        let blame = Blame(self.ident());
        let plan = AppendPlan::try_new(base, &files, heals).await.map_err(blame.metadata("write the manifest"))?;
        let shared = puts.into_iter().chain(plan.manifest_files()).collect();
        let mut course = Course::new(self, Limits::of_table(&base.metadata, deadline), shared, Vec::new());
        let mut current = base.clone();
        // Ends: `Course` bounds the attempts.
        loop {
            if supersedes(base, &current, &advances) {
                course.abandon(&current).await;
                return Ok(Appended::Superseded { state: current, attempts: course.attempts() });
            }
            let proposal = plan.propose(&current, &advances, course.attempts(), now_ms).await;
            let proposal = proposal.map_err(blame.metadata("build the snapshot"))?;
            let attempt =
                Attempt { new: proposal.new, manifests: proposal.manifests, own_files: vec![proposal.manifest_list] };
            let holds_it = |state: &TableState| state.metadata.snapshot_by_id(plan.identity.snapshot_id).is_some();
            match course.attempt(&current, attempt, holds_it).await? {
                Settled::Landed(state) => {
                    let (snapshot_id, attempts) = (plan.identity.snapshot_id, course.attempts());
                    self.remember(Remembered::of(&state, snapshot_id, files, advances));
                    return Ok(Appended::Committed { snapshot_id, attempts, state });
                }
                Settled::Lost(state) => current = state,
            }
        }
    }
}

/// An append that keeps its identity over every attempt. Its manifests are written once, whichever attempt wins.
struct AppendPlan {
    identity: Identity,
    /// The manifests of the new data files: one, or more for thousands of files; none when the batch has no rows.
    manifests: Vec<(ManifestFile, Bytes)>,
    delta: Delta,
    /// The snapshot this one puts back, if it does.
    heals: Option<i64>,
}

impl AppendPlan {
    async fn try_new(base: &TableState, files: &DescribedFiles, heals: Option<i64>) -> IcebergResult<Self> {
        let identity = Identity::try_new(&base.metadata)?;
        // Its sequence number is inherited from the manifest list.
        let change = Change { removed: &HashSet::new(), added: files, sequence_number: None };
        let manifests = manifests::changed(&base.metadata, &[], &change, &identity, 0).await?.written;
        Ok(Self { identity, manifests, delta: Delta::of(&files.files, []), heals })
    }

    /// The manifests to put, once, with the first attempt.
    fn manifest_files(&self) -> impl Iterator<Item = (String, Bytes)> {
        self.manifests.iter().map(|(manifest, bytes)| (manifest.manifest_path.clone(), bytes.clone()))
    }

    /// This append on top of `base`. The manifests stand; only the list and the metadata are new.
    async fn propose(
        &self,
        base: &TableState,
        advances: &[Advance],
        attempt: u32,
        now_ms: i64,
    ) -> IcebergResult<Proposal> {
        let mut summary = Vec::new();
        if !advances.is_empty() {
            summary.push((lineage::LINEAGE_PROPERTY, lineage::to_summary(advances)));
        }
        summary.extend(self.heals.map(|lost| (HEALS_PROPERTY, lost.to_string())));
        let draft = Draft {
            operation: Operation::Append,
            delta: self.delta.clone(),
            created: self.manifests.iter().map(|(manifest, _)| manifest.clone()).collect(),
            kept: base.manifests.to_vec(),
            replaced: 0,
            summary,
        };
        let checkpoint = |sequence_number| {
            // Rows that come from no source move no checkpoint, and make none.
            if advances.is_empty() {
                return HashMap::new();
            }
            let anchor = Anchor { snapshot_id: self.identity.snapshot_id, sequence_number };
            let checkpoint = base.checkpoint.advanced(advances, anchor);
            HashMap::from([(CHECKPOINT_PROPERTY.to_owned(), checkpoint.to_property())])
        };
        draft.propose(&self.identity, base, attempt, now_ms, checkpoint).await
    }
}

/// Whether rows cut and decoded by `base` may no longer be committed as they are on `current`.
fn supersedes(base: &TableState, current: &TableState, advances: &[Advance]) -> bool {
    let moved = |advance: &Advance| {
        base.checkpoint.progress(&advance.partition) != current.checkpoint.progress(&advance.partition)
    };
    base.metadata.uuid() != current.metadata.uuid()
        || current.fault.is_some()
        // By content: a writer that overwrites another's commit gives the same next id to another schema or spec.
        || base.schema().schema_id() != current.schema().schema_id()
        || base.schema().as_struct() != current.schema().as_struct()
        || base.metadata.default_partition_spec() != current.metadata.default_partition_spec()
        || advances.iter().any(moved)
}
