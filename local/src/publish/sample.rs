//! The sample row: deterministic, so that whoever knows the id can tell the whole row.

use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::value::RawValue;

const ACCOUNT_COUNT: u32 = 1000;
const KINDS: [&str; 5] = ["deposit", "withdrawal", "transfer", "fee", "refund"];
const TAGS: [&str; 6] = ["mobile", "web", "branch", "recurring", "flagged", "gift"];
const TAG_COUNT_MAX: usize = 3;
/// City and postal code belong together.
const PLACES: [(&str, &str); 6] = [
    ("Lisbon", "1100-148"),
    ("Lyon", "69001"),
    ("Graz", "8010"),
    ("Gdańsk", "80-831"),
    ("Porto", "4000-322"),
    ("Turin", "10121"),
];
/// 1,000,000.00 at most: well inside decimal(12,2).
const AMOUNT_CENTS_MAX: u64 = 100_000_000;

/// A row of the demo's table `demo.events`: `id long` (required), `event_time timestamptz`,
/// `account_id string`, `kind string`, `amount decimal(12,2)`, `tags list<string>`,
/// `address struct<city string, zip string>`.
#[derive(Debug, Serialize)]
pub struct SampleRow {
    id: u64,
    event_time: String,
    account_id: String,
    kind: &'static str,
    /// A JSON number with exactly two decimals: through a float, the cents could be lost.
    amount: Option<Box<RawValue>>,
    tags: Vec<&'static str>,
    address: Address,
}

#[derive(Debug, Serialize)]
struct Address {
    city: &'static str,
    zip: &'static str,
}

impl SampleRow {
    /// The row with this id: the same for the same arguments. `now` becomes `event_time`, to the
    /// microsecond.
    pub fn generate(id: u64, seed: u64, now: SystemTime) -> Self {
        let mut random = fastrand::Rng::with_seed(seed ^ id.rotate_left(32));
        let (city, zip) = PLACES[random.usize(..PLACES.len())];
        let tag_count = random.usize(..=TAG_COUNT_MAX);
        Self {
            id,
            event_time: DateTime::<Utc>::from(now).to_rfc3339_opts(SecondsFormat::Micros, true),
            account_id: format!("account-{:04}", random.u32(..ACCOUNT_COUNT)),
            kind: KINDS[random.usize(..KINDS.len())],
            amount: amount(random.u64(..=AMOUNT_CENTS_MAX)),
            tags: (0..tag_count).map(|_| TAGS[random.usize(..TAGS.len())]).collect(),
            address: Address { city, zip },
        }
    }

    /// The account, which is the Kafka key: one account's rows stay in order.
    pub fn account_id(&self) -> &str {
        &self.account_id
    }

    /// The row as JSON text.
    pub fn to_json(&self) -> String {
        // Text, numbers and lists in a struct: there is nothing that could fail to serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A sample row as JSON text: see [`SampleRow::generate`].
pub fn sample_row(id: u64, seed: u64, now: SystemTime) -> String {
    SampleRow::generate(id, seed, now).to_json()
}

fn amount(cents: u64) -> Option<Box<RawValue>> {
    RawValue::from_string(format!("{}.{:02}", cents / 100, cents % 100)).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::Value;

    use super::*;

    fn at(micros: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(micros)
    }

    #[test]
    fn the_same_arguments_give_the_same_row_and_another_id_another() {
        let row = sample_row(7, 1, at(5));
        assert_eq!(row, sample_row(7, 1, at(5)));
        assert_ne!(row, sample_row(8, 1, at(5)));
    }

    #[test]
    fn every_row_fits_the_demo_schema() {
        let mut accounts = BTreeSet::new();
        for id in 0..2000 {
            let text = sample_row(id, 3, at(1_763_000_000_000_123));
            let row: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(row["id"], id);
            assert_eq!(row["event_time"], "2025-11-13T02:13:20.000123Z");
            assert!(row["kind"].is_string() && row["address"]["zip"].is_string(), "{row}");
            assert!(row["tags"].as_array().unwrap().len() <= TAG_COUNT_MAX, "{row}");
            let amount = text.split("\"amount\":").nth(1).unwrap().split(',').next().unwrap();
            let (whole, cents) = amount.split_once('.').unwrap();
            assert!(whole.parse::<u64>().unwrap() <= 1_000_000 && cents.len() == 2, "{amount}");
            accounts.insert(row["account_id"].as_str().unwrap().to_owned());
        }
        assert!(accounts.len() > 500, "the keys must spread over partitions");
    }
}
