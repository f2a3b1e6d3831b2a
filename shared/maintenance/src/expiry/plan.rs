//! Which snapshots and refs go; pure.
//!
//! The rules are those of the Iceberg spec ("Snapshot Retention Policy") as Iceberg Java applies them:
//!
//! | of | stays | decided by |
//! |---|---|---|
//! | `main` | always | |
//! | another branch, a tag | while the snapshot it names is younger than the ref may get | its `max-ref-age-ms`, else `history.expire.max-ref-age-ms` |
//! | a branch that stays | its newest snapshots: so many, and those behind them until the first that is too old | its `min-snapshots-to-keep` and `max-snapshot-age-ms`, else the options, else the table's `history.expire.*` |
//! | a tag that stays | the snapshot it names | |
//! | no ref that stays (a rolled-back or staged snapshot) | it while it is young enough | the options, else `history.expire.max-snapshot-age-ms` |
//!
//! And two rules of our own, which only keep more:
//!
//! - **Nothing young.** Unless the options say `older-than`, no snapshot younger than [`YOUNGEST_MS`] goes, whatever a property says:
//!   a rewrite under way needs the history back to its start, and a commit that another writer overwrote (INV-7) is judged by it.
//! - **What the checkpoint is judged by.** A table that was rolled back undoes its checkpoint by the snapshots between the
//!   checkpoint's and the head's; while it has not moved on, these stay. Likewise the way from the head to the checkpoint's snapshot
//!   stays if that snapshot does (kept by a tag, say), since without it the table would look rolled back.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use iceberg::spec::{MAIN_BRANCH, SnapshotReference, SnapshotRetention, TableMetadata};

/// Age in milliseconds below which no property makes a snapshot go: four times as long as a Lambda function can run.
pub const YOUNGEST_MS: i64 = 60 * 60 * 1000;

/// What planning needs of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    parent: Option<i64>,
    timestamp_ms: i64,
}

/// The table's snapshots and what names them.
#[derive(Debug, Clone)]
pub(super) struct History {
    snapshots: BTreeMap<i64, Node>,
    refs: BTreeMap<String, SnapshotReference>,
    head: Option<i64>,
    /// The snapshot the checkpoint belongs to.
    anchor: Option<i64>,
}

impl History {
    pub(super) fn of(metadata: &TableMetadata, refs: BTreeMap<String, SnapshotReference>, anchor: Option<i64>) -> Self {
        let node = |snapshot: &iceberg::spec::SnapshotRef| {
            let node = Node { parent: snapshot.parent_snapshot_id(), timestamp_ms: snapshot.timestamp_ms() };
            (snapshot.snapshot_id(), node)
        };
        Self { snapshots: metadata.snapshots().map(node).collect(), refs, head: metadata.current_snapshot_id(), anchor }
    }

    /// A snapshot and those before it, as far as they are known.
    fn line(&self, from: Option<i64>) -> impl Iterator<Item = (i64, Node)> {
        let node = |id: i64| self.snapshots.get(&id).map(|node| (id, *node));
        std::iter::successors(from.and_then(node), move |(_, at)| at.parent.and_then(node)).take(self.snapshots.len())
    }
}

/// What is too old; times in milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) now_ms: i64,
    /// Snapshots from before go, where their branch does not say otherwise.
    pub(super) older_than_ms: i64,
    /// No snapshot from then or later goes.
    pub(super) youngest_ms: i64,
    /// How many of a branch stay, where it does not say otherwise.
    pub(super) retain_last: usize,
    /// How old a ref may get, where it does not say otherwise.
    pub(super) max_ref_age_ms: i64,
}

/// What goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ExpiryPlan {
    pub(super) expired: BTreeSet<i64>,
    pub(super) removed_refs: Vec<String>,
    /// How many snapshots stay for the checkpoint alone.
    pub(super) kept_for_checkpoint: usize,
}

/// Applies the rules to a history.
pub(super) fn plan_expiry(history: &History, rules: &Rules) -> ExpiryPlan {
    let (live_refs, removed_refs): (Vec<_>, Vec<_>) =
        history.refs.iter().partition(|(name, at)| ref_stays(name, at, history, rules));
    let mut kept = kept_by_refs(history, &live_refs, rules);
    // The head is named by `main`; should it not be, it is in use all the same.
    kept.extend(history.head);
    kept.extend(unreferenced(history, &live_refs, rules));
    let is_young = |node: &Node| node.timestamp_ms >= rules.youngest_ms;
    kept.extend(history.snapshots.iter().filter(|(_, node)| is_young(node)).map(|(id, _)| *id));
    let for_checkpoint = needed_by_checkpoint(history, &kept);
    let kept_for_checkpoint = for_checkpoint.difference(&kept).count();
    kept.extend(for_checkpoint);
    let expired = history.snapshots.keys().filter(|id| !kept.contains(id)).copied().collect();
    let removed_refs = removed_refs.into_iter().map(|(name, _)| name.clone()).collect();
    ExpiryPlan { expired, removed_refs, kept_for_checkpoint }
}

