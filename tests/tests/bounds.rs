//! Bounds and counts in the manifests: they enclose every value, and no reader that trusts them misses a row.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on has failed")]

use std::collections::HashMap;

use serde_json::{Value, json};
use tributary_ingest::Context;
use tributary_table::TableDefinition;
use tributary_testkit::{inspect, read_both, read_where};
use tributary_tests::bounds::{BoundedColumn, Key, Literal, bounded_columns};
use tributary_tests::{Batch, LocalLake, compact_with, definition, deliver, schema};

/// How many files, each of one batch.
const FILES: i64 = 5;
const ROWS_PER_FILE: i64 = 12;
/// Columns whose bounds depend on the metrics mode, and one whose don't.
const CUT_COLUMNS: &[&str] = &["long_text", "short_text", "edge_text", "small"];

/// A row by what it holds of each column: an index into the column's pool, or NULL.
type Drawn = Vec<Option<usize>>;

struct Ground {
    lake: LocalLake,
    columns: Vec<BoundedColumn>,
    /// The rows of each file, in the order of the files' commits.
    files: Vec<Vec<Drawn>>,
}

impl Ground {
    /// A table with these properties, of files drawn by `seed`.
    async fn new(seed: u64, properties: &[(&str, &str)]) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let columns = bounded_columns(&mut random);
        let lake = LocalLake::new();
        let mut fields = vec![(1, "id", true, json!("long"))];
        fields.extend(columns.iter().map(|column| (column.field_id, column.name, false, json!(column.kind))));
        let properties = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        lake.table().create(TableDefinition { properties, ..definition(schema(&fields)) }).await.unwrap();
        let mut ground = Self { lake, columns, files: Vec::new() };
        let context = ground.lake.context();
        for number in 0..FILES {
            ground.add_file(number, &mut random, &context).await;
        }
        ground
    }

    async fn add_file(&mut self, number: i64, random: &mut fastrand::Rng, context: &Context) {
        // Each file draws from a part of each pool, else all files would have the same bounds and none could be skipped.
        let parts: Vec<(usize, usize)> = self.columns.iter().map(|column| part(column.pool.len(), random)).collect();
        let rows: Vec<Drawn> = (0..ROWS_PER_FILE)
            .map(|_| {
                parts
                    .iter()
                    .map(|&(first, end)| (first < end && random.u8(0..6) > 0).then(|| random.usize(first..end)))
                    .collect()
            })
            .collect();
        let batch = (number * ROWS_PER_FILE..).zip(&rows).fold(Batch::new(), |batch, (id, drawn)| {
            let mut row = json!({"id": id});
            for (column, index) in self.columns.iter().zip(drawn) {
                row[column.name] = index.map_or(Value::Null, |index| column.pool[index].0.clone());
            }
            batch.json(0, id, &row)
        });
        assert_eq!(deliver(&batch.event(), context).await.unwrap().data_files, 1);
        self.files.push(rows);
    }

    /// The same rows in fewer files: two of the old ones become one.
    async fn compacted(mut self) -> Self {
        let options = json!({"min-input-files": 2, "max-file-group-input-files": 2});
        let report = compact_with(&self.lake.table(), options).await.unwrap();
        assert_eq!(report.groups_committed, FILES as u64 / 2);
        self.files = self.files.chunks(2).map(<[Vec<Drawn>]>::concat).collect();
        self
    }

    /// Each file as PyIceberg sees it, in the order of the rows.
    fn seen(&self) -> Vec<Value> {
        let mut files = inspect(&self.lake.at()).unwrap()["files"].as_array().unwrap().clone();
        files.sort_by_key(|file| (file["sequence_number"].as_i64(), file["lower_bounds"]["1"].as_i64()));
        assert_eq!(files.len(), self.files.len());
        files
    }

    /// The keys of one column in one file.
    fn keys(&self, file: usize, column: usize) -> Vec<&Key> {
        self.files[file]
            .iter()
            .filter_map(|drawn| drawn[column].map(|index| &self.columns[column].pool[index].1))
            .collect()
    }

    /// Every filter on these columns finds what a full read does.
    fn filters_find_everything(&self, columns: &[&str], values: usize) {
        assert_eq!(read_both(&self.lake.at()).unwrap().rows.len() as i64, FILES * ROWS_PER_FILE);
        let mut random = fastrand::Rng::with_seed(7);
        let wanted = |column: &BoundedColumn| columns.is_empty() || columns.contains(&column.name);
        for (index, column) in self.columns.iter().enumerate().filter(|(_, column)| wanted(column)) {
            let drawn: Vec<usize> = self.files.iter().flatten().filter_map(|drawn| drawn[index]).collect();
            let mut filters = vec![format!("{} IS NULL", column.name)];
            for _ in 0..values {
                let Some(value) = random.choice(&drawn).map(|index| &column.pool[*index].0) else { continue };
                filters.extend(filters_by(column, value));
            }
            for filter in filters {
                read_where(&self.lake.at(), &filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
            }
        }
    }
}

