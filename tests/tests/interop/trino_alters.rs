//! INV-7 against the engine that it was made for: Trino adds and drops columns without a version, at the same time as ingest runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use tributary_tests::{Batch, definition, events_schema, id, ids};

use crate::ground::{engines, settle};

/// Each round adds a column and drops it.
const ROUNDS: std::ops::RangeInclusive<u32> = 20..=100;
/// Rows put back after which, and after the fewest rounds, enough was shown.
const ROWS_HEALED_MIN: u64 = 20;
const BATCH_ROWS: i64 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_trino_adds_and_drops_while_ingest_runs_cost_no_row() {
    const TABLE: &str = "trino_alters.raced";
    let engines = engines();
    let lake = engines.lake_with(TABLE, definition(events_schema())).await;
    let context = lake.context(TABLE);
    let healed = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&healed);
    let altering = tokio::task::spawn_blocking(move || {
        for round in 1..=*ROUNDS.end() {
            if round > *ROUNDS.start() && seen.load(Ordering::Relaxed) >= ROWS_HEALED_MIN {
                break;
            }
            engines.in_trino(
                TABLE,
                &["ALTER TABLE {table} ADD COLUMN colour varchar", "ALTER TABLE {table} DROP COLUMN colour"],
            );
        }
        engines.in_trino(TABLE, &["ALTER TABLE {table} ADD COLUMN colour varchar"]);
    });
    let mut next = 0;
    let mut send_next = async || {
        let offsets = next..next + BATCH_ROWS;
        next += BATCH_ROWS;
        let colour = |partition, offset| json!({"id": id(partition, offset), "kind": "order", "colour": "red"});
        let batch = offsets.fold(Batch::new(), |batch, offset| {
            batch.json(0, offset, &colour(0, offset)).json(1, offset, &colour(1, offset))
        });
        healed.fetch_add(settle(&batch.event(), &context).await.rows_healed, Ordering::Relaxed);
    };
    while !altering.is_finished() {
        send_next().await;
    }
    altering.await.unwrap();
    // The last alteration may have overwritten the last commit; the next batch sees to it.
    send_next().await;
    let healed = healed.load(Ordering::Relaxed);
    assert!(
        healed >= ROWS_HEALED_MIN,
        "{healed} rows were overwritten in {} rounds: too few to show anything",
        ROUNDS.end()
    );
    let rows = engines.rows_everywhere(&lake, TABLE);
    let expected: Vec<i64> = (0..2).flat_map(|partition| (0..next).map(move |offset| id(partition, offset))).collect();
    assert_eq!(ids(&rows), expected);
    for partition in 0..2 {
        let last = rows.iter().find(|row| row["id"] == id(partition, next - 1)).unwrap();
        assert_eq!(last["colour"], "red", "the column that stayed is filled");
    }
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
