//! INV-7 against the engine that it was made for: Trino adds and drops columns without a version, at the same time as ingest runs, and
//! compaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;
use tributary_compaction::Compaction;
use tributary_function::JobErrorKind;
use tributary_ingest::Context;
use tributary_tests::{Batch, GlueLake, definition, events_schema, id, ids};

use crate::ground::{engines, settle};
use crate::jobs::{compact, everything, expire, pairs, run};

/// Each round adds a column and drops it.
const ROUNDS: std::ops::RangeInclusive<u32> = 20..=300;
/// Rows put back after which, and after the fewest rounds, enough was shown: a batch. How many rounds that takes is up to the machine.
const ROWS_HEALED_MIN: u64 = 2 * BATCH_ROWS as u64;
/// Commits of compaction overwritten after which enough was shown, where it runs.
const UNDONE_MIN: u64 = 1;
const BATCH_ROWS: i64 = 3;
/// Between batches, and between alterations, where compaction runs: beside writers that commit without a pause it never gets its turn.
const BATCH_PAUSE: Duration = Duration::from_millis(100);
const ALTER_PAUSE: Duration = Duration::from_millis(150);
/// Between compactions, so that there is something to compact and time to overwrite it.
const COMPACTION_PAUSE: Duration = Duration::from_millis(100);

/// What Trino's alterations did to our commits.
#[derive(Debug, Default)]
struct Overwritten {
    rows_healed: AtomicU64,
    compactions_undone: AtomicU64,
}

/// Alters until enough was overwritten, and leaves a column more than there was.
fn alter(table: &'static str, pause: Duration, is_enough: impl Fn() -> bool + Send + 'static) -> JoinHandle<()> {
    tokio::task::spawn_blocking(move || {
        for round in 1..=*ROUNDS.end() {
            if round > *ROUNDS.start() && is_enough() {
                break;
            }
            for statement in ["ALTER TABLE {table} ADD COLUMN colour varchar", "ALTER TABLE {table} DROP COLUMN colour"]
            {
                engines().in_trino(table, &[statement]);
                thread::sleep(pause);
            }
        }
        engines().in_trino(table, &["ALTER TABLE {table} ADD COLUMN colour varchar"]);
    })
}

/// Sends three rows of each of two partitions.
async fn send(context: &Context, offsets: std::ops::Range<i64>) -> u64 {
    let row = |partition, offset| json!({"id": id(partition, offset), "kind": "order", "colour": "red"});
    let batch = offsets
        .fold(Batch::new(), |batch, offset| batch.json(0, offset, &row(0, offset)).json(1, offset, &row(1, offset)));
    settle(&batch.event(), context).await.rows_healed
}

