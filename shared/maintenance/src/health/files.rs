//! Counts and sizes of data files and delete files, of the table and of its partitions.

use std::collections::HashMap;

use iceberg::spec::DataContentType;
use serde::Serialize;
use tributary_table::LiveFile;

use crate::compaction::{TARGET_BYTES_DEFAULT, TARGET_PROPERTY};
use crate::partition_key::PartitionKey;

/// Partitions a list shows.
const PARTITIONS_SHOWN_MAX: usize = 5;

/// Files of the head.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FilesHealth {
    /// Data files.
    pub data_files: u64,
    /// Their rows.
    pub rows: u64,
    /// Their bytes.
    pub data_bytes: u64,
    /// Bytes of a data file on average; 0 without any.
    pub average_file_bytes: u64,
    /// The size files are meant to have: table property `write.target-file-size-bytes`, else 128 MiB.
    pub target_file_bytes: u64,
    /// Data files of less than three quarters of it, which compaction takes up.
    pub small_files: u64,
    /// Their bytes.
    pub small_file_bytes: u64,
    /// Position delete files.
    pub position_delete_files: u64,
    /// Equality delete files.
    pub equality_delete_files: u64,
    /// Rows of all delete files.
    pub delete_rows: u64,
    /// Partitions that hold data files; 1 for a table without partitions.
    pub partitions: u64,
    /// Those of the fewest bytes, smallest first: many of them mean a partition spec too fine.
    pub smallest_partitions: Vec<PartitionHealth>,
    /// Those of the most small files, worst first: where compaction pays.
    pub most_fragmented_partitions: Vec<PartitionHealth>,
}

/// Data files of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PartitionHealth {
    /// `name=value/name=value`; empty for a table without partitions.
    pub partition: String,
    /// The partition spec its files were written by.
    pub spec_id: i32,
    /// Its data files.
    pub files: u64,
    /// Their rows.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files of less than three quarters of the target.
    pub small_files: u64,
}

/// The files that hold rows.
pub(super) fn data_files(live: &[LiveFile]) -> impl Iterator<Item = &LiveFile> {
    live.iter().filter(|file| file.content() == DataContentType::Data)
}

impl FilesHealth {
    pub(super) fn of(live: &[LiveFile], properties: &HashMap<String, String>) -> Self {
        let target_file_bytes =
            properties.get(TARGET_PROPERTY).and_then(|text| text.parse().ok()).unwrap_or(TARGET_BYTES_DEFAULT);
        let mut health = Self { target_file_bytes, ..Self::default() };
        let mut partitions: HashMap<PartitionKey, PartitionHealth> = HashMap::new();
        for file in live {
            match file.content() {
                DataContentType::PositionDeletes => health.position_delete_files += 1,
                DataContentType::EqualityDeletes => health.equality_delete_files += 1,
                DataContentType::Data => health.count(file, &mut partitions),
            }
            if file.content() != DataContentType::Data {
                health.delete_rows += file.data_file().record_count();
            }
        }
        health.average_file_bytes = health.data_bytes.checked_div(health.data_files).unwrap_or_default();
        health.rank(partitions.into_values().collect());
        health
    }

    fn count(&mut self, file: &LiveFile, partitions: &mut HashMap<PartitionKey, PartitionHealth>) {
        let (rows, bytes) = (file.data_file().record_count(), file.data_file().file_size_in_bytes());
        let is_small = is_small(bytes, self.target_file_bytes);
        self.data_files += 1;
        self.rows += rows;
        self.data_bytes += bytes;
        let key = PartitionKey::of(file);
        let spec_id = key.spec_id;
        let named = || PartitionHealth { partition: file.partition_path(), spec_id, ..PartitionHealth::default() };
        let partition = partitions.entry(key).or_insert_with(named);
        partition.files += 1;
        partition.rows += rows;
        partition.bytes += bytes;
        if is_small {
            self.small_files += 1;
            self.small_file_bytes += bytes;
            partition.small_files += 1;
        }
    }

    fn rank(&mut self, mut partitions: Vec<PartitionHealth>) {
        self.partitions = partitions.len() as u64;
        // Also by name, so that the report of one state is always the same.
        partitions.sort_by(|one, other| {
            (one.bytes, &one.partition, one.spec_id).cmp(&(other.bytes, &other.partition, other.spec_id))
        });
        self.smallest_partitions = partitions.iter().take(PARTITIONS_SHOWN_MAX).cloned().collect();
        partitions.retain(|partition| partition.small_files > 1);
        // Stable: among equals the smallest stays first.
        partitions.sort_by_key(|partition| std::cmp::Reverse(partition.small_files));
        partitions.truncate(PARTITIONS_SHOWN_MAX);
        self.most_fragmented_partitions = partitions;
    }
}

/// As compaction sees it: less than 0.75 of the target.
fn is_small(bytes: u64, target_bytes: u64) -> bool {
    u128::from(bytes) * 4 < u128::from(target_bytes) * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(name: &str, bytes: u64, small_files: u64) -> PartitionHealth {
        PartitionHealth { partition: name.to_owned(), bytes, small_files, ..PartitionHealth::default() }
    }

    #[test]
    fn a_file_is_small_below_three_quarters_of_the_target() {
        assert!(is_small(74, 100) && !is_small(75, 100) && !is_small(u64::MAX, u64::MAX));
    }

    #[test]
    fn partitions_are_ranked_by_bytes_and_by_small_files_and_always_in_the_same_order() {
        let mut health = FilesHealth::default();
        let all: Vec<PartitionHealth> =
            (0..8).map(|day| partition(&format!("day={day}"), 100 - day / 2, [0, 1, 2, 9][day as usize % 4])).collect();
        health.rank(all.iter().rev().cloned().collect());
        assert_eq!(health.partitions, 8);
        let names = |of: &[PartitionHealth]| of.iter().map(|one| one.partition.clone()).collect::<Vec<_>>();
        assert_eq!(names(&health.smallest_partitions), ["day=6", "day=7", "day=4", "day=5", "day=2"]);
        assert_eq!(names(&health.most_fragmented_partitions), ["day=7", "day=3", "day=6", "day=2"]);
    }
}
