//! A table of rows whose every value is known, and the function on it.

use serde_json::{Value, json};
use tributary_data_quality::{DataQuality, Report};
use tributary_decode::Decoder;
use tributary_function::{Context, JobError, invoke};
use tributary_table::{Connection, ObjectStore, Replaced, RewriteRequest, parse_table_name};
use tributary_tests::{Batch, LocalLake, TABLE, definition, events_schema, far};

/// When every test happens: 2100-01-01T10:00:00Z. A snapshot is never older than its table, which the clock dates.
pub(crate) const NOW_MS: i64 = 4_102_480_800_000;
pub(crate) const MINUTE_MS: i64 = 60_000;
pub(crate) const RESULTS: &str = "test.results";
pub(crate) const HEARTBEAT: &str = "checks: [heartbeat: {last_commit_within: 10m}]";

/// The row at an offset: its time so many minutes before [`NOW_MS`], 0 and 1 without account, 9 a fee.
pub(crate) fn row(offset: i64) -> Value {
    let time = time_text(NOW_MS - (offset + 1) * MINUTE_MS);
    let account = if offset < 2 { Value::Null } else { json!(format!("a-{offset}")) };
    let kind = if offset == 9 { "fee" } else { "order" };
    json!({"id": offset, "event_time": time, "account_id": account, "kind": kind, "amount": format!("{offset}.50")})
}

/// A time of the day of [`NOW_MS`].
pub(crate) fn time_text(ms: i64) -> String {
    let of_day = ms - (NOW_MS - 10 * 60 * MINUTE_MS);
    let (hours, minutes, seconds) = (of_day / 3_600_000, of_day / MINUTE_MS % 60, of_day / 1000 % 60);
    format!("2100-01-01T{hours:02}:{minutes:02}:{seconds:02}Z")
}

pub(crate) async fn lake() -> LocalLake {
    let lake = LocalLake::new();
    lake.table().create(definition(events_schema())).await.unwrap();
    lake
}

/// Rows of offsets, by the ingest function, in one file.
pub(crate) async fn ingest(lake: &LocalLake, offsets: std::ops::Range<i64>, now_ms: i64) {
    let batch = offsets.fold(Batch::new(), |batch, offset| batch.json(0, offset, &row(offset)));
    tributary_ingest::ingest(batch.event().as_bytes(), far(), now_ms, &lake.context()).await.unwrap();
}

/// All rows so far in one file, as compaction leaves them.
pub(crate) async fn compact(lake: &LocalLake, offsets: std::ops::Range<i64>, now_ms: i64) {
    let table = lake.table();
    let state = table.refresh().await.unwrap();
    let mut rows = Decoder::try_new(state.schema()).unwrap().batch(16);
    for offset in offsets {
        rows.push(row(offset).to_string().as_bytes()).unwrap();
    }
    let files = table.encode(&state, &rows.finish().unwrap()).unwrap();
    let added = table.put_files(&state, files).await.unwrap();
    let removed = table.live_files(&state).await.unwrap();
    let request = RewriteRequest { start: &state, removed, added, now_ms, deadline: far() };
    let done = table.rewrite(request).await.unwrap();
    assert!(matches!(done, Replaced::Committed { .. }), "{done:?}");
}

/// Puts nonsense in place of every data file there is: whoever reads one from now on fails.
pub(crate) fn garble(lake: &LocalLake) -> usize {
    let files = lake.files().into_iter().filter(|file| file.ends_with(".parquet") && file.contains("/events/"));
    let files: Vec<String> = files.collect();
    for file in &files {
        std::fs::write(file.strip_prefix("file://").unwrap(), b"nonsense").unwrap();
    }
    files.len()
}

/// The function in this process, cold.
pub(crate) fn function(lake: &LocalLake, job: DataQuality) -> Context<DataQuality> {
    let connection = Connection { catalog: lake.catalog(), store: ObjectStore::local() };
    Context::new(job, connection, Some(parse_table_name(TABLE).unwrap()))
}

pub(crate) fn with_memory() -> DataQuality {
    DataQuality { results_table: Some(parse_table_name(RESULTS).unwrap()), ..DataQuality::default() }
}

pub(crate) async fn run(lake: &LocalLake, job: DataQuality, rules: &str, now_ms: i64) -> Result<Report, JobError> {
    invoke(&json!({"rules": rules}).to_string(), far(), now_ms, &function(lake, job)).await
}

/// Status, value, threshold and exactness of the only result.
pub(crate) fn only(report: &Report) -> (&'static str, Option<f64>, Option<f64>, Option<&'static str>) {
    assert_eq!(report.results.len(), 1, "{report:?}");
    let result = &report.results[0];
    (result.status.as_str(), result.value, result.threshold, result.exactness.map(|one| one.as_str()))
}
