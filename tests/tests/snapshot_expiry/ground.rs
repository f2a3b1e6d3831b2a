//! A table with a history, and the jobs on it at any time.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tributary_ingest::{Context, ingest};
use tributary_maintenance::expiry::{ExpiryOptions, ExpiryReport, expire};
use tributary_maintenance::file_removal::{RemovalError, Work};
use tributary_maintenance::orphans::{OrphansOptions, OrphansReport, remove_orphans};
use tributary_runtime::NoProgress;
use tributary_table::{Table, TableDefinition};
use tributary_testkit::{FaultyCatalog, read_both};
use tributary_tests::{Batch, LocalLake, Reachability, definition, events_schema, far, ids};

pub(crate) const DAY_MS: i64 = 86_400_000;

/// A lake whose snapshots are a second apart. iceberg allows a table to be a minute ahead of its clock, so that histories are shorter.
pub(crate) struct Ground {
    pub(crate) lake: LocalLake,
    pub(crate) context: Context,
    begin_ms: i64,
}

impl Ground {
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    pub(crate) async fn with(properties: &[(&str, &str)]) -> Self {
        let lake = LocalLake::new();
        let properties: HashMap<String, String> =
            properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let created = lake.table().create(TableDefinition { properties, ..definition(events_schema()) }).await.unwrap();
        let begin_ms = created.metadata().last_updated_ms();
        Self { context: lake.context(), lake, begin_ms }
    }

    /// A lake without a table.
    pub(crate) fn empty() -> Self {
        let lake = LocalLake::new();
        Self { context: lake.context(), lake, begin_ms: tributary_runtime::now_ms() }
    }

    /// Commits one row, as so manieth second of the table's history. Returns the snapshot.
    pub(crate) async fn row(&self, offset: i64) -> i64 {
        let event = Batch::new().rows(0, [offset]).event();
        let now_ms = self.begin_ms + offset * 1000;
        ingest(event.as_bytes(), far(), now_ms, &self.context).await.unwrap().snapshot_id.unwrap()
    }

    /// Commits rows, each in a snapshot of its own.
    pub(crate) async fn rows(&self, offsets: std::ops::Range<i64>) -> Vec<i64> {
        let mut snapshots = Vec::new();
        for offset in offsets {
            snapshots.push(self.row(offset).await);
        }
        snapshots
    }

    /// Five days after the second at which `offset` was committed: by default, only what is before has expired.
    pub(crate) fn when_old(&self, offset: i64) -> i64 {
        self.begin_ms + offset * 1000 + 5 * DAY_MS
    }

    pub(crate) fn faulty(&self) -> (Arc<FaultyCatalog>, Table) {
        let catalog = Arc::new(FaultyCatalog::new(self.lake.catalog()));
        let table = self.lake.table_in(catalog.clone());
        (catalog, table)
    }

    pub(crate) async fn reachable(&self) -> Reachability {
        Reachability::of(self.lake.table().refresh().await.unwrap().metadata_location(), None)
    }

    pub(crate) fn stored(&self) -> BTreeSet<String> {
        self.lake.files().into_iter().collect()
    }

    /// Nothing needed is missing, and the rows are these.
    pub(crate) async fn holds(&self, expected: impl IntoIterator<Item = i64>) {
        assert_eq!(self.reachable().await.missing, Vec::<String>::new());
        assert_eq!(ids(&read_both(&self.lake.at()).unwrap().rows), expected.into_iter().collect::<Vec<_>>());
    }

    /// Every file in storage that nothing reaches.
    pub(crate) async fn unreachable(&self) -> BTreeSet<String> {
        self.stored().difference(&self.reachable().await.all()).cloned().collect()
    }
}

/// Work with time enough.
pub(crate) fn work(table: &Table, now_ms: i64) -> Work<'_> {
    Work { table, now_ms, stop_at: far(), deadline: far(), progress: &NoProgress }
}

/// Options that commit for a single snapshot too.
pub(crate) fn any() -> ExpiryOptions {
    ExpiryOptions { min_snapshots_to_expire: 1, ..ExpiryOptions::default() }
}

pub(crate) async fn expired(table: &Table, options: &ExpiryOptions, now_ms: i64) -> Result<ExpiryReport, RemovalError> {
    let report = expire(options, work(table, now_ms)).await;
    if let Ok(report) = &report {
        let found = report.data_files
            + report.delete_files
            + report.statistics_files
            + report.manifests
            + report.manifest_lists
            + report.metadata_files;
        let settled = report.files_deleted + report.files_refused + report.files_outside + report.files_remaining;
        assert!(settled == found || settled == 0 && options.dry_run, "{report:?}");
    }
    report
}

pub(crate) async fn orphans(
    table: &Table,
    options: &OrphansOptions,
    now_ms: i64,
) -> Result<OrphansReport, RemovalError> {
    let report = remove_orphans(options, work(table, now_ms)).await;
    if let Ok(report) = &report {
        let found = report.files_needed + report.files_too_young + report.files_passed_over + report.orphans_found;
        assert_eq!(report.files_listed, found, "{report:?}");
        let settled = report.orphans_spared + report.files_deleted + report.files_refused + report.files_remaining;
        assert!(settled == report.orphans_found || settled == 0 && options.dry_run, "{report:?}");
    }
    report
}

/// Options that delete.
pub(crate) fn for_real() -> OrphansOptions {
    OrphansOptions { dry_run: false, ..OrphansOptions::default() }
}
