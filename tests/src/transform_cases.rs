//! The partition transforms of the spec, with values at which they go wrong and filters that would show it.

use serde_json::{Value, json};

use crate::PartitionCase as Case;

/// Text by its own value, with whatever a path could not hold.
pub fn identity_of_text() -> Vec<Case> {
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
    vec![Case::new("text", "string", "identity", texts).partitions_as_values().filters(&[
        ("v = 'a/b'", 1),
        ("v = '..'", 1),
        ("v = 'null'", 1),
        ("v IS NULL", 1),
        ("v LIKE 'a%'", 3),
        ("v = ''", 1),
        ("v > 'é/é/é'", 1),
    ])]
}

/// Booleans, numbers and decimals by their own value.
pub fn identity_of_numbers() -> Vec<Case> {
    vec![
        Case::new("booleans", "boolean", "identity", json!([true, false, null]))
            .partitions_as_values()
            .filters(&[("v = true", 1), ("v IS NULL", 1)]),
        Case::new("ints", "int", "identity", json!([i32::MIN, -1, 0, i32::MAX, null]))
            .partitions_as_values()
            .filters(&[("v < 0", 2), ("v = -1", 1)]),
        Case::new("longs", "long", "identity", json!([i64::MIN, -1, 0, i64::MAX, null]))
            .partitions_as_values()
            .filters(&[("v >= 0", 2), ("v IS NULL", 1)]),
        // PyIceberg 0.12 reads a double of a manifest as a float: this one is both.
        Case::new("doubles", "double", "identity", json!([-1.5, 0.0, 1_099_511_627_776.0, null]))
            .partitions_as_values()
            .filters(&[("v < 0", 1), ("v > 1.0", 1)]),
        Case::new(
            "small_decimals",
            "decimal(9,2)",
            "identity",
            json!(["-0.01", "0.00", "1234567.89", "-9999999.99", null]),
        )
        .partitions_as_values()
        .filters(&[("v < 0", 2), ("v = 1234567.89", 1), ("v IS NULL", 1)]),
        Case::new(
            "wide_decimals",
            "decimal(38,10)",
            "identity",
            json!(["-0.0000000001", "1234567890123456789012345678.0123456789", null]),
        )
        .partitions_as_values()
        .filters(&[("v < 0", 1), ("v > 1", 1)]),
    ]
}

/// Times before and after 1970, and bytes, by their own value.
pub fn identity_of_times_and_bytes() -> Vec<Case> {
    let instants = json!([
        "1969-12-31T23:59:59.999999Z",
        "1970-01-01T00:00:00.000000Z",
        "0001-01-01T00:00:00.000000Z",
        "9999-12-31T23:59:59.999999Z",
        null
    ]);
    vec![
        Case::new("days", "date", "identity", json!(["1969-12-31", "1970-01-01", "0001-01-01", "9999-12-31", null]))
            .partitions(json!([-1, 0, -719_162, 2_932_896, null]))
            .filters(&[("v < '1970-01-01'", 2), ("v = '9999-12-31'", 1), ("v IS NULL", 1)]),
        Case::new("instants", "timestamptz", "identity", instants)
            .partitions(json!([-1, 0, -62_135_596_800_000_000_i64, 253_402_300_799_999_999_i64, null]))
            .filters(&[("v < '1970-01-01T00:00:00+00:00'", 2), ("v = '1969-12-31T23:59:59.999999+00:00'", 1)]),
        Case::new(
            "walls",
            "timestamp",
            "identity",
            json!(["1969-12-31T23:59:59.500000", "2026-11-21T10:00:00.000001"]),
        )
        .partitions(json!([-500_000, 1_795_255_200_000_001_i64]))
        .filters(&[("v < '1970-01-01T00:00:00'", 1)]),
        Case::new("clocks", "time", "identity", json!(["00:00:00.000000", "23:59:59.999999", null]))
            .partitions(json!([0, 86_399_999_999_i64, null])),
        Case::new("binaries", "binary", "identity", json!(["", "00", "ffffff", "616263", null]))
            .partitions_as_values()
            .filters(&[("v IS NULL", 1)]),
        Case::new("fixeds", "fixed[2]", "identity", json!(["0000", "ffff", "6162", null]))
            .partitions_as_values()
            .filters(&[("v IS NULL", 1)]),
    ]
}

