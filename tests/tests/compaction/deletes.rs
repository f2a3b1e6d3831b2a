//! Rows that another engine deleted by delete files: gone from the new files, and so are the delete files that nothing needs.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Date32Array, Float64Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use iceberg::spec::DataContentType;
use serde_json::{Value, json};
use tributary_maintenance::compaction::LeftAs;
use tributary_table::LiveFile;
use tributary_testkit::{read_both, read_with_duckdb};
use tributary_tests::{compact_with, definition, evolve_with_pyiceberg, ids, partitioned, schema};

use crate::foreign::{Target, commit, equality_deletes, position_deletes};
use crate::ground::{Ground, pairs};

fn longs(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// The data files, oldest first.
async fn data_files(ground: &Ground) -> Vec<LiveFile> {
    let mut files = ground.live().await;
    files.retain(|file| file.content() == DataContentType::Data);
    files.sort_by_key(LiveFile::sequence_number);
    files
}

async fn delete_files(ground: &Ground) -> usize {
    ground.live().await.len() - data_files(ground).await.len()
}

async fn delete_positions(ground: &Ground, hits: &[(usize, i64)]) {
    let files = data_files(ground).await;
    let rows: Vec<(&str, i64)> = hits.iter().map(|(file, position)| (files[*file].path(), *position)).collect();
    let delete = position_deletes(ground, &Target::unpartitioned(), &rows).await;
    commit(&ground.table(), vec![delete]).await;
}

async fn delete_equal(ground: &Ground, columns: &[(i32, &str, ArrayRef)]) {
    let delete = equality_deletes(ground, &Target::unpartitioned(), columns).await;
    commit(&ground.table(), vec![delete]).await;
}

/// What DuckDB finds, since PyIceberg 0.12 reads no equality deletes, before a compaction and both find after it.
async fn compact_keeps_duckdbs(ground: &Ground, options: Value) -> tributary_maintenance::compaction::CompactionReport {
    let before = read_with_duckdb(&ground.lake.at()).unwrap();
    let report = ground.compact(options).await;
    assert_eq!(read_both(&ground.lake.at()).unwrap(), before);
    assert_eq!(ground.orphans().await, Vec::<String>::new());
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_deleted_by_position_are_gone_and_so_is_the_delete_file() {
    let ground = Ground::fed(5, 4).await;
    delete_positions(&ground, &[(0, 0), (0, 3), (3, 1), (3, 1)]).await;
    let report = ground.compact_keeps(json!({}), &["id = 0", "id < 5", "id >= 12"]).await;
    assert_eq!((report.rows_rewritten, report.rows_deleted, report.files_added), (20, 3, 1));
    assert_eq!((report.delete_files_removed, delete_files(&ground).await), (1, 0));
    assert_eq!(ids(&ground.rows().rows), [1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17, 18, 19]);
    let summary = ground.head().await["summary"].clone();
    for (name, value) in [
        ("added-records", "17"),
        ("deleted-records", "20"),
        ("removed-delete-files", "1"),
        ("removed-position-delete-files", "1"),
        ("removed-position-deletes", "4"),
    ] {
        assert_eq!(summary[name], value, "{name}: {summary}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_file_that_names_a_file_which_stays_stays_until_that_goes() {
    let ground = Ground::fed(6, 4).await;
    delete_positions(&ground, &[(0, 0), (5, 2)]).await;
    let report = ground.compact_keeps(json!({"max-file-group-input-files": 5}), &[]).await;
    assert_eq!((report.files_rewritten, report.rows_deleted, report.delete_files_removed), (5, 1, 0));
    assert_eq!(delete_files(&ground).await, 1);
    let report = ground.compact_keeps(pairs(), &["id = 22"]).await;
    assert_eq!((report.files_rewritten, report.rows_deleted, report.delete_files_removed), (2, 1, 1));
    assert_eq!(ids(&ground.rows().rows).len(), 22);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_file_read_by_two_groups_goes_with_the_last_of_them() {
    let ground = Ground::fed(10, 2).await;
    delete_positions(&ground, &[(0, 0), (9, 1)]).await;
    for commits in [10, 1] {
        let options = json!({"max-file-group-input-files": 5, "partial-progress.max-commits": commits});
        let report = ground.compact_keeps(options, &[]).await;
        if commits == 10 {
            assert_eq!((report.commits, report.rows_deleted, report.delete_files_removed), (2, 2, 1));
        } else {
            assert_eq!(report.groups_planned, 0);
        }
    }
    assert_eq!(delete_files(&ground).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_all_of_whose_rows_are_deleted_leaves_nothing() {
    let ground = Ground::fed(2, 2).await;
    delete_positions(&ground, &[(0, 0), (0, 1), (1, 0), (1, 1)]).await;
    let report = ground.compact_keeps(pairs(), &[]).await;
    assert_eq!((report.files_rewritten, report.files_added, report.rows_deleted), (2, 0, 4));
    assert!(ground.live().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_the_right_length_go_when_too_many_of_their_rows_are_deleted() {
    let ground = Ground::fed(1, 10).await;
    let bytes = data_files(&ground).await[0].data_file().file_size_in_bytes();
    delete_positions(&ground, &[(0, 0), (0, 1), (0, 2)]).await;
    let sized = |more: Value| {
        let mut options =
            json!({"target-file-size-bytes": bytes, "min-file-size-bytes": 1, "max-file-size-bytes": 2 * bytes});
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        options
    };
    // How many rows a delete file takes from one file is known only if it says that it names no other.
    assert_eq!(ground.compact(sized(json!({}))).await.groups_planned, 0);
    assert_eq!(ground.compact(sized(json!({"delete-file-threshold": 2}))).await.groups_planned, 0);
    let report = ground.compact_keeps(sized(json!({"delete-file-threshold": 1})), &[]).await;
    assert_eq!((report.files_rewritten, report.rows_deleted, report.delete_files_removed), (1, 3, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_file_that_names_one_file_alone_counts_for_the_ratio() {
    let ground = Ground::fed(1, 10).await;
    let file = data_files(&ground).await[0].clone();
    let rows: Vec<(&str, i64)> = (0..3).map(|position| (file.path(), position)).collect();
    let mut delete = position_deletes(&ground, &Target::unpartitioned(), &rows).await;
    delete.name_alone(file.path());
    commit(&ground.table(), vec![delete]).await;
    let bytes = file.data_file().file_size_in_bytes();
    let options = |ratio: f64| json!({"target-file-size-bytes": bytes, "min-file-size-bytes": 1, "max-file-size-bytes": 2 * bytes, "delete-ratio-threshold": ratio});
    assert_eq!(ground.compact(options(0.31)).await.groups_planned, 0);
    let report = ground.compact_keeps(options(0.3), &[]).await;
    assert_eq!((report.files_rewritten, report.rows_deleted, report.delete_files_removed), (1, 3, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_equality_delete_takes_older_rows_and_leaves_newer_ones() {
    let mut ground = Ground::fed(3, 2).await;
    delete_equal(&ground, &[(1, "id", longs(&[Some(0), Some(3), Some(77)]))]).await;
    // The same ids once more, after the delete: these rows stay.
    ground.ingest(&[json!({"id": 3}), json!({"id": 77})]).await;
    let report = compact_keeps_duckdbs(&ground, pairs()).await;
    assert_eq!((report.files_rewritten, report.rows_rewritten, report.rows_deleted), (4, 8, 2));
    assert_eq!((report.delete_files_removed, delete_files(&ground).await), (1, 0));
    assert_eq!(ids(&ground.rows().rows), [1, 2, 3, 4, 5, 77]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_equality_delete_stays_while_an_older_file_does() {
    let ground = Ground::fed(3, 2).await;
    delete_equal(&ground, &[(1, "id", longs(&[Some(0), Some(5)]))]).await;
    let options = json!({"min-input-files": 2, "max-file-group-input-files": 2});
    let report = ground.compact(options).await;
    assert_eq!((report.files_rewritten, report.rows_deleted, report.delete_files_removed), (2, 1, 0));
    let left = read_with_duckdb(&ground.lake.at()).unwrap();
    assert_eq!(ids(&left.rows), [1, 2, 3, 4]);
    let report = compact_keeps_duckdbs(&ground, json!({"rewrite-all": true})).await;
    assert_eq!((report.rows_deleted, report.delete_files_removed), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn equality_deletes_by_several_columns_take_null_for_null() {
    let columns = schema(&[
        (1, "id", true, json!("long")),
        (2, "kind", false, json!("string")),
        (3, "day", false, json!("date")),
    ]);
    let mut ground = Ground::with(definition(columns)).await;
    for row in [
        json!({"id": 1, "kind": "a", "day": "2026-01-01"}),
        json!({"id": 2, "kind": "a"}),
        json!({"id": 3, "day": "2026-01-01"}),
        json!({"id": 4}),
        json!({"id": 5, "kind": "b", "day": "2026-01-02"}),
    ] {
        ground.ingest(&[row]).await;
    }
    let days: ArrayRef = Arc::new(Date32Array::from(vec![Some(20_454), None, None]));
    delete_equal(&ground, &[(2, "kind", texts(&[Some("a"), None, Some("b")])), (3, "day", days)]).await;
    // By kind alone besides, and by a kind that no row has.
    delete_equal(&ground, &[(2, "kind", texts(&[Some("c")]))]).await;
    // DuckDB 1.5.5 also takes rows with a NULL where the delete has a value, against the spec.
    let report = ground.compact(json!({})).await;
    assert_eq!((report.rows_deleted, report.delete_files_removed), (2, 2));
    assert_eq!(ids(&ground.rows().rows), [2, 3, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn equality_deletes_by_every_kind_of_number_and_time() {
    let columns = schema(&[
        (1, "id", true, json!("long")),
        (2, "ratio", false, json!("double")),
        (3, "at", false, json!("timestamptz")),
    ]);
    let mut ground = Ground::with(definition(columns)).await;
    ground
        .ingest(&[
            json!({"id": 1, "ratio": 0.5}),
            json!({"id": 2, "at": "1969-12-31T23:59:59.999999Z"}),
            json!({"id": 3, "ratio": 1.5}),
        ])
        .await;
    ground.ingest(&[json!({"id": 4, "ratio": 0.5, "at": "2026-01-01T00:00:00Z"})]).await;
    delete_equal(&ground, &[(2, "ratio", Arc::new(Float64Array::from(vec![1.5])))]).await;
    let at = TimestampMicrosecondArray::from(vec![-1]).with_timezone("UTC");
    delete_equal(&ground, &[(3, "at", Arc::new(at))]).await;
    let report = ground.compact(pairs()).await;
    assert_eq!((report.rows_deleted, report.delete_files_removed), (2, 2));
    assert_eq!(ids(&ground.rows().rows), [1, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_equality_delete_reaches_rows_of_a_column_widened_or_renamed_since() {
    let columns = schema(&[(1, "id", true, json!("long")), (2, "count", false, json!("int"))]);
    let mut ground = Ground::with(definition(columns)).await;
    ground.ingest(&[json!({"id": 1, "count": 7}), json!({"id": 2, "count": 8})]).await;
    delete_equal(&ground, &[(2, "count", Arc::new(Int32Array::from(vec![7])))]).await;
    evolve_with_pyiceberg(&ground.lake, &json!({"widen": [["count", "long"]], "rename": [["count", "number"]]}));
    ground.ingest(&[json!({"id": 3, "number": 7}), json!({"id": 4, "number": 5_000_000_000_i64})]).await;
    delete_equal(&ground, &[(2, "number", longs(&[Some(8), Some(5_000_000_000)]))]).await;
    ground.ingest(&[json!({"id": 5, "number": 8})]).await;
    let report = ground.compact(pairs()).await;
    assert_eq!((report.rows_rewritten, report.rows_deleted, report.delete_files_removed), (5, 3, 2));
    assert_eq!(ids(&ground.rows().rows), [3, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_equality_delete_by_a_column_dropped_since_still_counts() {
    let columns = schema(&[(1, "id", true, json!("long")), (2, "kind", false, json!("string"))]);
    let mut ground = Ground::with(definition(columns)).await;
    ground.ingest(&[json!({"id": 1, "kind": "a"}), json!({"id": 2, "kind": "b"}), json!({"id": 3})]).await;
    delete_equal(&ground, &[(2, "kind", texts(&[Some("a"), None]))]).await;
    evolve_with_pyiceberg(&ground.lake, &json!({"drop": ["kind"]}));
    ground.ingest(&[json!({"id": 4})]).await;
    let report = ground.compact(pairs()).await;
    assert_eq!((report.rows_deleted, report.delete_files_removed), (2, 1));
    assert_eq!(ground.rows().rows, [json!({"id": 2}), json!({"id": 4})]);
}

#[tokio::test(flavor = "multi_thread")]
async fn equality_deletes_of_one_partition_leave_the_others_alone() {
    let columns = schema(&[(1, "id", true, json!("long")), (2, "kind", false, json!("string"))]);
    let mut ground = Ground::with(partitioned(columns, &[(2, "kind", "identity")])).await;
    for round in 0..2 {
        ground.ingest(&[json!({"id": round, "kind": "a"}), json!({"id": round, "kind": "b"})]).await;
    }
    let file = ground.live().await.into_iter().find(|file| file.path().contains("kind=a")).unwrap();
    let target = Target { spec_id: 0, partition: file.data_file().partition().clone() };
    let delete = equality_deletes(&ground, &target, &[(1, "id", longs(&[Some(0)]))]).await;
    commit(&ground.table(), vec![delete]).await;
    // DuckDB 1.5.5 takes them for every partition's, against the spec.
    let report = ground.compact(pairs()).await;
    assert_eq!((report.groups_committed, report.rows_deleted, report.delete_files_removed), (2, 1, 1));
    assert_eq!(ids(&ground.rows().rows), [0, 1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_and_equality_deletes_of_one_row_take_it_once() {
    let ground = Ground::fed(2, 3).await;
    delete_positions(&ground, &[(0, 1)]).await;
    delete_equal(&ground, &[(1, "id", longs(&[Some(1), Some(4)]))]).await;
    let report = compact_keeps_duckdbs(&ground, pairs()).await;
    assert_eq!((report.rows_deleted, report.delete_files_removed), (2, 2));
    assert_eq!(ids(&ground.rows().rows), [0, 2, 3, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_with_deletes_in_a_format_we_do_not_read_are_left_and_said_so() {
    let mut ground = Ground::fed(3, 2).await;
    let files = data_files(&ground).await;
    let mut delete = position_deletes(&ground, &Target::unpartitioned(), &[(files[0].path(), 0)]).await;
    delete.claim_to_be_avro();
    commit(&ground.table(), vec![delete]).await;
    ground.feed(2, 2).await;
    // Younger files are out of its reach.
    let report = ground.compact(pairs()).await;
    assert_eq!((report.files_seen, report.files_unserved, report.files_rewritten), (5, 3, 2));
    let reason = &report.reasons[0];
    assert_eq!((reason.left, reason.count), (LeftAs::UnservedFiles, 3));
    assert!(reason.reason.contains("delete files of format avro"), "{reason:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_whose_delete_file_is_missing_fails_and_changes_nothing() {
    let ground = Ground::fed(2, 2).await;
    delete_positions(&ground, &[(0, 0)]).await;
    let delete = ground.live().await.into_iter().find(|file| file.content() != DataContentType::Data).unwrap();
    std::fs::remove_file(delete.path().trim_start_matches("file://")).unwrap();
    let error = compact_with(&ground.table(), pairs()).await.unwrap_err().to_string();
    assert!(error.contains(delete.path()) && error.contains("1 of 1 groups failed"), "{error}");
    assert_eq!(ground.live().await.len(), 3);
}
