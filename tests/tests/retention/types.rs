//! Every type of time by every transform of time, at both levels, on both sides of 1970.

use serde_json::json;
use tributary_tests::NOW_MS;

use crate::ground::Ground;

/// A column's type, how it is partitioned, its values (one file each), and which of them are past at the partition level.
struct Case {
    of_type: &'static str,
    transform: &'static str,
    past_partitions: &'static [i64],
}

/// Ids by their place. The newest is 1970-01-01T10:30, so that with `retain` of 22 h rows before 1969-12-31T12:30 are past.
const INSTANTS: &[&str] = &[
    "1967-06-01T00:00:00.000001",
    "1968-12-31T23:59:59.999999",
    "1969-11-30T23:59:59.999999",
    "1969-12-30T23:59:59.999999",
    "1969-12-31T11:59:59.999999",
    "1969-12-31T12:29:59.999999",
    "1969-12-31T12:30:00.000000",
    "1969-12-31T23:59:59.999999",
    "1970-01-01T10:30:00.000000",
];
/// With `retain` of 2 days, days before 1969-12-30 are past.
const DAYS: &[&str] =
    &["1967-06-01", "1968-12-31", "1969-11-30", "1969-12-29", "1969-12-30", "1969-12-31", "1970-01-01"];

const OF_INSTANTS: &[(&str, &[i64])] = &[
    ("identity", &[0, 1, 2, 3, 4, 5]),
    ("hour", &[0, 1, 2, 3, 4]),
    ("day", &[0, 1, 2, 3]),
    ("month", &[0, 1, 2]),
    ("year", &[0, 1]),
];

async fn hold(case: Case) {
    let Case { of_type, transform, past_partitions } = case;
    let (values, retain, past): (_, _, &[i64]) = match of_type {
        "date" => (DAYS, "2d", &[0, 1, 2, 3]),
        _ => (INSTANTS, "22h", &[0, 1, 2, 3, 4, 5]),
    };
    let zone = if of_type == "timestamptz" { "Z" } else { "" };
    let about = format!("{of_type} by {transform}");
    for (level, expected) in [("partition", past_partitions), ("file", past)] {
        let mut ground = Ground::new(of_type, &[transform]).await;
        let texts: Vec<String> = values.iter().map(|value| format!("{value}{zone}")).collect();
        let rows: Vec<(i64, &str)> = (0..).zip(texts.iter().map(String::as_str)).collect();
        ground.ingest_each(&rows).await;
        let options = json!({"column": "seen", "retain": retain, "level": level, "max-removed-ratio": 1.0});
        let report = ground.retain(options).await.unwrap();
        let expected_left: Vec<i64> = (0..values.len() as i64).filter(|id| !expected.contains(id)).collect();
        assert_eq!(ground.ids(), expected_left, "{about}, level {level}: {report:?}");
        assert_eq!(report.files_removed, expected.len() as u64, "{about}, level {level}");
        // Rows past that whole partitions do not reach.
        assert_eq!(report.files_straddling, (past.len() - expected.len()) as u64, "{about}, level {level}: {report:?}");
        assert_eq!((report.files_unknown, report.files_with_nulls), (0, 0), "{about}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn timestamps_with_a_zone_go_by_file_and_by_every_partition_of_time() {
    for (transform, past_partitions) in OF_INSTANTS {
        hold(Case { of_type: "timestamptz", transform, past_partitions }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn timestamps_without_a_zone_go_by_file_and_by_every_partition_of_time() {
    for (transform, past_partitions) in OF_INSTANTS {
        hold(Case { of_type: "timestamp", transform, past_partitions }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_go_by_file_and_by_every_partition_of_time() {
    for (transform, past_partitions) in
        [("identity", &[0, 1, 2, 3][..]), ("day", &[0, 1, 2, 3]), ("month", &[0, 1, 2]), ("year", &[0, 1])]
    {
        hold(Case { of_type: "date", transform, past_partitions }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_past_when_it_has_ended_before_the_cutoff() {
    let mut ground = Ground::new("date", &[]).await;
    // The run is on 2025-11-21 at 10:00, so 36 h before it is the evening of the 19th.
    ground.ingest_each(&[(1, "2025-11-18"), (2, "2025-11-19"), (3, "2025-11-20")]).await;
    let options = json!({"column": "seen", "retain": "36h", "level": "file", "measured-from": "clock"});
    let report = ground.retain_at(NOW_MS, options).await.unwrap();
    assert_eq!(report.cutoff.as_deref(), Some("2025-11-19T22:00:00Z"));
    assert_eq!((ground.ids(), report.files_straddling), (vec![2, 3], 1));
    assert_eq!(report.oldest_straddling.as_deref(), Some("2025-11-19T00:00:00Z"));
}
