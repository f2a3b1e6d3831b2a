//! Partitioned tables: every row is in the file whose partition value its own value has, so that no pruning loses it.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use tributary_ingest::Context;
use tributary_testkit::{inspect, read_both, read_where};
use tributary_tests::{
    Batch, FilePartitions, LocalLake, MeddlingCatalog, definition, deliver, evolve_with_pyiceberg, far, ids,
    partition_spec, partitioned, schema,
};

/// A table whose column `v` is partitioned by one transform.
struct Case {
    name: &'static str,
    column: &'static str,
    transform: &'static str,
    /// What `v` holds, row by row, in the readers' canonical form.
    values: Vec<Value>,
    /// The partitions they fall into, computed by hand; empty where PyIceberg's transforms alone say (hashes).
    partitions: Vec<Value>,
    /// Filters, and how many of `values` each keeps.
    filters: Vec<(&'static str, usize)>,
}

/// Ingests each case's values twice, into several files, and holds what is read and what the manifests claim against them.
async fn hold(cases: Vec<Case>) {
    let lake = LocalLake::new();
    // All of them are tried: that one transform fails alone says more than that the first did.
    let mut wrong = Vec::new();
    for case in &cases {
        ingest(&lake, case).await;
        wrong.extend(read(&lake, case));
    }
    let mut by_table = lake.partitions();
    for case in &cases {
        wrong.extend(false_claims(case, &by_table.remove(case.name).unwrap()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn ingest(lake: &LocalLake, case: &Case) {
    let columns = schema(&[(1, "id", true, json!("long")), (2, "v", false, json!(case.column))]);
    lake.table_named(case.name).create(partitioned(columns, &[(2, "v_part", case.transform)])).await.unwrap();
    let context = lake.context_of(case.name);
    for round in 0..2 {
        let batch = (0_i64..).zip(&case.values).fold(Batch::new(), |batch, (number, value)| {
            batch.json(round, number, &json!({"id": 2 * number + i64::from(round), "v": value}))
        });
        let report = deliver(&batch.event(), &context).await;
        assert_eq!(
            report.unwrap_or_else(|error| panic!("{}: {error}", case.name)).rows_committed,
            case.values.len() as u64,
            "{}",
            case.name
        );
    }
}

/// What the readers don't read as it was sent.
fn read(lake: &LocalLake, case: &Case) -> Vec<String> {
    let (at, name) = (lake.at_named(case.name), case.name);
    let mut wrong = Vec::new();
    let values = case.values.iter().flat_map(|value| [value, value]);
    let expected: Vec<Value> = (0..).zip(values).map(|(id, value)| json!({"id": id, "v": value})).collect();
    match read_both(&at) {
        Err(error) => wrong.push(format!("{name}: {error}")),
        Ok(found) if found.rows != expected => {
            wrong.push(format!("{name}: expected {expected:?}, found {:?}", found.rows))
        }
        Ok(_) => {}
    }
    for (filter, kept) in &case.filters {
        match read_where(&at, filter) {
            Err(error) => wrong.push(format!("{name}: `{filter}`: {error}")),
            Ok(found) if found.rows.len() != 2 * kept => {
                wrong.push(format!("{name}: `{filter}`: expected {kept} twice, found {:?}", found.rows))
            }
            Ok(_) => {}
        }
    }
    wrong
}

/// What the manifests say that PyIceberg's transforms and the case's own expectation don't.
fn false_claims(case: &Case, files: &[FilePartitions]) -> Vec<String> {
    let mut wrong: Vec<String> = files
        .iter()
        .filter(|file| file.computed != [file.claimed.clone()])
        .map(|file| format!("{}: claimed {:?}, computed {:?}", case.name, file.claimed, file.computed))
        .collect();
    assert_eq!(files.iter().map(|file| file.rows).sum::<u64>(), 2 * case.values.len() as u64, "{}", case.name);
    let claimed: BTreeSet<String> = files.iter().map(|file| file.claimed["v_part"].to_string()).collect();
    let expected: BTreeSet<String> = case.partitions.iter().map(Value::to_string).collect();
    if !expected.is_empty() && claimed != expected {
        wrong.push(format!("{}: expected partitions {expected:?}, found {claimed:?}", case.name));
    }
    // One file a partition and batch.
    assert_eq!(files.len(), 2 * claimed.len(), "{}", case.name);
    wrong
}

fn case(name: &'static str, column: &'static str, transform: &'static str, values: Value) -> Case {
    let values = values.as_array().unwrap().clone();
    Case { name, column, transform, values, partitions: Vec::new(), filters: Vec::new() }
}

impl Case {
    fn partitions(mut self, partitions: Value) -> Self {
        self.partitions = partitions.as_array().unwrap().clone();
        self
    }

    /// The partitions of an identity transform are the values, in the form that Iceberg stores.
    fn partitions_as_values(mut self) -> Self {
        self.partitions = self.values.clone();
        self
    }

    fn filters(mut self, filters: &[(&'static str, usize)]) -> Self {
        self.filters = filters.to_vec();
        self
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_partitions_of_text_hold_whatever_a_path_could_not() {
    let long = "é/".repeat(5_000);
    let texts = json!([
        "a/b",
        "a=b",
        "a b",
        "..",
        ".",
        "../../up",
        "",
        "%2F",
        "näme 😀",
        "back\\slash",
        "new\nline",
        "null",
        null,
        long,
        long.to_uppercase()
    ]);
    hold(vec![case("text", "string", "identity", texts).partitions_as_values().filters(&[
        ("v = 'a/b'", 1),
        ("v = '..'", 1),
        ("v = 'null'", 1),
        ("v IS NULL", 1),
        ("v LIKE 'a%'", 3),
        ("v = ''", 1),
        ("v > 'é/é/é'", 1),
    ])])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_partitions_of_numbers_hold_negative_and_extreme_ones() {
    hold(vec![
        case("booleans", "boolean", "identity", json!([true, false, null]))
            .partitions_as_values()
            .filters(&[("v = true", 1), ("v IS NULL", 1)]),
        case("ints", "int", "identity", json!([i32::MIN, -1, 0, i32::MAX, null]))
            .partitions_as_values()
            .filters(&[("v < 0", 2), ("v = -1", 1)]),
        case("longs", "long", "identity", json!([i64::MIN, -1, 0, i64::MAX, null]))
            .partitions_as_values()
            .filters(&[("v >= 0", 2), ("v IS NULL", 1)]),
        case("doubles", "double", "identity", json!([-1.5, 0.0, 1e300, null]))
            .partitions_as_values()
            .filters(&[("v < 0", 1), ("v > 1.0", 1)]),
        case("small_decimals", "decimal(9,2)", "identity", json!(["-0.01", "0.00", "1234567.89", "-9999999.99", null]))
            .partitions_as_values()
            .filters(&[("v < 0", 2), ("v = 1234567.89", 1), ("v IS NULL", 1)]),
        case(
            "wide_decimals",
            "decimal(38,10)",
            "identity",
            json!(["-0.0000000001", "1234567890123456789012345678.0123456789", null]),
        )
        .partitions_as_values()
        .filters(&[("v < 0", 1), ("v > 1", 1)]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_partitions_of_times_and_bytes_hold_times_before_1970() {
    let instants = json!([
        "1969-12-31T23:59:59.999999Z",
        "1970-01-01T00:00:00.000000Z",
        "0001-01-01T00:00:00.000000Z",
        "9999-12-31T23:59:59.999999Z",
        null
    ]);
    hold(vec![
        case("days", "date", "identity", json!(["1969-12-31", "1970-01-01", "0001-01-01", "9999-12-31", null]))
            .partitions(json!([-1, 0, -719_162, 2_932_896, null]))
            .filters(&[("v < '1970-01-01'", 2), ("v = '9999-12-31'", 1), ("v IS NULL", 1)]),
        case("instants", "timestamptz", "identity", instants)
            .partitions(json!([-1, 0, -62_135_596_800_000_000_i64, 253_402_300_799_999_999_i64, null]))
            .filters(&[("v < '1970-01-01T00:00:00+00:00'", 2), ("v = '1969-12-31T23:59:59.999999+00:00'", 1)]),
        case("walls", "timestamp", "identity", json!(["1969-12-31T23:59:59.500000", "2026-11-21T10:00:00.000001"]))
            .partitions(json!([-500_000, 1_795_255_200_000_001_i64]))
            .filters(&[("v < '1970-01-01T00:00:00'", 1)]),
        case("clocks", "time", "identity", json!(["00:00:00.000000", "23:59:59.999999", null])).partitions(json!([
            0,
            86_399_999_999_i64,
            null
        ])),
        case(
            "uuids",
            "uuid",
            "identity",
            json!(["00000000-0000-0000-0000-000000000000", "f79c3e09-677c-4bbd-a479-3f349cb785e7", null]),
        )
        .partitions_as_values()
        .filters(&[("v = 'f79c3e09-677c-4bbd-a479-3f349cb785e7'", 1), ("v IS NULL", 1)]),
        case("binaries", "binary", "identity", json!(["", "00", "ffffff", "616263", null]))
            .partitions_as_values()
            .filters(&[("v = 'abc'", 1), ("v IS NULL", 1)]),
        case("fixeds", "fixed[2]", "identity", json!(["0000", "ffff", "6162", null]))
            .partitions_as_values()
            .filters(&[("v IS NULL", 1)]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_are_those_of_the_spec_for_every_type_that_has_them() {
    let texts = json!(["iceberg", "", "näme 😀", "x".repeat(10_000), null]);
    hold(vec![
        case("ints", "int", "bucket[16]", json!([34, -1, 0, i32::MIN, i32::MAX, null])).filters(&[
            ("v = -1", 1),
            ("v = 34", 1),
            ("v > 0", 2),
        ]),
        case("longs", "long", "bucket[16]", json!([34, -1, 0, i64::MIN, i64::MAX, null]))
            .filters(&[("v = 34", 1), ("v IS NULL", 1)]),
        case(
            "decimals",
            "decimal(9,2)",
            "bucket[16]",
            json!(["14.20", "-14.20", "0.00", "-0.01", "1.27", "1.28", "-1.28", "-1.29", null]),
        )
        .filters(&[("v = 14.20", 1), ("v = -0.01", 1), ("v = 1.28", 1)]),
        case(
            "wide",
            "decimal(38,0)",
            "bucket[16]",
            json!(["99999999999999999999999999999999999999", "-99999999999999999999999999999999999999", "-1"]),
        ),
        case("days", "date", "bucket[16]", json!(["2017-11-16", "1969-12-31", "0001-01-01", null]))
            .filters(&[("v = '1969-12-31'", 1)]),
        case("clocks", "time", "bucket[16]", json!(["22:31:08.000000", "00:00:00.000000", null])),
        case(
            "walls",
            "timestamp",
            "bucket[16]",
            json!(["2017-11-16T22:31:08.000000", "1969-12-31T23:59:59.999999", null]),
        ),
        case(
            "instants",
            "timestamptz",
            "bucket[16]",
            json!(["2017-11-16T22:31:08.000000Z", "1969-12-31T23:59:59.999999Z", null]),
        )
        .filters(&[("v = '1969-12-31T23:59:59.999999+00:00'", 1)]),
        case("texts", "string", "bucket[16]", texts).filters(&[
            ("v = 'iceberg'", 1),
            ("v = ''", 1),
            ("v LIKE 'x%'", 1),
        ]),
        case(
            "uuids",
            "uuid",
            "bucket[16]",
            json!(["f79c3e09-677c-4bbd-a479-3f349cb785e7", "00000000-0000-0000-0000-000000000000", null]),
        )
        .filters(&[("v = 'f79c3e09-677c-4bbd-a479-3f349cb785e7'", 1)]),
        case("fixeds", "fixed[4]", "bucket[16]", json!(["00010203", "ffffffff", null])),
        case("binaries", "binary", "bucket[16]", json!(["00010203", "", "ff", null])),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn truncation_rounds_towards_the_past_and_cuts_between_characters() {
    let texts = json!(["iceberg", "ice", "ic", "", "éé😀x", "éé😀y", "éé", "日本語です", null]);
    hold(vec![
        case("ints", "int", "truncate[10]", json!([0, 9, 10, -1, -10, -11, i32::MAX, null]))
            .partitions(json!([0, 10, -10, -20, 2_147_483_640, null]))
            .filters(&[("v = -1", 1), ("v < 0", 3), ("v >= 9", 3), ("v > -11 AND v < 0", 2)]),
        case("longs", "long", "truncate[1000]", json!([999, 1000, -1, -1000, -1001, i64::MAX, null]))
            .partitions(json!([0, 1000, -1000, -2000, 9_223_372_036_854_775_000_i64, null]))
            .filters(&[("v = -1", 1), ("v < -1000", 1), ("v = 9223372036854775807", 1)]),
        case(
            "decimals",
            "decimal(9,2)",
            "truncate[50]",
            json!(["10.65", "10.50", "10.49", "-0.01", "-0.50", "-0.51", null]),
        )
        .partitions(json!(["10.50", "10.00", "-0.50", "-1.00", null]))
        .filters(&[("v < 0", 3), ("v = -0.01", 1), ("v = -0.51", 1), ("v >= 10.50", 2)]),
        case("texts", "string", "truncate[3]", texts)
            .partitions(json!(["ice", "ic", "", "éé😀", "éé", "日本語", null]))
            .filters(&[
                ("v = 'iceberg'", 1),
                ("v LIKE 'ice%'", 2),
                ("v LIKE 'iceb%'", 1),
                ("v = 'éé😀y'", 1),
                ("v < 'ice'", 2),
            ]),
        case("binaries", "binary", "truncate[2]", json!(["616263", "6162", "61", "", "ffffff", null]))
            .partitions(json!(["6162", "61", "", "ffff", null]))
            .filters(&[("v = 'abc'", 1), ("v IS NULL", 1)]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn years_months_days_and_hours_before_1970_are_negative() {
    let walls = json!([
        "1970-01-01T00:00:00.000000",
        "1969-12-31T23:59:59.999999",
        "1969-12-31T22:59:59.999999",
        "1968-02-29T12:00:00.000001",
        "2026-11-21T10:30:00.500000",
        null
    ]);
    let instants: Value =
        walls.as_array().unwrap().iter().map(|wall| wall.as_str().map(|wall| format!("{wall}Z"))).collect();
    let days = json!(["1970-01-01", "1969-12-31", "1968-02-29", "2026-11-21", "0001-01-01", null]);
    let (year, month, day) =
        (json!([0, -1, -2, 56, null]), json!([0, -1, -23, 682, null]), json!([0, -1, -672, 20_778, null]));
    let hour = json!([0, -1, -2, -672 * 24 + 12, 20_778 * 24 + 10, null]);
    let wall_filters = &[
        ("v < '1970-01-01T00:00:00'", 3),
        ("v = '1969-12-31T23:59:59.999999'", 1),
        ("v >= '1969-12-31T23:00:00'", 3),
        ("v IS NULL", 1),
    ];
    let instant_filters = &[
        ("v < '1970-01-01T00:00:00+00:00'", 3),
        ("v = '1968-02-29T12:00:00.000001+00:00'", 1),
        ("v > '1969-12-31T23:00:00+00:00'", 3),
    ];
    let day_filters = &[("v < '1970-01-01'", 3), ("v = '1969-12-31'", 1), ("v = '0001-01-01'", 1)];
    hold(vec![
        case("wall_years", "timestamp", "year", walls.clone()).partitions(year.clone()).filters(wall_filters),
        case("wall_months", "timestamp", "month", walls.clone()).partitions(month.clone()).filters(wall_filters),
        case("wall_days", "timestamp", "day", walls.clone()).partitions(day.clone()).filters(wall_filters),
        case("wall_hours", "timestamp", "hour", walls).partitions(hour.clone()).filters(wall_filters),
        case("years", "timestamptz", "year", instants.clone()).partitions(year).filters(instant_filters),
        case("months", "timestamptz", "month", instants.clone()).partitions(month).filters(instant_filters),
        case("days", "timestamptz", "day", instants.clone()).partitions(day).filters(instant_filters),
        case("hours", "timestamptz", "hour", instants).partitions(hour).filters(instant_filters),
        case("day_years", "date", "year", days.clone())
            .partitions(json!([0, -1, -2, 56, -1969, null]))
            .filters(day_filters),
        case("day_months", "date", "month", days.clone())
            .partitions(json!([0, -1, -23, 682, -23_628, null]))
            .filters(day_filters),
        case("day_days", "date", "day", days)
            .partitions(json!([0, -1, -672, 20_778, -719_162, null]))
            .filters(day_filters),
        case("void", "long", "void", json!([1, -1, null]))
            .partitions(json!([null]))
            .filters(&[("v = 1", 1), ("v IS NULL", 1)]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_fields_and_a_nested_source_partition_together() {
    let lake = LocalLake::new();
    let address = json!({"type": "struct", "fields": [
        {"id": 5, "name": "city", "required": false, "type": "string"},
        {"id": 6, "name": "since", "required": false, "type": "date"},
    ]});
    let columns = schema(&[
        (1, "id", true, json!("long")),
        (2, "at", false, json!("timestamptz")),
        (3, "kind", false, json!("string")),
        (4, "address", false, address),
    ]);
    let fields = [
        (3, "kind", "identity"),
        (2, "at_day", "day"),
        (1, "id_bucket", "bucket[2]"),
        (5, "city", "identity"),
        (6, "since_year", "year"),
    ];
    lake.table().create(partitioned(columns, &fields)).await.unwrap();
    let rows: Vec<Value> = (0..24)
        .map(|id| {
            let city = ["Köln", "New York"].get(id % 3);
            let address = if id % 5 == 0 { Value::Null } else { json!({"city": city, "since": "1969-12-31"}) };
            json!({"id": id, "at": format!("1969-12-{:02}T23:59:59.999999Z", 30 + id % 2), "kind": if id % 2 == 0 { "a/b" } else { "c" }, "address": address})
        })
        .collect();
    let batch = (0..).zip(&rows).fold(Batch::new(), |batch, (offset, row)| batch.json(0, offset, row));
    deliver(&batch.event(), &lake.context()).await.unwrap();

    assert_eq!(read_both(&lake.at()).unwrap().rows, rows);
    for (filter, kept) in [
        ("kind = 'a/b' AND at < '1969-12-31T00:00:00+00:00'", 12),
        ("kind = 'c'", 12),
        ("id = 7", 1),
        ("kind = 'c' AND id = 8", 0),
    ] {
        assert_eq!(read_where(&lake.at(), filter).unwrap().rows.len(), kept, "{filter}");
    }
    let files = lake.partitions().remove("events").unwrap();
    assert!(files.iter().all(|file| file.computed == [file.claimed.clone()]), "{files:?}");
    let cities: BTreeSet<String> = files.iter().map(|file| file.claimed["city"].to_string()).collect();
    assert_eq!(cities, ["\"Köln\"", "\"New York\"", "null"].map(str::to_owned).into());
}

/// A table by `day`, its definition for the tests of evolution.
async fn by_day(lake: &LocalLake) {
    let columns = schema(&[(1, "id", true, json!("long")), (2, "day", false, json!("date"))]);
    lake.table().create(partitioned(columns, &[(2, "day_month", "month")])).await.unwrap();
}

fn days(offsets: std::ops::Range<i64>) -> String {
    offsets
        .fold(Batch::new(), |batch, id| {
            batch.json(0, id, &json!({"id": id, "day": format!("2026-0{}-11", 1 + id % 2)}))
        })
        .event()
}

async fn set_default_spec(table: &tributary_table::Table, fields: &[(i32, &str, &str)]) {
    table
        .update(far(), |_, builder| Ok(builder.add_default_partition_spec(partition_spec(fields)).unwrap()))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_batch_follows_an_evolved_partition_spec() {
    let lake = LocalLake::new();
    by_day(&lake).await;
    let context = lake.context();
    deliver(&days(0..4), &context).await.unwrap();
    for (number, fields) in [
        (1, &[(2, "day_day", "day"), (1, "id_bucket", "bucket[4]")][..]),
        (2, &[]),
        (3, &[(1, "id_part", "truncate[4]")]),
    ] {
        set_default_spec(&lake.table(), fields).await;
        deliver(&days(number * 4..number * 4 + 4), &context).await.unwrap();
        let files = lake.partitions().remove("events").unwrap();
        assert!(files.iter().all(|file| file.computed == [file.claimed.clone()]), "{files:?}");
        let of_spec: u64 = files.iter().filter(|file| i64::from(file.spec_id) == number).map(|file| file.rows).sum();
        assert_eq!(of_spec, 4, "{files:?}");
        let expected: Vec<i64> = (0..number * 4 + 4).collect();
        assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), expected);
        assert_eq!(
            ids(&read_where(&lake.at(), "day = '2026-01-11'").unwrap().rows),
            expected.iter().copied().step_by(2).collect::<Vec<_>>()
        );
        assert_eq!(
            ids(&read_where(&lake.at(), "id >= 3 AND id < 6").unwrap().rows),
            (3..6.min(number * 4 + 4)).collect::<Vec<_>>()
        );
    }
}

/// A function whose next commit is overtaken by `deed`.
fn overtaken(lake: &LocalLake, deed: impl Future<Output = ()> + Send + 'static) -> (Arc<MeddlingCatalog>, Context) {
    let catalog = Arc::new(MeddlingCatalog::new(lake.catalog()));
    catalog.before_next_swap(deed);
    (catalog.clone(), Context::new(lake.table_in(catalog), None))
}

fn parquet_files(lake: &LocalLake) -> usize {
    lake.files().iter().filter(|file| file.ends_with(".parquet")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_changed_between_read_and_commit_makes_the_batch_plan_again() {
    let lake = LocalLake::new();
    by_day(&lake).await;
    let other = lake.table();
    let (catalog, context) =
        overtaken(&lake, async move { set_default_spec(&other, &[(1, "id_part", "truncate[2]")]).await });
    let report = deliver(&days(0..4), &context).await.unwrap();
    assert!(catalog.is_done());
    assert_eq!((report.rows_committed, report.commit_attempts), (4, 2));
    let files = lake.partitions().remove("events").unwrap();
    assert_eq!(files.len(), 2);
    for file in &files {
        assert_eq!((file.spec_id, &file.computed), (1, &vec![file.claimed.clone()]));
    }
    assert_eq!(parquet_files(&lake), files.len(), "the first plan's files must be gone");
    assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), [0, 1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_changed_between_read_and_commit_makes_the_batch_decode_again() {
    let lake = Arc::new(LocalLake::new());
    lake.table()
        .create(definition(schema(&[(1, "id", true, json!("long")), (2, "note", false, json!("string"))])))
        .await
        .unwrap();
    let meddled = Arc::clone(&lake);
    let change = json!({"add": [["kind", "string"]], "drop": ["note"]});
    let (catalog, context) = overtaken(&lake, async move { evolve_with_pyiceberg(&meddled, &change) });
    let batch = Batch::new().json(0, 0, &json!({"id": 1, "note": "n", "kind": "k"}));
    let report = deliver(&batch.event(), &context).await.unwrap();
    assert!(catalog.is_done());
    assert_eq!((report.rows_committed, report.fields_ignored, report.commit_attempts), (1, 1, 2));
    assert_eq!(read_both(&lake.at()).unwrap().rows, [json!({"id": 1, "kind": "k"})]);
    assert_eq!(parquet_files(&lake), 1, "the first plan's file must be gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_by_another_engine_meanwhile_needs_no_new_plan() {
    let lake = Arc::new(LocalLake::new());
    by_day(&lake).await;
    let meddled = Arc::clone(&lake);
    let foreign = async move { tributary_tests::append_with_pyiceberg(&meddled, &[json!({"id": 99})]) };
    let (catalog, context) = overtaken(&lake, foreign);
    let report = deliver(&days(0..4), &context).await.unwrap();
    assert!(catalog.is_done());
    assert_eq!((report.rows_committed, report.commit_attempts), (4, 2));
    assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), [0, 1, 2, 3, 99]);
    let seen = inspect(&lake.at()).unwrap();
    assert_eq!(seen["files"].as_array().unwrap().len(), parquet_files(&lake));
}
