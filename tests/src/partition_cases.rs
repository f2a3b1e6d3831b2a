//! One partition transform after another: ingested, read by both engines, and its files held against PyIceberg's transforms.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tributary_table::TableDefinition;
use tributary_testkit::{GroundError, read_both, read_where};

use crate::{Batch, FilePartitions, LocalLake, compact_with, deliver, partitioned, schema};

/// A table whose optional column `v` is partitioned by one transform.
#[derive(Debug)]
pub struct PartitionCase {
    name: &'static str,
    column: &'static str,
    transform: &'static str,
    values: Vec<Value>,
    partitions: Vec<Value>,
    filters: Vec<(&'static str, usize)>,
    missed_by_duckdb: Vec<(&'static str, usize)>,
}

impl PartitionCase {
    /// A table, the type of `v`, its transform, and what `v` holds row by row (an array, in the readers' canonical form).
    pub fn new(name: &'static str, column: &'static str, transform: &'static str, values: Value) -> Self {
        let values = values.as_array().unwrap().clone();
        Self {
            name,
            column,
            transform,
            values,
            partitions: Vec::new(),
            filters: Vec::new(),
            missed_by_duckdb: Vec::new(),
        }
    }

    /// The partitions the values fall into, computed by hand. Without them PyIceberg's transforms alone say (hashes).
    #[must_use]
    pub fn partitions(mut self, partitions: Value) -> Self {
        self.partitions = partitions.as_array().unwrap().clone();
        self
    }

    /// As [`Self::partitions`], for an identity transform whose values are stored as they are shown.
    #[must_use]
    pub fn partitions_as_values(mut self) -> Self {
        self.partitions = self.values.clone();
        self
    }

    /// Filters, and how many of the values each keeps.
    #[must_use]
    pub fn filters(mut self, filters: &[(&'static str, usize)]) -> Self {
        self.filters = filters.to_vec();
        self
    }

    /// More filters, for which DuckDB 1.5.5 alone computes a negative partition value wrongly. That it still does is part of the
    /// test: one for which it no longer does belongs to [`Self::filters`].
    #[must_use]
    pub fn duckdb_misses(mut self, filters: &[(&'static str, usize)]) -> Self {
        self.missed_by_duckdb = filters.to_vec();
        self
    }

    /// The table's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The type of `v`.
    pub fn column(&self) -> &'static str {
        self.column
    }

    /// The transform of `v`, as the Iceberg spec writes it.
    pub fn transform(&self) -> &'static str {
        self.transform
    }

    /// The table: `id`, `v`, and the partition field `v_part`.
    pub fn definition(&self) -> TableDefinition {
        let columns = schema(&[(1, "id", true, json!("long")), (2, "v", false, json!(self.column))]);
        partitioned(columns, &[(2, "v_part", self.transform)])
    }

    /// Two events, each with all the values.
    pub fn events(&self) -> [String; 2] {
        [0, 1].map(|round| {
            let rows = (0_i64..).zip(&self.values).fold(Batch::new(), |batch, (number, value)| {
                batch.json(round, number, &json!({"id": 2 * number + i64::from(round), "v": value}))
            });
            rows.event()
        })
    }

    /// The rows of both events, as the readers give them.
    pub fn rows(&self) -> Vec<Value> {
        let values = self.values.iter().flat_map(|value| [value, value]);
        (0..).zip(values).map(|(id, value)| json!({"id": id, "v": value})).collect()
    }

    /// Every filter, and how many rows of both events it keeps.
    pub fn kept(&self) -> Vec<(&'static str, usize)> {
        let all = self.filters.iter().chain(&self.missed_by_duckdb);
        all.map(|(filter, values)| (*filter, 2 * values)).collect()
    }
}

/// Ingests each case's values twice, into several files, and holds what is read and what the manifests claim against them; then
/// compacts each partition's two files into one, and does so again.
///
/// All cases are tried before it panics: that one transform fails alone says more than that the first did.
pub async fn hold_partitions(cases: &[PartitionCase]) {
    let lake = LocalLake::new();
    let mut wrong = Vec::new();
    for case in cases {
        match ingest(&lake, case).await {
            Ok(()) => wrong.extend(read(&lake, case)),
            Err(error) => wrong.push(error),
        }
    }
    let mut by_table = lake.partitions();
    for case in cases {
        wrong.extend(false_claims(case, &by_table.remove(case.name).unwrap(), 2));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for case in cases {
        match compact_with(&lake.table_named(case.name), json!({"min-input-files": 2})).await {
            Ok(report) if report.groups_committed == report.groups_planned => wrong.extend(read(&lake, case)),
            Ok(report) => wrong.push(format!("{}: {report:?}", case.name)),
            Err(error) => wrong.push(format!("{}: {error}", case.name)),
        }
    }
    let mut by_table = lake.partitions();
    for case in cases {
        wrong.extend(false_claims(case, &by_table.remove(case.name).unwrap(), 1));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn ingest(lake: &LocalLake, case: &PartitionCase) -> Result<(), String> {
    lake.table_named(case.name).create(case.definition()).await.unwrap();
    let context = lake.context_of(case.name);
    for event in case.events() {
        deliver(&event, &context).await.map_err(|error| format!("{}: {error}", case.name))?;
    }
    Ok(())
}

/// What the readers don't read as it was sent.
fn read(lake: &LocalLake, case: &PartitionCase) -> Vec<String> {
    let (at, name) = (lake.at_named(case.name), case.name);
    let mut wrong = Vec::new();
    let expected = case.rows();
    match read_both(&at) {
        Err(error) => wrong.push(format!("{name}: {error}")),
        Ok(found) if found.rows != expected => {
            wrong.push(format!("{name}: expected {expected:?}, found {:?}", found.rows));
        }
        Ok(_) => {}
    }
    for (filter, kept) in &case.filters {
        match read_where(&at, filter) {
            Err(error) => wrong.push(format!("{name}: `{filter}`: {error}")),
            Ok(found) if found.rows.len() != 2 * kept => {
                wrong.push(format!("{name}: `{filter}`: expected {kept} twice, found {:?}", found.rows));
            }
            Ok(_) => {}
        }
    }
    for (filter, _) in &case.missed_by_duckdb {
        match read_where(&at, filter) {
            // PyIceberg answers first, so that an error of DuckDB means that it was right.
            Err(
                GroundError::Disagree { right: "duckdb with a filter", .. }
                | GroundError::Unreadable { engine: "duckdb", .. },
            ) => {}
            Err(error) => wrong.push(format!("{name}: `{filter}`: {error}")),
            Ok(_) => wrong.push(format!("{name}: `{filter}`: DuckDB finds the rows, too")),
        }
    }
    wrong
}

/// What the manifests say that PyIceberg's transforms and the case's own expectation don't.
fn false_claims(case: &PartitionCase, files: &[FilePartitions], files_a_partition: usize) -> Vec<String> {
    let name = case.name;
    let mut wrong: Vec<String> = files
        .iter()
        .filter(|file| file.computed != [file.claimed.clone()])
        .map(|file| format!("{name}: claimed {:?}, computed {:?}", file.claimed, file.computed))
        .collect();
    let claimed: BTreeSet<String> = files.iter().map(|file| file.claimed["v_part"].to_string()).collect();
    let expected: BTreeSet<String> = case.partitions.iter().map(Value::to_string).collect();
    if !expected.is_empty() && claimed != expected {
        wrong.push(format!("{name}: expected partitions {expected:?}, found {claimed:?}"));
    }
    let rows: u64 = files.iter().map(|file| file.rows).sum();
    if rows != 2 * case.values.len() as u64 || files.len() != files_a_partition * claimed.len() {
        let found = format!("{rows} rows in {} files", files.len());
        wrong.push(format!("{name}: expected {files_a_partition} files a partition, found {found}"));
    }
    wrong
}