/// A range of the pool, now and then an empty one: NULLs only.
fn part(length: usize, random: &mut fastrand::Rng) -> (usize, usize) {
    if length == 0 || random.u8(0..8) == 0 {
        return (0, 0);
    }
    let first = random.usize(0..length);
    (first, (first + 1 + random.usize(0..4)).min(length))
}

fn filters_by(column: &BoundedColumn, value: &Value) -> Vec<String> {
    let (name, literal) = match (column.literal, value) {
        (Literal::None, _) => return Vec::new(),
        (Literal::Quoted, Value::String(text)) => (column.name, format!("'{text}'")),
        (_, Value::String(text)) => (column.name, text.clone()),
        (_, other) => (column.name, other.to_string()),
    };
    let mut filters = vec![format!("{name} = {literal}")];
    if column.kind != "boolean" {
        filters.extend([format!("{name} < {literal}"), format!("{name} > {literal}")]);
    }
    if let (Value::String(text), "string") = (value, column.kind) {
        let prefix: String = text.chars().take(18).collect();
        filters.push(format!("{name} LIKE '{prefix}%'"));
    }
    filters
}

fn greatest<'a>(keys: &[&'a Key]) -> Option<&'a Key> {
    keys.iter().copied().reduce(|one, two| if two > one { two } else { one })
}

fn least<'a>(keys: &[&'a Key]) -> Option<&'a Key> {
    keys.iter().copied().reduce(|one, two| if two < one { two } else { one })
}

/// Bounds enclose every value, and are there wherever they can be.
fn bounds_enclose(ground: &Ground, length: usize) {
    for (number, file) in ground.seen().iter().enumerate() {
        for (index, column) in ground.columns.iter().enumerate() {
            let keys = ground.keys(number, index);
            let bound = |side: &str| file[side].get(column.field_id.to_string()).map(|bound| column.key(bound));
            let (lower, upper) = (bound("lower_bounds"), bound("upper_bounds"));
            let place = format!("file {number}, column {}: {lower:?} to {upper:?}", column.name);
            let Some((least, greatest)) = least(&keys).zip(greatest(&keys)) else {
                assert_eq!((lower, upper), (None, None), "{place}");
                continue;
            };
            assert!(lower.as_ref().is_some_and(|lower| lower <= least), "{place}, least {least:?}");
            match upper {
                Some(upper) => assert!(&upper >= greatest, "{place}, greatest {greatest:?}"),
                None => assert!(column.has_no_upper(greatest, length), "{place}, greatest {greatest:?}"),
            }
        }
    }
}

fn counts_are_exact(ground: &Ground) {
    for (number, file) in ground.seen().iter().enumerate() {
        for (index, column) in ground.columns.iter().enumerate() {
            let id = column.field_id.to_string();
            let rows = ground.files[number].len();
            let nulls = rows - ground.keys(number, index).len();
            assert_eq!(file["value_counts"][&id], rows, "file {number}, column {}", column.name);
            assert_eq!(file["null_value_counts"][&id], nulls, "file {number}, column {}", column.name);
        }
    }
}

