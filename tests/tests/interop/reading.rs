//! Every type, every partition transform, and filters on them: as PyIceberg and DuckDB read them in `types.rs` and
//! `partitions.rs`, Spark and Trino must, too.

use iceberg::spec::Schema;
use serde_json::{Value, json};
use tributary_testkit::SqlEngine;
use tributary_tests::{Batch, GlueLake, PartitionCase, definition, deliver, transform_cases, type_cases};

use crate::ground::{Engines, engines};
use crate::jobs::{compact, expire, pairs};

/// Ingests rows into a new table, one record each.
async fn ingested(table: &str, columns: Schema, rows: &[Value]) -> GlueLake {
    let lake = engines().lake_with(table, definition(columns)).await;
    let batch = (0..).zip(rows).fold(Batch::new(), |batch, (offset, row)| batch.json(0, offset, row));
    assert_eq!(deliver(&batch.event(), &lake.context(table)).await.unwrap().rows_committed, rows.len() as u64);
    lake
}

#[tokio::test(flavor = "multi_thread")]
async fn every_primitive_at_its_extremes_is_read_by_trino() {
    const TABLE: &str = "reading.primitives";
    let rows = type_cases::extreme_rows();
    ingested(TABLE, type_cases::every_primitive(), &rows).await;
    assert_eq!(engines().trino.rows(TABLE, None).unwrap().rows, rows);
    // Once it does, `clock` no longer needs to be left out elsewhere.
    let refused = engines().spark.rows(TABLE, None).unwrap_err().to_string();
    assert!(refused.contains("Spark does not support time fields"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_primitive_but_time_at_its_extremes_is_read_by_all() {
    let all = type_cases::every_primitive();
    let fields = all.as_struct().fields().iter().filter(|field| field.name != "clock").cloned();
    let columns = Schema::builder().with_fields(fields).build().unwrap();
    let mut rows = type_cases::extreme_rows();
    for row in &mut rows {
        row.as_object_mut().unwrap().remove("clock");
    }
    let lake = ingested("reading.timeless", columns, &rows).await;
    assert_eq!(engines().rows_everywhere(&lake, "reading.timeless"), rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn structs_lists_and_maps_within_each_other_are_read_by_both() {
    ingested("reading.nested", type_cases::nested(), &type_cases::nested_rows()).await;
    for engine in engines().both() {
        let found = engine.rows("reading.nested", None).unwrap().rows;
        assert_eq!(found, type_cases::nested_rows_read(), "{}", engine.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_partitions_are_read_and_filtered_by_both() {
    hold("identities", transform_cases::identity_of_text()).await;
    hold("identities", transform_cases::identity_of_numbers()).await;
    hold("identities", transform_cases::identity_of_times_and_bytes()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_are_read_and_filtered_by_both() {
    hold("buckets", transform_cases::buckets()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn truncated_partitions_are_read_and_filtered_by_both() {
    hold("truncated", transform_cases::truncation()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_of_time_are_read_and_filtered_by_both() {
    hold("times", transform_cases::times()).await;
}

/// Ingests each case's values twice and holds what both engines read against them, whole and filtered; and again once the two files of
/// each partition are compacted into one, and those are deleted.
///
/// All cases are tried before it panics: that one transform fails alone says more than that the first did.
async fn hold(namespace: &str, cases: Vec<PartitionCase>) {
    let engines = engines();
    let lake = engines.lake().await;
    let mut wrong = Vec::new();
    for case in &cases {
        let table = format!("{namespace}.{}", case.name());
        lake.create(&table, case.definition()).await;
        let context = lake.context(&table);
        for event in case.events() {
            deliver(&event, &context).await.unwrap();
        }
        for is_compacted in [false, true] {
            if is_compacted {
                compact(&lake, &table, pairs()).await;
                expire(&lake, &table).await;
            }
            for engine in readers_of(case, engines) {
                if java_misreads(case) {
                    wrong
                        .extend(engine.rows(&table, None).map(|_| format!("{table}: {} reads it, too", engine.name())));
                } else {
                    wrong.extend(differences(engine, &table, case));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether Iceberg's Java library (1.11 and 1.12) can't read the table: it expects a length before a `fixed` partition value in a
/// manifest, also where PyIceberg wrote it, while the Avro of such a value has none. That it still does is part of the test.
fn java_misreads(case: &PartitionCase) -> bool {
    case.column().starts_with("fixed") && case.transform() == "identity"
}

/// Spark has no `time`.
fn readers_of<'a>(case: &PartitionCase, engines: &'a Engines) -> Vec<&'a SqlEngine> {
    if case.column() == "time" { vec![&engines.trino] } else { engines.both().to_vec() }
}

/// What the engine reads otherwise than it was sent.
fn differences(engine: &SqlEngine, table: &str, case: &PartitionCase) -> Vec<String> {
    let (name, mut wrong) = (engine.name(), Vec::new());
    match engine.rows(table, None) {
        Err(error) => wrong.push(format!("{table}: {error}")),
        Ok(found) if found.rows != case.rows() => {
            wrong.push(format!("{table}: {name}: expected {:?}, found {:?}", case.rows(), found.rows));
        }
        Ok(_) => {}
    }
    for (filter, kept) in case.kept() {
        let filter = if name == "trino" { typed_literals(filter, case.column()) } else { filter.to_owned() };
        match engine.rows(table, Some(&filter)) {
            Err(error) => wrong.push(format!("{table}: `{filter}`: {error}")),
            Ok(found) if found.rows.len() != kept => {
                wrong.push(format!("{table}: {name}: `{filter}`: expected {kept} rows, found {:?}", found.rows));
            }
            Ok(_) => {}
        }
    }
    wrong
}

/// The filter with its quoted times as Trino wants them: it compares a time with no text.
fn typed_literals(filter: &str, column: &str) -> String {
    let kind = match column {
        "date" => "DATE ",
        "timestamp" | "timestamptz" => "TIMESTAMP ",
        _ => return filter.to_owned(),
    };
    let written = filter.split('\'').enumerate().map(|(index, part)| match index % 2 {
        0 => part.to_owned(),
        _ => format!("{kind}'{}'", part.replace('T', " ").replace("+00:00", " UTC")),
    });
    written.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_statement_is_answered_in_the_engine_s_words_and_the_next_one_is_taken() {
    for engine in engines().both() {
        let refused = engine.sql("SELECT * FROM lake.reading.no_such_table").unwrap_err().to_string();
        assert!(refused.contains(engine.name()) && refused.contains("no_such_table"), "{refused}");
        assert_eq!(engine.sql("SELECT 1 AS one").unwrap().rows, [json!({"one": 1})]);
    }
}
