//! Partitions: files stay in theirs, and those of an older spec are split by the current one.

use std::sync::Arc;

use arrow_array::Int64Array;
use iceberg::spec::DataContentType;
use serde_json::{Value, json};
use tributary_table::Table;
use tributary_testkit::FaultyCatalog;
use tributary_tests::{compact_with, evolve_with_pyiceberg, far, ids, partition_spec, partitioned, schema};

use crate::foreign::{Target, commit, equality_deletes, position_deletes};
use crate::ground::{Ground, pairs};

async fn set_default_spec(table: &Table, fields: &[(i32, &str, &str)]) {
    table
        .update(far(), |_, builder| Ok(builder.add_default_partition_spec(partition_spec(fields)).unwrap()))
        .await
        .unwrap();
}

/// A table by month, of files that hold two months each time.
async fn by_month(rounds: i64) -> Ground {
    let columns = schema(&[(1, "id", true, json!("long")), (2, "day", false, json!("date"))]);
    let mut ground = Ground::with(partitioned(columns, &[(2, "day_month", "month")])).await;
    for round in 0..rounds {
        ground.ingest(&days(4 * round..4 * round + 4)).await;
    }
    ground
}

fn days(numbers: std::ops::Range<i64>) -> Vec<Value> {
    numbers.map(|id| json!({"id": id, "day": format!("2026-0{}-1{}", 1 + id % 2, id % 4)})).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_an_older_spec_are_rewritten_by_the_current_one() {
    let mut ground = by_month(3).await;
    let filters = ["day = '2026-01-12'", "day >= '2026-02-01'", "id >= 3 AND id < 6"];
    for (number, fields) in [
        (1, &[(2, "day_day", "day"), (1, "id_bucket", "bucket[2]")][..]),
        (2, &[]),
        (3, &[(1, "id_part", "truncate[8]")]),
    ] {
        set_default_spec(&ground.table(), fields).await;
        ground.ingest(&days(12 * number..12 * number + 4)).await;
        let report = ground.compact_keeps(pairs(), &filters).await;
        assert_eq!((report.groups_failed, report.groups_planned > 0), (0, true), "{report:?}");
        let files = ground.lake.partitions().remove("events").unwrap();
        assert!(files.iter().all(|file| file.computed == [file.claimed.clone()]), "{files:?}");
        let of_spec: u64 = files.iter().filter(|file| i64::from(file.spec_id) == number).map(|file| file.rows).sum();
        let rows: u64 = files.iter().map(|file| file.rows).sum();
        // A single file of an older spec is not worth a rewrite.
        assert!(of_spec >= 12 && rows == 12 + 4 * number as u64, "{files:?}");
    }
    let report = ground.compact_keeps(json!({"rewrite-all": true}), &filters).await;
    assert_eq!(report.groups_failed, 0);
    assert!(ground.lake.partitions()["events"].iter().all(|file| file.spec_id == 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_partition_of_a_widened_column_is_one_before_and_after() {
    let columns = schema(&[(1, "id", true, json!("long")), (2, "shard", false, json!("int"))]);
    let mut ground = Ground::with(partitioned(columns, &[(2, "shard", "identity")])).await;
    for id in 0..3 {
        ground.ingest(&[json!({"id": id, "shard": 1}), json!({"id": 10 + id, "shard": 2})]).await;
    }
    evolve_with_pyiceberg(&ground.lake, &json!({"widen": [["shard", "long"]]}));
    ground.ingest(&[json!({"id": 3, "shard": 1})]).await;
    // A delete file of the widened partition reaches the files from before.
    let target = Target::of(&ground, 0).await;
    let newest = ground.live().await.into_iter().max_by_key(tributary_table::LiveFile::sequence_number).unwrap();
    let partition = newest.data_file().partition().clone();
    let oldest = ground.live().await.into_iter().find(|file| holds(file, 1)).unwrap();
    let delete = position_deletes(&ground, &Target { partition, ..target }, &[(oldest.path(), 0)]).await;
    commit(&ground.table(), vec![delete]).await;
    // Read by DuckDB 1.5.5, which holds the partitions to be two, the deleted row is still there.
    let report = ground.compact(pairs()).await;
    assert_eq!((report.groups_committed, report.files_added, report.rows_deleted), (2, 2, 1));
    assert_eq!(ids(&ground.rows().rows).len(), 6);
    assert!(ground.live().await.iter().all(|file| file.content() == DataContentType::Data));
}

/// Whether a file is of this shard, by the bounds of its column.
fn holds(file: &tributary_table::LiveFile, shard: i32) -> bool {
    let bound = file.data_file().lower_bounds().get(&2).map(|bound| bound.literal().clone());
    bound == Some(iceberg::spec::PrimitiveLiteral::Int(shard))
        || bound == Some(iceberg::spec::PrimitiveLiteral::Long(shard.into()))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_equality_delete_that_loses_its_rows_to_another_spec_fails_the_rewrite() {
    let ground = by_month(2).await;
    set_default_spec(&ground.table(), &[(1, "id_bucket", "bucket[2]")]).await;
    let ground = Arc::new(ground);
    // A writer that still knows the older spec deletes row 2 of January while it is rewritten by the newer one.
    let target = Target::of(&ground, 0).await;
    let catalog = Arc::new(FaultyCatalog::new(ground.lake.catalog()));
    let meddled = Arc::clone(&ground);
    catalog.before_next_swap(async move {
        let delete = equality_deletes(&meddled, &target, &[(1, "id", Arc::new(Int64Array::from(vec![2, 3])))]).await;
        commit(&meddled.table(), vec![delete]).await;
    });
    let options = json!({"min-input-files": 2, "partial-progress.max-commits": 1});
    let report = compact_with(&ground.lake.table_in(catalog.clone()), options).await.unwrap();
    assert!(catalog.deed_is_done());
    assert_eq!((report.groups_committed, report.groups_failed), (0, 2));
    assert!(report.reasons[0].reason.contains("expected no new deletes"), "{:?}", report.reasons);
    assert_eq!(ground.orphans().await, Vec::<String>::new());
    let report = ground.compact(pairs()).await;
    assert_eq!((report.groups_committed, report.rows_deleted, report.delete_files_removed), (2, 1, 1));
    // Its partition alone: the row of the other month stays.
    let left = ids(&ground.rows().rows);
    assert_eq!((left.len(), left.contains(&2)), (7, !left.contains(&3)), "{left:?}");
}
