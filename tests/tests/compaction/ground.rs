//! What the tests of compaction share: a fed table, one compaction held against both readers, and what lies below the table.

use std::collections::HashSet;

use serde_json::{Value, json};
use tributary_ingest::Context;
use tributary_maintenance::compaction::CompactionReport;
use tributary_table::{LiveFile, Table, TableDefinition};
use tributary_testkit::{TableRows, inspect, read_both, read_where};
use tributary_tests::{Batch, LocalLake, compact_with, definition, deliver, events_schema};

/// A lake with one table and a warm ingest function.
pub(crate) struct Ground {
    pub(crate) lake: LocalLake,
    pub(crate) context: Context,
    pub(crate) next_offset: i64,
}

impl Ground {
    pub(crate) async fn with(definition: TableDefinition) -> Self {
        let lake = LocalLake::new();
        lake.table().create(definition).await.unwrap();
        let context = lake.context();
        Self { lake, context, next_offset: 0 }
    }

    /// A table of the demo's columns, with this many files of `rows` rows each.
    pub(crate) async fn fed(files: i64, rows: i64) -> Self {
        let mut ground = Self::with(definition(events_schema())).await;
        ground.feed(files, rows).await;
        ground
    }

    pub(crate) async fn feed(&mut self, files: i64, rows: i64) {
        for _ in 0..files {
            let batch = Batch::new().rows(0, self.next_offset..self.next_offset + rows);
            deliver(&batch.event(), &self.context).await.unwrap();
            self.next_offset += rows;
        }
    }

    /// Ingests rows in one batch, which makes one file a partition.
    pub(crate) async fn ingest(&mut self, rows: &[Value]) {
        let batch = (self.next_offset..).zip(rows);
        let batch = batch.fold(Batch::new(), |batch, (offset, row)| batch.json(0, offset, row));
        assert_eq!(deliver(&batch.event(), &self.context).await.unwrap().rows_committed, rows.len() as u64);
        self.next_offset += rows.len() as i64;
    }

    pub(crate) fn table(&self) -> Table {
        self.lake.table()
    }

    pub(crate) fn rows(&self) -> TableRows {
        read_both(&self.lake.at()).unwrap()
    }

    pub(crate) async fn compact(&self, options: Value) -> CompactionReport {
        compact_with(&self.table(), options).await.unwrap()
    }

    /// Compacts, and holds what both readers find, whole and by filters, against what they found before.
    pub(crate) async fn compact_keeps(&self, options: Value, filters: &[&str]) -> CompactionReport {
        let read = || {
            let filtered: Vec<TableRows> =
                filters.iter().map(|filter| read_where(&self.lake.at(), filter).unwrap()).collect();
            (self.rows(), filtered)
        };
        let before = read();
        let report = self.compact(options).await;
        assert_eq!(read(), before);
        assert_eq!(self.orphans().await, Vec::<String>::new());
        report
    }

    /// The live files, by the manifests.
    pub(crate) async fn live(&self) -> Vec<LiveFile> {
        let table = self.table();
        table.live_files(&table.refresh().await.unwrap()).await.unwrap()
    }

    /// PyIceberg's view of the metadata.
    pub(crate) fn inspect(&self) -> Value {
        inspect(&self.lake.at()).unwrap()
    }

    /// The head, as PyIceberg sees it.
    pub(crate) async fn head(&self) -> Value {
        let head = self.table().refresh().await.unwrap().metadata().current_snapshot_id();
        let snapshots = self.inspect()["snapshots"].as_array().unwrap().clone();
        snapshots.into_iter().find(|snapshot| snapshot["snapshot_id"].as_i64() == head).unwrap()
    }

    /// Every file below the table that no snapshot reaches.
    pub(crate) async fn orphans(&self) -> Vec<String> {
        let table = self.table();
        let state = table.refresh().await.unwrap();
        let logged = state.metadata().metadata_log().iter().map(|log| log.metadata_file.clone());
        let mut reached: HashSet<String> = logged.chain([state.metadata_location().to_owned()]).collect();
        for snapshot in state.metadata().snapshots() {
            reached.insert(snapshot.manifest_list().to_owned());
            for manifest in table.manifests_of(&state, snapshot).await.unwrap() {
                let entries = manifest.load_manifest(state.file_io()).await.unwrap();
                reached.extend(entries.entries().iter().map(|entry| entry.file_path().to_owned()));
                reached.insert(manifest.manifest_path);
            }
        }
        self.lake.files().into_iter().filter(|file| !reached.contains(file)).collect()
    }
}

/// Options under which any two files of a partition are put together.
pub(crate) fn pairs() -> Value {
    json!({"min-input-files": 2})
}
