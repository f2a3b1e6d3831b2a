use std::collections::HashSet;

use iceberg::spec::Literal;
use proptest::prelude::*;

use super::*;
use crate::compaction::options::CompactionOptions;

/// A target of 1000 bytes: candidates are below 750 or above 1800.
fn limits(change: impl FnOnce(&mut CompactionOptions)) -> Limits {
    let mut options = CompactionOptions { target_file_size_bytes: Some(1000), ..CompactionOptions::default() };
    change(&mut options);
    options.limits(&HashMap::new()).unwrap()
}

fn file(index: usize, partition: i32, bytes: u64) -> FileFacts {
    FileFacts {
        index,
        path: format!("file-{index:05}"),
        spec_id: 0,
        partition: Struct::from_iter([Some(Literal::int(partition))]),
        time: Some(partition.into()),
        bytes,
        rows: 100,
        sequence_number: index as i64,
        delete_files: 0,
        deleted_rows: 0,
    }
}

fn files(sizes: &[(i32, u64)]) -> Vec<FileFacts> {
    sizes.iter().enumerate().map(|(index, (partition, bytes))| file(index, *partition, *bytes)).collect()
}

fn groups(files: &[FileFacts], limits: &Limits) -> Vec<Vec<usize>> {
    plan(files, limits).groups.into_iter().map(|group| group.files).collect()
}

#[test]
fn five_small_files_of_a_partition_are_a_group_and_four_are_not() {
    let five = files(&[(0, 10), (1, 10), (0, 10), (1, 10), (0, 10), (1, 10), (0, 10), (1, 10), (0, 10)]);
    assert_eq!(groups(&five, &limits(|_| {})), [[0, 2, 4, 6, 8]]);
    assert_eq!(groups(&five, &limits(|options| options.min_input_files = 4)).len(), 2);
}

#[test]
fn fewer_files_are_a_group_if_they_hold_more_than_the_target() {
    assert_eq!(groups(&files(&[(0, 600), (0, 500)]), &limits(|_| {})), [[0, 1]]);
    assert!(groups(&files(&[(0, 500), (0, 500)]), &limits(|_| {})).is_empty());
}

#[test]
fn files_of_the_right_length_stay_and_too_long_ones_go_alone() {
    assert_eq!(groups(&files(&[(0, 750), (0, 1800), (0, 1801)]), &limits(|_| {})), [[2]]);
}

#[test]
fn a_file_with_many_deletes_goes_whatever_its_length() {
    let mut all = files(&[(0, 1000), (0, 1000), (0, 1000)]);
    all[1].deleted_rows = 30;
    all[2].delete_files = 9;
    assert_eq!(groups(&all, &limits(|_| {})), [[1]]);
    let limits = limits(|options| {
        options.delete_file_threshold = Some(9);
        options.delete_ratio_threshold = 0.31;
    });
    assert_eq!(groups(&all, &limits), [[2]]);
}

#[test]
fn the_oldest_files_come_first_whatever_order_they_are_listed_in() {
    let mut all = files(&[(0, 10); 5]);
    for (place, sequence) in [7, 3, 9, 3, 1].into_iter().enumerate() {
        all[place].sequence_number = sequence;
    }
    assert_eq!(groups(&all, &limits(|_| {})), [[4, 1, 3, 0, 2]]);
}

#[test]
fn groups_of_one_partition_keep_to_their_limits() {
    let all = files(&[(0, 400); 12]);
    let by_bytes = limits(|options| options.max_file_group_size_bytes = 2100);
    assert_eq!(groups(&all, &by_bytes), [vec![0, 1, 2, 3, 4], vec![5, 6, 7, 8, 9]]);
    let by_files = limits(|options| options.max_file_group_input_files = 6);
    assert_eq!(groups(&all, &by_files), [vec![0, 1, 2, 3, 4, 5], vec![6, 7, 8, 9, 10, 11]]);
}

#[test]
fn a_group_beyond_the_invocations_limits_is_skipped_and_smaller_ones_go_on() {
    let all = files(&[
        (0, 100),
        (0, 100),
        (0, 100),
        (0, 100),
        (0, 100),
        (0, 100),
        (1, 50),
        (1, 50),
        (1, 50),
        (1, 50),
        (1, 50),
    ]);
    for limits in [
        limits(|options| options.max_rewrite_bytes = Some(599)),
        limits(|options| options.max_files_to_rewrite = Some(5)),
    ] {
        let plan = plan(&all, &limits);
        assert_eq!((plan.groups.len(), plan.skipped.len()), (1, 1));
        assert_eq!(plan.groups[0].files, [6, 7, 8, 9, 10]);
    }
}

#[test]
fn the_order_of_groups_is_as_asked() {
    // Partition 0: five files of 10 bytes. Partition 1: six of 5. Partition 2: two of 600.
    let mut sizes = vec![(0, 10); 5];
    sizes.extend([(1, 5); 6]);
    sizes.extend([(2, 600); 2]);
    for (order, expected) in [
        (JobOrder::None, [0, 1, 2]),
        (JobOrder::FilesDesc, [1, 0, 2]),
        (JobOrder::FilesAsc, [2, 0, 1]),
        (JobOrder::BytesDesc, [2, 0, 1]),
        (JobOrder::BytesAsc, [1, 0, 2]),
    ] {
        let plan = plan(&files(&sizes), &limits(|options| options.rewrite_job_order = order));
        let partitions: Vec<Struct> = plan.groups.into_iter().map(|group| group.partition).collect();
        assert_eq!(
            partitions,
            expected.map(|partition| Struct::from_iter([Some(Literal::int(partition))])),
            "{order:?}"
        );
    }
}

