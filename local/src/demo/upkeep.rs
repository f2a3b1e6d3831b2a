//! The steps after ingest: the scheduled functions keep the table healthy, and its rows the same.

use serde_json::json;
use tributary_compaction::Compaction;
use tributary_data_quality::DataQuality;
use tributary_maintenance::health::health;
use tributary_retention::Retention;
use tributary_snapshot_expiry::{Report as ExpiryAnswer, SnapshotExpiry};
use tributary_table::TableState;

use super::DemoError;
use super::census::Census;
use super::steps::Demo;
use crate::jobs::report;
use crate::render::Grid;

/// Rows older than this are past their time.
const RETAIN: &str = "30d";
/// Age of the rows that retention removes.
const PAST_MS: i64 = 40 * 24 * 60 * 60 * 1000;

impl Demo<'_, '_> {
    /// Step 6: what state the table is in.
    pub(super) async fn look_at_health(&mut self) -> Result<(), DemoError> {
        let proves = "The table tells its own state: metadata and manifests are read, no data file is.";
        self.out.step(6, "Health", proves)?;
        let health = health(self.stage.table(), self.stage.now_ms()).await?;
        report::show("Health", &health, self.out)?;
        let counted = self.census.rows;
        self.claims.check(self.out, "its rows are those that a full scan counts", &counted, &health.files.rows)
    }

    /// Step 7: small files become large ones.
    pub(super) async fn compact(&mut self) -> Result<(), DemoError> {
        let proves = "Each event made a file of its own; compaction makes few of them, with the same rows.";
        self.out.step(7, "Compaction", proves)?;
        let before = self.files().await?;
        // The demo's files are a handful; the default of five a group suits a table that lives longer.
        let report = self.stage.invoke(Compaction, &json!({"min-input-files": 2})).await?;
        let after = self.files().await?;
        let mut grid = Grid::new(&["", "files#", "manifests#"]);
        grid.push(&["before".to_owned(), before.to_string(), report.manifests_before.to_string()]);
        grid.push(&["after".to_owned(), after.to_string(), report.manifests_after.to_string()]);
        self.out.grid("Data files and manifests", &grid)?;
        self.claims.check(self.out, "there are fewer files than before", &true, &(after < before))?;
        (self.report.files_before, self.report.files_after) = (before, after);
        self.expect_added(0).await.map(|_| ())
    }

    /// Step 8: old snapshots go, and with them the files that only they reach.
    pub(super) async fn expire_snapshots(&mut self) -> Result<(), DemoError> {
        let proves = "Old snapshots keep the small files alive; when they expire, the files that nothing else reaches are deleted.";
        self.out.step(8, "Snapshot expiry", proves)?;
        // In production snapshots stay for days; the demo's are seconds old.
        let event = json!({"older-than": "0s", "min-snapshots-to-expire": 1});
        let ExpiryAnswer::Expire(answer) = self.stage.invoke(SnapshotExpiry, &event).await? else { return Ok(()) };
        report::show("The function's answer", &answer, self.out)?;
        self.report.snapshots_expired = answer.snapshots_expired;
        let state = self.expect_added(0).await?;
        let snapshots = state.metadata().snapshots().len() as u64;
        self.claims.check(
            self.out,
            "the snapshots that are left are those it says",
            &answer.snapshots_kept,
            &snapshots,
        )?;
        let (needed, stored) = (self.files().await?, self.stage.data_files_stored()?);
        self.claims.check(self.out, "every data file in the folder is one the table needs", &needed, &stored)
    }

    /// Step 9: rows past their time go, and no others.
    pub(super) async fn retain(&mut self) -> Result<(), DemoError> {
        let proves =
            "Retention removes whole files whose rows are all past their time, counted back from the newest row.";
        self.out.step(9, &format!("Retention: {RETAIN} of event_time"), proves)?;
        let before = self.census;
        let past = u64::from(self.rows_per_event);
        let now_ms = self.stage.now_ms();
        let event = self.feed.event_about(self.rows_per_event, now_ms - PAST_MS, now_ms, false);
        self.report.rows_added += self.stage.deliver(&event).await?.rows_committed;
        self.out.line(format!("   an event with {past} rows of 40 days ago has arrived"))?;
        self.expect_added(past).await?;
        let rules = json!({"column": "event_time", "retain": RETAIN, "level": "partition"});
        let answer = self.stage.invoke(Retention, &rules).await?;
        report::show("The function's answer", &answer.0, self.out)?;
        self.report.rows_expired = answer.0.rows_expired;
        self.claims.check(self.out, "just the old rows are removed", &past, &answer.0.rows_expired)?;
        let state = self.stage.read_anew().await?;
        self.census = Census::of(self.stage.ident(), &state).await?;
        self.claims.check(self.out, "a full scan finds the rows that were there before them", &before, &self.census)
    }

    /// Step 10: rules that hold, and one that does not.
    pub(super) async fn check_quality(&mut self) -> Result<(), DemoError> {
        let proves =
            "Rules are checked from metadata where it tells; one of these fails on purpose, and says what it found.";
        self.out.step(10, "Data quality", proves)?;
        let rules = json!({
            "checks": [
                {"heartbeat": {"last_commit_within": "15m"}},
                {"row_count": {"min": 1}},
                {"schema": {"required": ["id", "event_time"], "allow_extra_columns": true}},
            ],
            "columns": [
                {"name": "id", "missing": {"max_percent": 0}},
                {"name": "kind", "invalid": {"values": ["deposit", "withdrawal", "transfer", "fee", "refund"]}},
                // The producer writes `account-0001`.
                {"name": "account_id", "invalid": {"regex": "^acct-[0-9]{4}$"}},
            ],
        });
        let answer = self.stage.invoke(DataQuality::default(), &json!({"rules": rules})).await?;
        let mut grid = Grid::new(&["check", "column", "status"]);
        for result in &answer.results {
            grid.push(&[result.check, result.column.as_deref().unwrap_or_default(), result.status.as_str()]);
        }
        self.out.grid("Checks", &grid)?;
        for result in answer.results.iter().filter(|result| result.status.as_str() != "PASS") {
            self.out.line(format!("   {}: {}", result.check, result.message))?;
        }
        let verdicts = (answer.checks_passed, answer.checks_failed, answer.checks_errored);
        (self.report.checks_passed, self.report.checks_failed) = (answer.checks_passed, answer.checks_failed);
        self.claims.check(self.out, "five checks pass, and the one made to fail does", &(5, 1, 0), &verdicts)
    }

    /// Data files of the table as it stands.
    async fn files(&self) -> Result<u64, DemoError> {
        let state: TableState = self.stage.read_anew().await?;
        Ok(self.stage.table().live_files(&state).await?.len() as u64)
    }
}