type NamedRef<'a> = (&'a String, &'a SnapshotReference);

fn ref_stays(name: &str, reference: &SnapshotReference, history: &History, rules: &Rules) -> bool {
    let own = match reference.retention {
        SnapshotRetention::Branch { max_ref_age_ms, .. } | SnapshotRetention::Tag { max_ref_age_ms } => max_ref_age_ms,
    };
    let age_max_ms = own.unwrap_or(rules.max_ref_age_ms);
    let named = history.snapshots.get(&reference.snapshot_id);
    name == MAIN_BRANCH || named.is_some_and(|node| rules.now_ms.saturating_sub(node.timestamp_ms) <= age_max_ms)
}

fn kept_by_refs(history: &History, refs: &[NamedRef<'_>], rules: &Rules) -> BTreeSet<i64> {
    let mut kept = BTreeSet::new();
    for (_, reference) in refs {
        let SnapshotRetention::Branch { min_snapshots_to_keep, max_snapshot_age_ms, .. } = reference.retention else {
            kept.insert(reference.snapshot_id);
            continue;
        };
        let own_count = min_snapshots_to_keep.and_then(|count| usize::try_from(count).ok());
        let count = own_count.unwrap_or(rules.retain_last).max(1);
        let older_than_ms = max_snapshot_age_ms.map_or(rules.older_than_ms, |age| rules.now_ms.saturating_sub(age));
        let line = history.line(Some(reference.snapshot_id)).enumerate();
        let stays = line.take_while(|(index, (_, node))| *index < count || node.timestamp_ms >= older_than_ms);
        kept.extend(stays.map(|(_, (id, _))| id));
    }
    kept
}

/// Snapshots on no branch and under no tag, that are not too old.
fn unreferenced(history: &History, refs: &[NamedRef<'_>], rules: &Rules) -> Vec<i64> {
    let mut referenced: HashSet<i64> = HashSet::new();
    for (_, reference) in refs {
        match reference.retention {
            SnapshotRetention::Branch { .. } => {
                // Where another branch was before, everything behind has been seen.
                let unseen = history.line(Some(reference.snapshot_id)).map(|(id, _)| id);
                referenced.extend(unseen.take_while(|id| !referenced.contains(id)).collect::<Vec<_>>());
            }
            SnapshotRetention::Tag { .. } => drop(referenced.insert(reference.snapshot_id)),
        }
    }
    let young = history.snapshots.iter().filter(|(_, node)| node.timestamp_ms >= rules.older_than_ms);
    young.map(|(id, _)| *id).filter(|id| !referenced.contains(id)).collect()
}

/// What must stay so that the checkpoint means after the expiry what it means before.
fn needed_by_checkpoint(history: &History, kept: &BTreeSet<i64>) -> BTreeSet<i64> {
    let Some(anchor) = history.anchor.filter(|anchor| history.snapshots.contains_key(anchor)) else {
        // It expired earlier; that it is older than anything known is not changed by expiring more.
        return BTreeSet::new();
    };
    let from_head: Vec<i64> = history.line(history.head).map(|(id, _)| id).collect();
    if let Some(at) = from_head.iter().position(|id| *id == anchor) {
        // An ancestor of the head: it may go as any other, but not be cut off while it stays.
        return if kept.contains(&anchor) { from_head[..=at].iter().copied().collect() } else { BTreeSet::new() };
    }
    let on_head_line: HashSet<i64> = from_head.iter().copied().collect();
    let mut needed = BTreeSet::new();
    let mut fork = None;
    for (id, _) in history.line(Some(anchor)) {
        needed.insert(id);
        if on_head_line.contains(&id) {
            fork = Some(id);
            break;
        }
    }
    let to_fork = from_head.iter().position(|id| Some(*id) == fork).map_or(from_head.len(), |at| at + 1);
    needed.extend(&from_head[..to_fork]);
    needed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY_MS: i64 = 86_400_000;
    const NOW_MS: i64 = 1000 * DAY_MS;

    fn rules(older_than_days: i64, retain_last: usize) -> Rules {
        Rules {
            now_ms: NOW_MS,
            older_than_ms: NOW_MS - older_than_days * DAY_MS,
            youngest_ms: NOW_MS - YOUNGEST_MS,
            retain_last,
            max_ref_age_ms: i64::MAX,
        }
    }

    /// Snapshots as (id, parent or 0, age in days); `main` at `head`.
    fn history(snapshots: &[(i64, i64, i64)], head: i64) -> History {
        let node = |(id, parent, age): &(i64, i64, i64)| {
            let parent = (*parent != 0).then_some(*parent);
            (*id, Node { parent, timestamp_ms: NOW_MS - age * DAY_MS })
        };
        let main = branch(head, None, None, None);
        History {
            snapshots: snapshots.iter().map(node).collect(),
            refs: BTreeMap::from([(MAIN_BRANCH.to_owned(), main)]),
            head: Some(head),
            anchor: None,
        }
    }

    fn branch(at: i64, count: Option<i32>, age_days: Option<i64>, ref_age_days: Option<i64>) -> SnapshotReference {
        let days = |days: Option<i64>| days.map(|days| days * DAY_MS);
        SnapshotReference::new(at, SnapshotRetention::branch(count, days(age_days), days(ref_age_days)))
    }

    fn tag(at: i64, ref_age_days: Option<i64>) -> SnapshotReference {
        let max_ref_age_ms = ref_age_days.map(|days| days * DAY_MS);
        SnapshotReference::new(at, SnapshotRetention::Tag { max_ref_age_ms })
    }

    /// One to ten, one a day, ten the newest and one day old.
    fn ten() -> History {
        let snapshots: Vec<_> = (1..=10).map(|id| (id, id - 1, 11 - id)).collect();
        history(&snapshots, 10)
    }

    fn expired(history: &History, rules: &Rules) -> Vec<i64> {
        plan_expiry(history, rules).expired.into_iter().collect()
    }

    #[test]
    fn what_is_too_old_goes_but_for_the_newest_ones() {
        assert_eq!(expired(&ten(), &rules(5, 1)), [1, 2, 3, 4, 5]);
        assert_eq!(expired(&ten(), &rules(5, 8)), [1, 2]);
        assert_eq!(expired(&ten(), &rules(0, 1)), [1, 2, 3, 4, 5, 6, 7, 8, 9], "the head stays, however old");
        assert_eq!(expired(&ten(), &rules(20, 1)), [0; 0]);
    }

    #[test]
    fn a_branch_has_its_own_rules_and_a_tag_keeps_its_snapshot() {
        let mut history = ten();
        history.refs.insert("audit".to_owned(), branch(6, Some(2), Some(1), None));
        history.refs.insert("release".to_owned(), tag(2, None));
        assert_eq!(expired(&history, &rules(0, 1)), [1, 3, 4, 7, 8, 9]);
        history.refs.insert(MAIN_BRANCH.to_owned(), branch(10, Some(3), Some(1), None));
        // The table's own rule counts where the options do not: for unreferenced snapshots alone.
        assert_eq!(expired(&history, &rules(20, 1)), [1, 3, 4, 7]);
    }

    #[test]
    fn a_ref_that_is_too_old_goes_with_its_snapshots_and_main_never_does() {
        let mut history = history(&[(1, 0, 40), (2, 1, 30), (3, 1, 20)], 2);
        history.refs.insert("old".to_owned(), branch(3, None, None, Some(10)));
        history.refs.insert("young".to_owned(), tag(1, Some(41)));
        let plan = plan_expiry(&history, &Rules { max_ref_age_ms: 5 * DAY_MS, ..rules(5, 1) });
        assert_eq!(plan.removed_refs, ["old"]);
        assert_eq!(plan.expired, BTreeSet::from([3]));
    }

    #[test]
    fn rolled_back_and_staged_snapshots_go_by_age() {
        let history = history(&[(1, 0, 9), (2, 1, 8), (3, 1, 4), (4, 1, 7)], 4);
        assert_eq!(expired(&history, &rules(5, 2)), [2]);
        assert_eq!(expired(&history, &rules(3, 2)), [2, 3]);
    }

    #[test]
    fn nothing_young_goes_unless_it_is_asked_for() {
        let mut history = history(&[(1, 0, 0), (2, 1, 0), (3, 2, 0)], 3);
        history.refs.insert(MAIN_BRANCH.to_owned(), branch(3, Some(1), Some(0), None));
        // A millisecond later all of them are older than the branch keeps.
        let rules = Rules { now_ms: NOW_MS + 1, ..rules(5, 1) };
        assert_eq!(expired(&history, &rules), [0; 0]);
        assert_eq!(expired(&history, &Rules { youngest_ms: NOW_MS + 1, ..rules }), [1, 2]);
    }

    #[test]
    fn the_snapshots_of_a_checkpoint_that_is_an_ancestor_go_as_any_other() {
        let history = History { anchor: Some(3), ..ten() };
        assert_eq!(expired(&history, &rules(5, 1)), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn the_way_to_the_checkpoint_stays_while_its_snapshot_does() {
        let mut history = History { anchor: Some(3), ..ten() };
        history.refs.insert("release".to_owned(), tag(3, None));
        let plan = plan_expiry(&history, &rules(2, 1));
        assert_eq!((plan.expired, plan.kept_for_checkpoint), (BTreeSet::from([1, 2]), 5));
    }

    #[test]
    fn what_undoes_the_checkpoint_of_a_rolled_back_table_stays() {
        // Rolled back from 5 to 2; then another engine went on with 6 and 7.
        let snapshots = [(1, 0, 19), (2, 1, 18), (3, 2, 17), (4, 3, 16), (5, 4, 15), (6, 2, 14), (7, 6, 13)];
        let rolled_back = History { anchor: Some(5), ..history(&snapshots, 7) };
        let plan = plan_expiry(&rolled_back, &rules(5, 1));
        assert_eq!((plan.expired, plan.kept_for_checkpoint), (BTreeSet::from([1]), 5));
        // Once ingest has moved the checkpoint on, they go.
        let moved_on = History { anchor: Some(7), ..rolled_back };
        assert_eq!(expired(&moved_on, &rules(5, 1)), [1, 2, 3, 4, 5, 6]);
        // A history of its own, without a common snapshot: everything is needed.
        let replaced = History { anchor: Some(2), ..history(&[(1, 0, 19), (2, 1, 18), (3, 0, 17), (4, 3, 16)], 4) };
        assert_eq!(expired(&replaced, &rules(5, 1)), [0; 0]);
    }

    proptest! {
        /// Whatever the history: heads, tags and the young stay, and nothing that is kept by Iceberg's rules goes.
        #[test]
        fn refs_stay_whole_and_the_checkpoint_can_still_be_judged(
            parents in prop::collection::vec((0..30usize, 0..10i64), 1..30),
            head in 0..30usize, anchor in prop::option::of(0..30usize), tagged in 0..30usize,
            days in 0..12i64, count in 1..5usize,
        ) {
            let total = parents.len();
            // A parent is older than its child.
            let snapshots: Vec<(i64, i64, i64)> = parents.iter().enumerate().map(|(index, (parent, skip))| {
                let parent = if *skip == 0 || index == 0 { 0 } else { (parent % index) as i64 + 1 };
                (index as i64 + 1, parent, ((total - index) / 3) as i64)
            }).collect();
            let at = |index: usize| (index % total) as i64 + 1;
            let mut history = history(&snapshots, at(head));
            history.anchor = anchor.map(at);
            history.refs.insert("tag".to_owned(), tag(at(tagged), None));
            let rules = rules(days, count);
            let plan = plan_expiry(&history, &rules);
            let left = |id: i64| !plan.expired.contains(&id);
            prop_assert!(left(at(head)) && left(at(tagged)));
            prop_assert!(history.snapshots.iter().all(|(id, node)| left(*id) || node.timestamp_ms < rules.youngest_ms));
            prop_assert!(history.line(history.head).take(count).all(|(id, _)| left(id)));
            if let Some(anchor) = history.anchor.filter(|anchor| left(*anchor)) {
                let ancestors: Vec<i64> = history.line(history.head).map(|(id, _)| id).collect();
                let cut = ancestors.iter().take_while(|id| **id != anchor).any(|id| !left(*id));
                prop_assert!(!ancestors.contains(&anchor) || !cut, "the checkpoint's snapshot was cut off");
            }
            // Planning again on what is left finds nothing more.
            let mut after = history.clone();
            after.snapshots.retain(|id, _| left(*id));
            prop_assert_eq!(plan_expiry(&after, &rules).expired, BTreeSet::new());
        }
    }
}
