//! Data files that other engines made in ways ours does not.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, Int64Array, StringArray, Time32MillisecondArray, TimestampMillisecondArray};
use serde_json::{Value, json};
use tributary_testkit::tools::script;
use tributary_tests::{compact_with, definition, far, ids, partitioned, schema};

use crate::foreign::{Foreign, Target, commit, data_file, put_bytes};
use crate::ground::{Ground, pairs};

#[tokio::test(flavor = "multi_thread")]
async fn timestamps_of_96_bits_keep_their_times_in_every_century() {
    let columns = schema(&[(1, "id", true, json!("long")), (2, "seen", false, json!("timestamp"))]);
    let mut ground = Ground::with(definition(columns)).await;
    ground.ingest(&[json!({"id": 7, "seen": "2026-01-01T00:00:00"})]).await;
    let made = ground.lake.folder().join("int96.parquet");
    let done = script("int96_file.py").unwrap().arg(&made).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let target = Target::unpartitioned();
    let file = put_bytes(&ground, &target, std::fs::read(&made).unwrap(), 4).await;
    commit(&ground.table(), vec![Foreign::of(&target, file)]).await;
    let report = ground.compact(pairs()).await;
    assert_eq!((report.files_rewritten, report.rows_rewritten), (2, 5));
    let times: Vec<Value> = ground.rows().rows.iter().map(|row| row["seen"].clone()).collect();
    let expected = [
        "0001-01-01T00:00:00.000000",
        "1969-12-31T23:59:59.999999",
        "2026-11-21T10:00:00.000001",
        "9999-12-31T23:59:59.999999",
        "2026-01-01T00:00:00.000000",
    ];
    assert_eq!(times, expected.map(|time| json!(time)));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_without_field_ids_are_read_by_the_name_mapping_and_else_refused() {
    let columns = schema(&[(1, "id", true, json!("long")), (2, "name", false, json!("string"))]);
    let mut ground = Ground::with(definition(columns)).await;
    ground.ingest(&[json!({"id": 1, "name": "a"})]).await;
    let ids_column: ArrayRef = Arc::new(Int64Array::from(vec![2, 3]));
    let names: ArrayRef = Arc::new(StringArray::from(vec![Some("b"), None]));
    // In another order, so that places do not serve instead.
    let file = data_file(&ground, &Target::unpartitioned(), &[(0, "label", names), (0, "id", ids_column)]).await;
    commit(&ground.table(), vec![file]).await;
    let error = compact_with(&ground.table(), pairs()).await.unwrap_err().to_string();
    assert!(error.contains("set table property `schema.name-mapping.default`"), "{error}");
    let mapping = r#"[{"field-id": 1, "names": ["id"]}, {"field-id": 2, "names": ["name", "label"]}]"#;
    let properties = [("schema.name-mapping.default".to_owned(), mapping.to_owned())];
    ground
        .table()
        .update(far(), |_, builder| Ok(builder.set_properties(properties.clone().into()).unwrap()))
        .await
        .unwrap();
    let report = ground.compact(pairs()).await;
    assert_eq!((report.files_rewritten, report.rows_rewritten), (2, 3));
    let expected = [json!({"id": 1, "name": "a"}), json!({"id": 2, "name": "b"}), json!({"id": 3, "name": null})];
    assert_eq!(ground.rows().rows, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_only_the_partition_knows_is_written_into_the_new_file() {
    let columns = schema(&[(1, "id", true, json!("long")), (2, "kind", false, json!("string"))]);
    let mut ground = Ground::with(partitioned(columns, &[(2, "kind", "identity")])).await;
    ground.ingest(&[json!({"id": 1, "kind": "a"})]).await;
    // As files of a Hive table are.
    let target = Target::of(&ground, 0).await;
    let file = data_file(&ground, &target, &[(1, "id", Arc::new(Int64Array::from(vec![2])))]).await;
    commit(&ground.table(), vec![file]).await;
    let report = ground.compact(pairs()).await;
    assert_eq!((report.files_rewritten, report.files_added), (2, 1));
    assert_eq!(ground.rows().rows, [json!({"id": 1, "kind": "a"}), json!({"id": 2, "kind": "a"})]);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_spellings_of_a_type_are_read_as_the_tables() {
    let columns = schema(&[
        (1, "id", true, json!("long")),
        (2, "at", false, json!("timestamptz")),
        (3, "clock", false, json!("time")),
        (4, "name", false, json!("string")),
    ]);
    let mut ground = Ground::with(definition(columns)).await;
    ground.ingest(&[json!({"id": 1, "at": "2026-01-01T00:00:00Z", "clock": "00:00:01", "name": "a"})]).await;
    // Milliseconds, and text that is not annotated as such.
    let columns: [(i32, &str, ArrayRef); 4] = [
        (1, "id", Arc::new(Int64Array::from(vec![2]))),
        (2, "at", Arc::new(TimestampMillisecondArray::from(vec![-1]).with_timezone("UTC"))),
        (3, "clock", Arc::new(Time32MillisecondArray::from(vec![86_399_999]))),
        (4, "name", Arc::new(BinaryArray::from(vec!["é".as_bytes()]))),
    ];
    let file = data_file(&ground, &Target::unpartitioned(), &columns).await;
    commit(&ground.table(), vec![file]).await;
    ground.compact(pairs()).await;
    let expected = json!({"id": 2, "at": "1969-12-31T23:59:59.999000Z", "clock": "23:59:59.999000", "name": "é"});
    assert_eq!(ground.rows().rows[1], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_what_its_manifest_says_fails_its_group_alone() {
    let columns = schema(&[(1, "id", true, json!("long")), (2, "kind", false, json!("string"))]);
    let mut ground = Ground::with(partitioned(columns, &[(2, "kind", "identity")])).await;
    for round in 0..2 {
        ground.ingest(&[json!({"id": round, "kind": "a"}), json!({"id": 10 + round, "kind": "b"})]).await;
    }
    let place = ground.live().await.iter().position(|file| file.path().contains("kind=b")).unwrap();
    let target = Target::of(&ground, place).await;
    // An `id` that is a text; a file with another number of rows; a file that is no Parquet file.
    let text: ArrayRef = Arc::new(StringArray::from(vec!["9"]));
    let bytes = std::fs::read(ground.live().await[place].path().trim_start_matches("file://")).unwrap();
    for (words, file) in [
        ("column `id`", data_file(&ground, &target, &[(1, "id", text)]).await),
        ("rows its manifest says, found", Foreign::of(&target, put_bytes(&ground, &target, bytes, 7).await)),
        ("expected Parquet", Foreign::of(&target, put_bytes(&ground, &target, b"PAR1 or not".to_vec(), 1).await)),
    ] {
        commit(&ground.table(), vec![file]).await;
        let report = ground.compact(pairs()).await;
        assert_eq!(report.groups_failed, 1, "{words}");
        let reason = &report.reasons.iter().find(|reason| reason.reason.contains(words));
        assert!(reason.is_some(), "{words}: {report:?}");
        // The other partition's group is done the first time, and there is none the second.
        ground.ingest(&[json!({"id": 20, "kind": "a"})]).await;
        let path = ground.live().await.into_iter().find(|file| file.path().contains("foreign-")).unwrap();
        drop_file(&ground, path).await;
    }
    assert_eq!(ids(&ground.rows().rows), [0, 1, 10, 11, 20, 20, 20]);
}

/// Takes a file out of the table again.
async fn drop_file(ground: &Ground, file: tributary_table::LiveFile) {
    let table = ground.table();
    let base = table.refresh().await.unwrap();
    let select = |_: &_, live: &[tributary_table::LiveFile]| {
        live.iter().filter(|one| one.path() == file.path()).cloned().collect::<Vec<_>>()
    };
    let request =
        tributary_table::RemoveRequest { base: &base, select, now_ms: tributary_tests::NOW_MS, deadline: far() };
    assert!(matches!(table.remove(request).await.unwrap(), tributary_table::Replaced::Committed { .. }));
}