/// Every type that has buckets.
pub fn buckets() -> Vec<Case> {
    let texts = json!(["iceberg", "", "näme 😀", "x".repeat(10_000), null]);
    vec![
        Case::new("ints", "int", "bucket[16]", json!([34, -1, 0, i32::MIN, i32::MAX, null])).filters(&[
            ("v = -1", 1),
            ("v = 34", 1),
            ("v > 0", 2),
        ]),
        Case::new("longs", "long", "bucket[16]", json!([34, -1, 0, i64::MIN, i64::MAX, null]))
            .filters(&[("v = 34", 1), ("v IS NULL", 1)]),
        Case::new(
            "decimals",
            "decimal(9,2)",
            "bucket[16]",
            json!(["14.20", "-14.20", "0.00", "-0.01", "1.27", "1.28", "-1.28", "-1.29", null]),
        )
        .filters(&[("v = 14.20", 1), ("v = -0.01", 1), ("v = 1.28", 1)]),
        Case::new(
            "wide",
            "decimal(38,0)",
            "bucket[16]",
            json!(["99999999999999999999999999999999999999", "-99999999999999999999999999999999999999", "-1"]),
        ),
        Case::new("days", "date", "bucket[16]", json!(["2017-11-16", "1969-12-31", "0001-01-01", null]))
            .filters(&[("v = '1969-12-31'", 1)]),
        Case::new("clocks", "time", "bucket[16]", json!(["22:31:08.000000", "00:00:00.000000", null])),
        Case::new(
            "walls",
            "timestamp",
            "bucket[16]",
            json!(["2017-11-16T22:31:08.000000", "1969-12-31T23:59:59.999999", null]),
        ),
        Case::new(
            "instants",
            "timestamptz",
            "bucket[16]",
            json!(["2017-11-16T22:31:08.000000Z", "1969-12-31T23:59:59.999999Z", null]),
        )
        .filters(&[("v = '1969-12-31T23:59:59.999999+00:00'", 1)]),
        Case::new("texts", "string", "bucket[16]", texts).filters(&[
            ("v = 'iceberg'", 1),
            ("v = ''", 1),
            ("v LIKE 'x%'", 1),
        ]),
        Case::new(
            "uuids",
            "uuid",
            "bucket[16]",
            json!(["f79c3e09-677c-4bbd-a479-3f349cb785e7", "00000000-0000-0000-0000-000000000000", null]),
        )
        // PyIceberg has no kernel for `=` on uuids.
        .filters(&[("v IS NULL", 1)]),
        Case::new("fixeds", "fixed[4]", "bucket[16]", json!(["00010203", "ffffffff", null])),
        Case::new("binaries", "binary", "bucket[16]", json!(["00010203", "", "ff", null])),
    ]
}

