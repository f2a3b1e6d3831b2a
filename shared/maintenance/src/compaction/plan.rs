//! Which files are rewritten together (the rules of Iceberg's bin-pack rewrite). Pure.
//!
//! Files of a partition are packed one after another, oldest first: a group then holds rows of one stretch of time, in order, which
//! is worth more to filters on time than the last percent of fill.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use iceberg::spec::Struct;

use super::options::{JobOrder, Limits};

/// What planning looks at of one data file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FileFacts {
    /// Its place in the caller's list.
    pub(crate) index: usize,
    pub(crate) path: String,
    pub(crate) spec_id: i32,
    /// Its partition, by the spec's current types.
    pub(crate) partition: Struct,
    /// The partition's time, if the file has the current spec and that has one.
    pub(crate) time: Option<i64>,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    pub(crate) sequence_number: i64,
    /// How many delete files apply to it.
    pub(crate) delete_files: u64,
    /// How many of its rows are known to be deleted.
    pub(crate) deleted_rows: u64,
}

/// Files that are rewritten and committed as one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    pub(crate) spec_id: i32,
    pub(crate) partition: Struct,
    /// Places in the caller's list, oldest file first.
    pub(crate) files: Vec<usize>,
    pub(crate) bytes: u64,
}

/// What is to be done, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Plan {
    pub(crate) groups: Vec<Group>,
    /// Groups that would have been rewritten but for the invocation's limits.
    pub(crate) skipped: Vec<Group>,
}

/// The groups to rewrite.
pub(crate) fn plan(files: &[FileFacts], limits: &Limits) -> Plan {
    let newest = newest_times(files, limits.newest_skipped);
    let is_newest = |file: &FileFacts| file.time.is_some_and(|time| newest.contains(&time));
    let mut candidates: Vec<&FileFacts> =
        files.iter().filter(|file| is_candidate(file, limits) && !is_newest(file)).collect();
    candidates.sort_by_key(|file| (file.sequence_number, &file.path));
    let groups = by_partition(candidates).into_iter().flat_map(|files| pack(&files, limits));
    let qualified = groups.filter(|files| qualifies(files, limits)).map(|files| Group::of(&files)).collect();
    within_limits(ordered(qualified, limits.order), limits)
}

impl Group {
    fn of(files: &[&FileFacts]) -> Self {
        let first = files.first();
        Self {
            spec_id: first.map_or(0, |file| file.spec_id),
            partition: first.map_or_else(Struct::empty, |file| file.partition.clone()),
            files: files.iter().map(|file| file.index).collect(),
            bytes: bytes(files),
        }
    }

    /// When a file that the group is rewritten to ends: so that all come out about as long, near the target.
    pub(crate) fn output_file_bytes(&self, limits: &Limits) -> u64 {
        let target = limits.target_bytes;
        let most = target + (limits.file_bytes_max - target) / 2;
        let whole = self.bytes / target;
        // A remainder that makes the others only a little longer is spread over them.
        let spread = self.bytes.checked_div(whole).is_some_and(|average| average <= most.min(target + target / 10));
        let files = if spread { whole } else { self.bytes.div_ceil(target).max(1) };
        match files {
            0 | 1 => most,
            // What is written now packs a little better or worse than what is there: without slack a tiny file remains.
            files => (self.bytes.div_ceil(files) / 20 * 21).clamp(1, most),
        }
    }
}

fn bytes(files: &[&FileFacts]) -> u64 {
    files.iter().map(|file| file.bytes).sum()
}

fn is_candidate(file: &FileFacts, limits: &Limits) -> bool {
    limits.everything
        || file.bytes < limits.file_bytes_min
        || file.bytes > limits.file_bytes_max
        || has_many_deletes(file, limits)
}

fn has_many_deletes(file: &FileFacts, limits: &Limits) -> bool {
    // Rows of a file are far fewer than 2^53.
    let ratio = file.deleted_rows as f64 / file.rows.max(1) as f64;
    file.delete_files >= limits.delete_files_max || ratio >= limits.delete_ratio_max
}

fn qualifies(files: &[&FileFacts], limits: &Limits) -> bool {
    let several = files.len() > 1;
    limits.everything
        || several && files.len() >= limits.input_files_min
        || several && bytes(files) > limits.target_bytes
        || files.iter().any(|file| file.bytes > limits.file_bytes_max || has_many_deletes(file, limits))
}

/// The times of the newest partitions.
fn newest_times(files: &[FileFacts], count: usize) -> BTreeSet<i64> {
    let times: BTreeSet<i64> = files.iter().filter_map(|file| file.time).collect();
    times.into_iter().rev().take(count).collect()
}

/// Files by partition, partitions in the order of their first file.
fn by_partition(files: Vec<&FileFacts>) -> Vec<Vec<&FileFacts>> {
    let mut places: HashMap<(i32, &Struct), usize> = HashMap::new();
    let mut partitions: Vec<Vec<&FileFacts>> = Vec::new();
    for file in files {
        let place = *places.entry((file.spec_id, &file.partition)).or_insert_with(|| {
            partitions.push(Vec::new());
            partitions.len() - 1
        });
        partitions[place].push(file);
    }
    partitions
}

/// One after another: a file that does not fit begins the next group.
fn pack<'a>(files: &[&'a FileFacts], limits: &Limits) -> Vec<Vec<&'a FileFacts>> {
    let mut groups: Vec<Vec<&FileFacts>> = Vec::new();
    let mut group_bytes = 0_u64;
    for file in files {
        let fits = |group: &&mut Vec<&FileFacts>| {
            group.len() < limits.group_files_max && group_bytes.saturating_add(file.bytes) <= limits.group_bytes_max
        };
        match groups.last_mut().filter(fits) {
            Some(group) => {
                group.push(file);
                group_bytes += file.bytes;
            }
            None => {
                groups.push(vec![file]);
                group_bytes = file.bytes;
            }
        }
    }
    groups
}

/// Groups that are alike in this stay in the order of their oldest files.
fn ordered(mut groups: Vec<Group>, order: JobOrder) -> Vec<Group> {
    match order {
        JobOrder::BytesAsc => groups.sort_by_key(|group| group.bytes),
        JobOrder::BytesDesc => groups.sort_by_key(|group| Reverse(group.bytes)),
        JobOrder::FilesAsc => groups.sort_by_key(|group| group.files.len()),
        JobOrder::FilesDesc => groups.sort_by_key(|group| Reverse(group.files.len())),
        JobOrder::None => {}
    }
    groups
}

fn within_limits(groups: Vec<Group>, limits: &Limits) -> Plan {
    let (mut bytes_left, mut files_left) = (limits.bytes_max, limits.files_max);
    let mut plan = Plan::default();
    for group in groups {
        let files = group.files.len() as u64;
        match (bytes_left.checked_sub(group.bytes), files_left.checked_sub(files)) {
            (Some(bytes), Some(files)) => {
                (bytes_left, files_left) = (bytes, files);
                plan.groups.push(group);
            }
            _ => plan.skipped.push(group),
        }
    }
    plan
}

#[cfg(test)]
mod tests;