/// Sends batches until the alterations end, and one more: the last of them may have overwritten the last commit. Returns the
/// offset after the last.
async fn feed(context: &Context, pause: Duration, altering: &JoinHandle<()>, overwritten: &Overwritten) -> i64 {
    let (mut next, mut is_last) = (0, false);
    // Ends: the rounds of the alterations are bounded.
    while !is_last {
        is_last = altering.is_finished();
        let healed = send(context, next..next + BATCH_ROWS).await;
        overwritten.rows_healed.fetch_add(healed, Ordering::Relaxed);
        next += BATCH_ROWS;
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
    next
}

/// Compacts until the alterations end, whatever becomes of it. Returns how many compactions were committed.
async fn compact_meanwhile(lake: &GlueLake, table: &str, altering: &JoinHandle<()>, overwritten: &Overwritten) -> u64 {
    let (mut committed, mut last) = (0, None);
    while !altering.is_finished() {
        match run(Compaction, lake, table, &pairs()).await {
            Ok(report) => {
                committed += report.commits;
                last = report.snapshot_id;
            }
            Err(error) => assert_eq!(error.kind(), JobErrorKind::Retry, "{error}"),
        }
        tokio::time::sleep(COMPACTION_PAUSE).await;
        let state = lake.table(table).refresh().await.unwrap();
        if last.take_if(|id| state.metadata().snapshot_by_id(*id).is_none()).is_some() {
            overwritten.compactions_undone.fetch_add(1, Ordering::Relaxed);
        }
    }
    committed
}

/// Every record is there once, and those of the last batch have the column that was left.
fn hold_rows(lake: &GlueLake, table: &str, next: i64) {
    let rows = engines().rows_everywhere(lake, table);
    let expected: Vec<i64> = (0..2).flat_map(|partition| (0..next).map(move |offset| id(partition, offset))).collect();
    assert_eq!(ids(&rows), expected);
    for partition in 0..2 {
        let last = rows.iter().find(|row| row["id"] == id(partition, next - 1)).unwrap();
        assert_eq!(last["colour"], "red", "the column that stayed is filled");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_trino_adds_and_drops_while_ingest_runs_cost_no_row() {
    const TABLE: &str = "trino_alters.raced";
    let lake = engines().lake_with(TABLE, definition(events_schema())).await;
    let overwritten = Arc::new(Overwritten::default());
    let seen = Arc::clone(&overwritten);
    let altering = alter(TABLE, Duration::ZERO, move || seen.rows_healed.load(Ordering::Relaxed) >= ROWS_HEALED_MIN);
    let next = feed(&lake.context(TABLE), Duration::ZERO, &altering, &overwritten).await;
    altering.await.unwrap();
    let healed = overwritten.rows_healed.load(Ordering::Relaxed);
    assert!(healed >= ROWS_HEALED_MIN, "{healed} rows were overwritten in {} rounds: too few", ROUNDS.end());
    hold_rows(&lake, TABLE, next);
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_trino_adds_and_drops_while_ingest_and_compaction_run_cost_no_row() {
    const TABLE: &str = "trino_alters.compacted";
    let lake = engines().lake_with(TABLE, definition(events_schema())).await;
    let retries = "'commit.retry.num-retries' = '20', 'commit.retry.max-wait-ms' = '500'";
    engines().in_spark(TABLE, &[&format!("ALTER TABLE {{table}} SET TBLPROPERTIES ({retries})")]);
    let (context, overwritten) = (lake.context(TABLE), Arc::new(Overwritten::default()));
    let seen = Arc::clone(&overwritten);
    let altering = alter(TABLE, ALTER_PAUSE, move || seen.compactions_undone.load(Ordering::Relaxed) >= UNDONE_MIN);
    let (next, compactions) = tokio::join!(
        feed(&context, BATCH_PAUSE, &altering, &overwritten),
        compact_meanwhile(&lake, TABLE, &altering, &overwritten)
    );
    altering.await.unwrap();
    assert!(
        compactions > 0 && overwritten.compactions_undone.load(Ordering::Relaxed) > 0,
        "{overwritten:?} of {compactions}"
    );
    hold_rows(&lake, TABLE, next);
    compact(&lake, TABLE, everything()).await;
    hold_rows(&lake, TABLE, next);
    expire(&lake, TABLE).await;
    hold_rows(&lake, TABLE, next);
    assert_eq!(send(&context, 0..next).await, 0, "what was put back or taken back is not lost");
    hold_rows(&lake, TABLE, next);
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_trino_changes_count_from_the_next_batch_on() {
    const TABLE: &str = "trino_alters.evolved";
    let engines = engines();
    let lake = engines.lake_with(TABLE, definition(events_schema())).await;
    let context = lake.context(TABLE);
    let send = async |offset: i64, row: serde_json::Value| {
        assert_eq!(settle(&Batch::new().json(0, offset, &row).event(), &context).await.rows_committed, 1);
    };
    send(0, json!({"id": 0, "kind": "a"})).await;
    engines.in_trino(
        TABLE,
        &[
            "ALTER TABLE {table} ADD COLUMN level integer",
            "ALTER TABLE {table} ADD COLUMN address.country varchar",
            "ALTER TABLE {table} RENAME COLUMN kind TO sort",
            "ALTER TABLE {table} DROP COLUMN tags",
        ],
    );
    send(1, json!({"id": 1, "sort": "b", "level": 1, "address": {"country": "DE"}, "tags": ["t"]})).await;
    engines.in_trino(
        TABLE,
        &[
            "ALTER TABLE {table} ALTER COLUMN level SET DATA TYPE bigint",
            "ALTER TABLE {table} SET PROPERTIES partitioning = ARRAY['bucket(id, 4)']",
        ],
    );
    send(2, json!({"id": 2, "sort": "c", "level": 3_000_000_000_i64})).await;
    let address = json!({"city": null, "zip": null, "country": "DE"});
    let row = |id: i64, sort: &str, level: serde_json::Value, address: serde_json::Value| json!({"id": id, "event_time": null, "account_id": null, "sort": sort, "amount": null, "address": address, "level": level});
    let expected = [
        row(0, "a", json!(null), json!(null)),
        row(1, "b", json!(1), address),
        row(2, "c", json!(3_000_000_000_i64), json!(null)),
    ];
    assert_eq!(engines.rows_everywhere(&lake, TABLE), expected);
}