/// Every type that can be truncated.
pub fn truncation() -> Vec<Case> {
    let texts = json!(["iceberg", "ice", "ic", "", "éé😀x", "éé😀y", "éé", "日本語です", null]);
    vec![
        Case::new("ints", "int", "truncate[10]", json!([0, 9, 10, -1, -10, -11, i32::MAX, null]))
            .partitions(json!([0, 10, -10, -20, 2_147_483_640, null]))
            .filters(&[("v = -1", 1), ("v < 0", 3), ("v >= 9", 3), ("v > -11 AND v < 0", 2)]),
        Case::new("longs", "long", "truncate[1000]", json!([999, 1000, -1, -1000, -1001, i64::MAX, null]))
            .partitions(json!([0, 1000, -1000, -2000, 9_223_372_036_854_775_000_i64, null]))
            .filters(&[("v = -1", 1), ("v < -1000", 1), ("v = 9223372036854775807", 1)]),
        Case::new(
            "decimals",
            "decimal(9,2)",
            "truncate[50]",
            json!(["10.65", "10.50", "10.49", "-0.01", "-0.50", "-0.51", null]),
        )
        .partitions(json!(["10.50", "10.00", "-0.50", "-1.00", null]))
        .filters(&[("v < 0", 3), ("v >= 10.50", 2)])
        .duckdb_misses(&[("v = -0.01", 1), ("v = -0.51", 1)]),
        Case::new("texts", "string", "truncate[3]", texts)
            .partitions(json!(["ice", "ic", "", "éé😀", "éé", "日本語", null]))
            .filters(&[
                ("v = 'iceberg'", 1),
                ("v LIKE 'ice%'", 2),
                ("v LIKE 'iceb%'", 1),
                ("v = 'éé😀y'", 1),
                ("v < 'ice'", 2),
            ]),
        Case::new("binaries", "binary", "truncate[2]", json!(["616263", "6162", "61", "", "ffffff", null]))
            .partitions(json!(["6162", "61", "", "ffff", null]))
            .filters(&[("v IS NULL", 1)]),
    ]
}

/// Years, months, days and hours, before 1970 too; and `void`.
pub fn times() -> Vec<Case> {
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
    // What every engine finds, and what DuckDB finds only among years and hours.
    let wall_filters = [("v < '1970-01-01T00:00:00'", 3), ("v IS NULL", 1)];
    let wall_near = [("v = '1969-12-31T23:59:59.999999'", 1), ("v >= '1969-12-31T23:00:00'", 3)];
    let instant_filters = [("v < '1970-01-01T00:00:00+00:00'", 3), ("v IS NULL", 1)];
    let instant_near = [("v = '1968-02-29T12:00:00.000001+00:00'", 1), ("v > '1969-12-31T23:00:00+00:00'", 3)];
    let (all_walls, all_instants) = ([wall_filters, wall_near].concat(), [instant_filters, instant_near].concat());
    let day_filters = &[("v < '1970-01-01'", 3), ("v = '1969-12-31'", 1), ("v = '0001-01-01'", 1)];
    vec![
        Case::new("wall_years", "timestamp", "year", walls.clone()).partitions(year.clone()).filters(&all_walls),
        Case::new("wall_months", "timestamp", "month", walls.clone())
            .partitions(month.clone())
            .filters(&wall_filters)
            .duckdb_misses(&wall_near),
        Case::new("wall_days", "timestamp", "day", walls.clone())
            .partitions(day.clone())
            .filters(&wall_filters)
            .duckdb_misses(&wall_near),
        Case::new("wall_hours", "timestamp", "hour", walls).partitions(hour.clone()).filters(&all_walls),
        Case::new("years", "timestamptz", "year", instants.clone()).partitions(year).filters(&all_instants),
        Case::new("months", "timestamptz", "month", instants.clone())
            .partitions(month)
            .filters(&instant_filters)
            .duckdb_misses(&instant_near),
        Case::new("days", "timestamptz", "day", instants.clone())
            .partitions(day)
            .filters(&instant_filters)
            .duckdb_misses(&instant_near),
        Case::new("hours", "timestamptz", "hour", instants).partitions(hour).filters(&all_instants),
        Case::new("day_years", "date", "year", days.clone())
            .partitions(json!([0, -1, -2, 56, -1969, null]))
            .filters(day_filters),
        Case::new("day_months", "date", "month", days.clone())
            .partitions(json!([0, -1, -23, 682, -23_628, null]))
            .filters(day_filters),
        Case::new("day_days", "date", "day", days)
            .partitions(json!([0, -1, -672, 20_778, -719_162, null]))
            .filters(day_filters),
        Case::new("void", "long", "void", json!([1, -1, null]))
            .partitions(json!([null]))
            .filters(&[("v = 1", 1), ("v IS NULL", 1)]),
    ]
}