#[test]
fn the_newest_partitions_are_left_alone_and_files_of_older_specs_are_not() {
    let mut sizes = vec![(1, 10); 5];
    sizes.extend([(2, 10); 5]);
    sizes.extend([(3, 2000); 1]);
    let mut all = files(&sizes);
    assert_eq!(groups(&all, &limits(|options| options.skip_newest_partitions = 1)).len(), 2);
    assert_eq!(groups(&all, &limits(|options| options.skip_newest_partitions = 2)), [[0, 1, 2, 3, 4]]);
    assert!(groups(&all, &limits(|options| options.skip_newest_partitions = 9)).is_empty());
    all[10].time = None;
    assert_eq!(groups(&all, &limits(|options| options.skip_newest_partitions = 2)), [[10]]);
}

#[test]
fn everything_is_rewritten_on_request() {
    let all = files(&[(0, 1000), (1, 1000)]);
    assert_eq!(groups(&all, &limits(|options| options.rewrite_all = true)), [[0], [1]]);
}

#[test]
fn a_group_is_spread_over_files_of_about_one_length() {
    let limits = limits(|_| {});
    let output =
        |bytes| Group { spec_id: 0, partition: Struct::empty(), files: Vec::new(), bytes }.output_file_bytes(&limits);
    // At most half way to the maximum of 1800.
    assert_eq!((output(10), output(1000), output(1090)), (1400, 1400, 1400));
    // Two files of 1000 and a little, not a third of 100 bytes; but four of 750, not three of 1000.
    assert_eq!(output(2100), 1092);
    assert_eq!(output(3000), 1050);
    assert_eq!(output(1500), 777);
}

prop_compose! {
    fn any_file()(
        partition in 0..4_i32,
        spec_id in 0..2_i32,
        bytes in 0..3000_u64,
        sequence_number in 0..50_i64,
        delete_files in 0..4_u64,
        deleted_rows in 0..60_u64,
    ) -> FileFacts {
        FileFacts { spec_id, sequence_number, delete_files, deleted_rows, ..file(0, partition, bytes) }
    }
}

proptest! {
    #[test]
    fn each_file_is_in_at_most_one_group_and_limits_hold(
        drawn in prop::collection::vec(any_file(), 0..80),
        group_bytes in 1..6000_u64,
        group_files in 1..10_u32,
        rewrite_bytes in 1..20_000_u64,
        rewrite_files in 1..60_u64,
        skip in 0..3_u32,
        everything: bool,
    ) {
        let number = |(index, file): (usize, FileFacts)| FileFacts { index, path: format!("file-{index:05}"), ..file };
        let all: Vec<FileFacts> = drawn.into_iter().enumerate().map(number).collect();
        let limits = limits(|options| {
            options.max_file_group_size_bytes = group_bytes;
            options.max_file_group_input_files = group_files;
            options.max_rewrite_bytes = Some(rewrite_bytes);
            options.max_files_to_rewrite = Some(rewrite_files);
            options.skip_newest_partitions = skip;
            options.rewrite_all = everything;
            options.delete_file_threshold = Some(3);
        });
        let planned = plan(&all, &limits);
        let mut seen = HashSet::new();
        for group in planned.groups.iter().chain(&planned.skipped) {
            let files: Vec<&FileFacts> = group.files.iter().map(|index| &all[*index]).collect();
            prop_assert!(files.iter().all(|file| seen.insert(file.index)));
            prop_assert!(files.iter().all(|file| file.spec_id == group.spec_id && file.partition == group.partition));
            prop_assert_eq!(bytes(&files), group.bytes);
            prop_assert!(files.len() == 1 || group.bytes <= group_bytes);
            prop_assert!(files.len() <= group_files as usize);
            prop_assert!(files.is_sorted_by_key(|file| file.sequence_number));
            prop_assert!(everything || files.iter().all(|file| is_candidate(file, &limits)));
            prop_assert!(qualifies(&files, &limits));
        }
        prop_assert!(planned.groups.iter().map(|group| group.bytes).sum::<u64>() <= rewrite_bytes);
        prop_assert!(planned.groups.iter().map(|group| group.files.len() as u64).sum::<u64>() <= rewrite_files);
        // The order in which files are listed does not matter.
        let reversed: Vec<FileFacts> = all.iter().rev().cloned().collect();
        prop_assert_eq!(plan(&reversed, &limits), planned);
    }

    #[test]
    fn a_file_that_is_written_is_never_too_long(bytes in 0..1_000_000_u64) {
        let limits = limits(|_| {});
        let group = Group { spec_id: 0, partition: Struct::empty(), files: Vec::new(), bytes };
        let output = group.output_file_bytes(&limits);
        prop_assert!((1..=1400).contains(&output));
        prop_assert!(bytes < 2000 || output >= 750, "{output}");
    }
}
