//! Branches and tags that Spark made: expiry keeps what they hold, for as long as they are to be kept.

use serde_json::json;
use tributary_tests::{Batch, GlueLake, definition, deliver, events_schema, ids};

use crate::ground::{Engines, engines};
use crate::jobs::{compact, everything, expire, expire_at};

const DAY_MS: i64 = 86_400_000;

/// What Spark reads of a branch or tag.
fn ids_at(engines: &Engines, table: &str, name: &str) -> Vec<i64> {
    let rows = engines.spark.sql(&format!("SELECT id FROM lake.{table} VERSION AS OF '{name}'")).unwrap().rows;
    ids(&rows)
}

/// What Trino reads of it.
fn ids_at_by_trino(engines: &Engines, table: &str, name: &str) -> Vec<i64> {
    ids(&engines.trino.sql(&format!("SELECT id FROM lake.{table} FOR VERSION AS OF '{name}'")).unwrap().rows)
}

async fn feed(lake: &GlueLake, table: &str, begin: i64) {
    for offset in [begin, begin + 1] {
        deliver(&Batch::new().rows(0, [offset]).event(), &lake.context(table)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_spark_s_branches_and_tags_hold_stays_until_they_are_gone() {
    const TABLE: &str = "refs.kept";
    let engines = engines();
    let lake = engines.lake_with(TABLE, definition(events_schema())).await;
    feed(&lake, TABLE, 0).await;
    engines.in_spark(TABLE, &["ALTER TABLE {table} CREATE TAG first"]);
    feed(&lake, TABLE, 2).await;
    engines.in_spark(
        TABLE,
        &[
            "ALTER TABLE {table} CREATE BRANCH audit RETAIN 30 DAYS WITH SNAPSHOT RETENTION 2 SNAPSHOTS",
            "INSERT INTO {table}.branch_audit (id, kind) VALUES (100, 'audit')",
            "INSERT INTO {table}.branch_audit (id, kind) VALUES (101, 'audit')",
            "DELETE FROM {table}.branch_audit WHERE id = 0",
        ],
    );
    feed(&lake, TABLE, 4).await;
    let hold = |main: std::ops::Range<i64>| {
        assert_eq!(ids(&engines.rows_everywhere(&lake, TABLE)), main.collect::<Vec<_>>());
        for at in [ids_at, ids_at_by_trino] {
            assert_eq!(at(engines, TABLE, "first"), [0, 1]);
            assert_eq!(at(engines, TABLE, "audit"), [1, 2, 3, 100, 101]);
        }
    };
    hold(0..6);
    compact(&lake, TABLE, everything()).await;
    // Main's head, the tag's snapshot, and two of the branch.
    let report = expire(&lake, TABLE).await;
    assert_eq!((report.snapshots_kept, report.refs_removed), (4, 0), "{report:?}");
    hold(0..6);
    feed(&lake, TABLE, 6).await;
    compact(&lake, TABLE, everything()).await;
    expire(&lake, TABLE).await;
    hold(0..8);

    engines.in_spark(TABLE, &["ALTER TABLE {table} DROP TAG first", "ALTER TABLE {table} DROP BRANCH audit"]);
    let report = expire(&lake, TABLE).await;
    assert_eq!(report.snapshots_kept, 1);
    assert!(report.data_files >= 4 && report.files_deleted > report.data_files, "{report:?}");
    assert_eq!(ids(&engines.rows_everywhere(&lake, TABLE)), (0..8).collect::<Vec<_>>());
    // Written to by Spark and ingest as before.
    engines.in_spark(TABLE, &["INSERT INTO {table} (id) VALUES (-1)"]);
    feed(&lake, TABLE, 8).await;
    assert_eq!(ids(&engines.rows_everywhere(&lake, TABLE)), (-1..10).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_of_spark_s_goes_when_its_own_age_has_come_and_not_before() {
    const TABLE: &str = "refs.aged";
    let engines = engines();
    let lake = engines.lake_with(TABLE, definition(events_schema())).await;
    // By the clock, which Spark's ages count from: the tests' own time is long past.
    engines.in_spark(
        TABLE,
        &[
            "INSERT INTO {table} (id) VALUES (0)",
            "ALTER TABLE {table} CREATE TAG short RETAIN 1 DAYS",
            "ALTER TABLE {table} CREATE TAG long RETAIN 60 DAYS",
            "INSERT INTO {table} (id) VALUES (1)",
        ],
    );
    let now_ms = tributary_runtime::now_ms();
    let early = expire(&lake, TABLE).await;
    assert_eq!((early.refs_removed, early.snapshots_expired), (0, 0), "{early:?}");
    let later = expire_at(&lake, TABLE, now_ms + 2 * DAY_MS, &json!({})).await;
    assert_eq!((later.refs_removed, later.snapshots_expired), (1, 0), "{later:?}");
    for (name, is_there) in [("short", false), ("long", true)] {
        let read = engines.spark.sql(&format!("SELECT id FROM lake.{TABLE} VERSION AS OF '{name}'"));
        assert_eq!(read.is_ok(), is_there, "{name}: {read:?}");
    }
    assert_eq!(ids_at_by_trino(engines, TABLE, "long"), [0]);
    assert_eq!(ids(&engines.rows_everywhere(&lake, TABLE)), [0, 1]);
}