/// How many characters the longest bound of a text column has.
fn longest_text_bound(ground: &Ground) -> usize {
    let ids = ["2", "3", "4"];
    let files = ground.seen();
    let sides = files.iter().flat_map(|file| [&file["lower_bounds"], &file["upper_bounds"]]);
    let bounds = sides.flat_map(|side| ids.iter().filter_map(|id| side[id].as_str()));
    bounds.map(|bound| bound.chars().count()).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_enclose_every_value_and_no_filter_loses_a_row() {
    for seed in 0..2 {
        let ground = Ground::new(seed, &[]).await;
        bounds_enclose(&ground, 16);
        counts_are_exact(&ground);
        assert_eq!(longest_text_bound(&ground), 16);
        ground.filters_find_everything(&[], 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_of_files_put_together_enclose_every_value_too() {
    for (seed, length) in [(0, 16), (10, 1), (11, 3), (12, 90)] {
        let mode = format!("truncate({length})");
        let ground = Ground::new(seed, &[("write.metadata.metrics.default", &mode)]).await.compacted().await;
        bounds_enclose(&ground, length);
        counts_are_exact(&ground);
        assert_eq!(longest_text_bound(&ground), length);
        ground.filters_find_everything(CUT_COLUMNS, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_cut_to_another_length_still_enclose_every_value() {
    for (seed, length) in [(10, 1), (11, 3), (12, 90)] {
        let ground = Ground::new(seed, &[("write.metadata.metrics.default", &format!("truncate({length})"))]).await;
        bounds_enclose(&ground, length);
        assert_eq!(longest_text_bound(&ground), length);
        ground.filters_find_everything(CUT_COLUMNS, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn full_bounds_are_the_extremes_themselves() {
    let ground = Ground::new(20, &[("write.metadata.metrics.default", "full")]).await;
    for (number, file) in ground.seen().iter().enumerate() {
        for (index, column) in ground.columns.iter().enumerate() {
            let keys = ground.keys(number, index);
            let bound = |side: &str| file[side].get(column.field_id.to_string()).map(|bound| column.key(bound));
            let (lower, upper) = (bound("lower_bounds"), bound("upper_bounds"));
            assert_eq!(
                (lower.as_ref(), upper.as_ref()),
                (least(&keys), greatest(&keys)),
                "file {number}, column {}",
                column.name
            );
        }
    }
    ground.filters_find_everything(CUT_COLUMNS, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mode_of_a_table_or_a_column_says_what_is_told_of_it() {
    let counts = Ground::new(30, &[("write.metadata.metrics.default", "counts")]).await;
    counts_are_exact(&counts);
    assert!(counts.seen().iter().all(|file| file["lower_bounds"] == json!({}) && file["upper_bounds"] == json!({})));
    counts.filters_find_everything(CUT_COLUMNS, 1);

    let of_columns = [("write.metadata.metrics.column.small", "full"), ("write.metadata.metrics.column.big", "counts")];
    let none = Ground::new(31, &[&[("write.metadata.metrics.default", "none")], &of_columns[..]].concat()).await;
    let id = |name| none.columns.iter().find(|column| column.name == name).unwrap().field_id.to_string();
    for file in none.seen() {
        let told = |part: &str| file[part].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let mut counted = told("value_counts");
        counted.sort_by_key(|id| id.parse::<i32>().unwrap());
        assert_eq!(counted, [id("small"), id("big")]);
        assert!(told("lower_bounds").iter().all(|bounded| *bounded == id("small")), "{file}");
    }
    none.filters_find_everything(CUT_COLUMNS, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_past_the_hundredth_have_no_bounds_unless_asked_for_and_are_found_all_the_same() {
    const COLUMNS: i32 = 130;
    let names: Vec<String> = (2..=COLUMNS).map(|id| format!("c{id}")).collect();
    let mut fields = vec![(1, "id", true, json!("long"))];
    fields.extend((2..).zip(&names).map(|(id, name)| (id, name.as_str(), false, json!("long"))));
    let lake = LocalLake::new();
    let properties = HashMap::from([("write.metadata.metrics.column.c130".to_owned(), "full".to_owned())]);
    lake.table().create(TableDefinition { properties, ..definition(schema(&fields)) }).await.unwrap();
    let context = lake.context();
    for file in 0..3_i64 {
        let batch = (file * 4..file * 4 + 4).fold(Batch::new(), |batch, id| {
            let row: serde_json::Map<String, Value> = (2..)
                .zip(&names)
                .map(|(column, name)| (name.clone(), json!(id * 1000 + column)))
                .chain([("id".to_owned(), json!(id))])
                .collect();
            batch.json(0, id, &Value::Object(row))
        });
        deliver(&batch.event(), &context).await.unwrap();
    }
    for file in inspect(&lake.at()).unwrap()["files"].as_array().unwrap() {
        let mut bounded: Vec<i32> =
            file["lower_bounds"].as_object().unwrap().keys().map(|id| id.parse().unwrap()).collect();
        bounded.sort_unstable();
        assert_eq!(bounded, (1..=100).chain([130]).collect::<Vec<_>>());
    }
    for (filter, kept) in [
        ("c2 = 5002", 1),
        ("c100 > 7000", 5),
        ("c101 = 5101", 1),
        ("c129 < 3000", 3),
        ("c130 >= 11000", 1),
        ("c120 IS NULL", 0),
    ] {
        assert_eq!(read_where(&lake.at(), filter).unwrap().rows.len(), kept, "{filter}");
    }
}
