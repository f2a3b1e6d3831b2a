//! The rules' YAML document, and the way from it to [`Rules`].

use std::collections::HashSet;

use regex::RegexBuilder;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_saphyr::{Location, Spanned};
use tributary_runtime::Age;

use super::error::{RulesError, at};
use super::{Check, Level, Limit, Rules, Tolerance, ValidValues, Window};

/// Size of the document. Some hundred rules take a tenth of it.
const BYTES_MAX: usize = 256 << 10;
/// Checks of a table; each is one row a run in the results table.
const CHECKS_MAX: usize = 500;
/// Values of a set; each is compared with every row read.
const VALUES_MAX: usize = 1000;
/// Memory of one compiled pattern.
const REGEX_BYTES_MAX: usize = 1 << 20;

const SERVED: &str =
    "one of `freshness`, `heartbeat`, `row_count`, `schema` in `checks`, `missing` and `invalid` in `columns`";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    table: Option<String>,
    window: Option<Spanned<WindowEntry>>,
    #[serde(default)]
    checks: Vec<Spanned<CheckEntry>>,
    #[serde(default)]
    columns: Vec<Spanned<ColumnEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WindowEntry {
    column: Option<String>,
    last: Option<Age>,
    since: Option<Since>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Since {
    LastCheck,
}

/// One key of these.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckEntry {
    freshness: Option<FreshnessEntry>,
    heartbeat: Option<HeartbeatEntry>,
    row_count: Option<RowCountEntry>,
    schema: Option<SchemaEntry>,
    duplicates: Option<Spanned<IgnoredAny>>,
    dead_letters: Option<Spanned<IgnoredAny>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FreshnessEntry {
    column: String,
    warn_after: Option<Age>,
    error_after: Option<Age>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeartbeatEntry {
    last_commit_within: Age,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowCountEntry {
    min: Option<u64>,
    max: Option<u64>,
    anomaly: Option<Spanned<IgnoredAny>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemaEntry {
    #[serde(default)]
    required: Vec<String>,
    #[serde(default = "yes")]
    allow_extra_columns: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnEntry {
    name: String,
    missing: Option<MissingEntry>,
    invalid: Option<InvalidEntry>,
    sample: Option<Spanned<IgnoredAny>>,
    reference: Option<Spanned<IgnoredAny>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MissingEntry {
    max_percent: Option<f64>,
    max_count: Option<u64>,
    #[serde(default)]
    level: Level,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InvalidEntry {
    min: Option<Value>,
    max: Option<Value>,
    values: Option<Vec<Value>>,
    regex: Option<Spanned<String>>,
    max_percent: Option<f64>,
    max_count: Option<u64>,
    #[serde(default)]
    level: Level,
}

pub(super) fn parse(text: &str) -> Result<Rules, RulesError> {
    if text.len() > BYTES_MAX {
        let found = format!("{} bytes", text.len());
        return Err(value(Location::UNKNOWN, "the document", "at most 262144 bytes", found));
    }
    let document: Document = serde_saphyr::from_str(text)?;
    let window = document.window.map_or(Ok(Window::Unset), window)?;
    let mut checks = Vec::new();
    for entry in document.checks {
        checks.push((entry.referenced, check(entry)?));
    }
    for entry in document.columns {
        checks.extend(column_checks(entry)?);
    }
    if checks.is_empty() || checks.len() > CHECKS_MAX {
        return Err(value(Location::UNKNOWN, "the document", "1 to 500 checks", format!("{}", checks.len())));
    }
    refuse_twice(&checks)?;
    Ok(Rules { table: document.table, window, checks: checks.into_iter().map(|(_, check)| check).collect() })
}

/// One kind and column is one check: its results, their memory and their alerts go by that name.
fn refuse_twice(checks: &[(Location, Check)]) -> Result<(), RulesError> {
    let mut seen = HashSet::new();
    match checks.iter().find(|(_, check)| !seen.insert(check.to_string())) {
        None => Ok(()),
        Some((location, check)) => {
            Err(value(*location, format!("check `{check}`"), "each check once", "it twice".to_owned()))
        }
    }
}

fn window(entry: Spanned<WindowEntry>) -> Result<Window, RulesError> {
    match entry.value {
        WindowEntry { column: Some(column), last: Some(last), since: None } if last.ms() > 0 => {
            Ok(Window::Last { column, last })
        }
        WindowEntry { column: None, last: None, since: Some(Since::LastCheck) } => Ok(Window::SinceLastCheck),
        _ => Err(value(
            entry.referenced,
            "`window`",
            "either `column` and `last` (longer than nothing), or `since: last_check`",
            "another combination".to_owned(),
        )),
    }
}

fn check(entry: Spanned<CheckEntry>) -> Result<Check, RulesError> {
    let (location, entry) = (entry.referenced, entry.value);
    for (subject, unserved) in [("duplicates", &entry.duplicates), ("dead_letters", &entry.dead_letters)] {
        refuse_unserved(subject, unserved, SERVED)?;
    }
    let mut checks = Vec::new();
    checks.extend(entry.freshness.map(|entry| freshness(location, entry)));
    checks.extend(
        entry.heartbeat.map(|HeartbeatEntry { last_commit_within }| Ok(Check::Heartbeat { last_commit_within })),
    );
    checks.extend(entry.row_count.map(|entry| row_count(location, entry)));
    checks.extend(entry.schema.map(|entry| schema(location, entry)));
    match (checks.pop(), checks.is_empty()) {
        (Some(check), true) => check,
        (found, _) => {
            let found = if found.is_some() { "several" } else { "none" };
            Err(value(location, "an entry of `checks`", "one kind of check an entry", found.to_owned()))
        }
    }
}

fn freshness(location: Location, entry: FreshnessEntry) -> Result<Check, RulesError> {
    let FreshnessEntry { column, warn_after, error_after } = entry;
    match (warn_after, error_after) {
        (None, None) => {
            Err(value(location, "`freshness`", "`warn_after`, `error_after` or both", "neither".to_owned()))
        }
        (Some(warn), Some(error)) if warn > error => {
            Err(value(location, "`freshness`", "`warn_after` at most `error_after`", format!("{warn} and {error}")))
        }
        _ => Ok(Check::Freshness { column, warn_after, error_after }),
    }
}

fn row_count(location: Location, entry: RowCountEntry) -> Result<Check, RulesError> {
    refuse_unserved("anomaly", &entry.anomaly, "`min` and `max`")?;
    match (entry.min, entry.max) {
        (None, None) => Err(value(location, "`row_count`", "`min`, `max` or both", "neither".to_owned())),
        (Some(min), Some(max)) if min > max => {
            Err(value(location, "`row_count`", "`min` at most `max`", format!("{min} and {max}")))
        }
        (min, max) => Ok(Check::RowCount { min, max }),
    }
}

fn schema(location: Location, entry: SchemaEntry) -> Result<Check, RulesError> {
    let SchemaEntry { required, allow_extra_columns } = entry;
    if required.is_empty() {
        return Err(value(location, "`schema`", "at least one column in `required`", "none".to_owned()));
    }
    Ok(Check::Schema { required, allow_extra_columns })
}

fn column_checks(entry: Spanned<ColumnEntry>) -> Result<Vec<(Location, Check)>, RulesError> {
    let (location, entry) = (entry.referenced, entry.value);
    for (subject, unserved) in [("sample", &entry.sample), ("reference", &entry.reference)] {
        refuse_unserved(subject, unserved, "`missing` and `invalid`")?;
    }
    let mut checks = Vec::new();
    if let Some(MissingEntry { max_percent, max_count, level }) = entry.missing {
        let tolerance = tolerance(location, "`missing`", max_percent, max_count, level)?;
        checks.push(Check::Missing { column: entry.name.clone(), tolerance });
    }
    if let Some(invalid) = entry.invalid {
        let tolerance = tolerance(location, "`invalid`", invalid.max_percent, invalid.max_count, invalid.level)?;
        checks.push(Check::Invalid { column: entry.name.clone(), tolerance, valid: valid(location, invalid)? });
    }
    if checks.is_empty() {
        let subject = format!("column `{}`", entry.name);
        return Err(value(location, subject, "`missing`, `invalid` or both", "neither".to_owned()));
    }
    Ok(checks.into_iter().map(|check| (location, check)).collect())
}

fn tolerance(
    location: Location,
    subject: &str,
    max_percent: Option<f64>,
    max_count: Option<u64>,
    level: Level,
) -> Result<Tolerance, RulesError> {
    let limit = match (max_percent, max_count) {
        (None, count) => Limit::Count(count.unwrap_or(0)),
        (Some(percent), None) if (0.0..=100.0).contains(&percent) => Limit::Percent(percent),
        (Some(percent), None) => {
            return Err(value(location, subject, "`max_percent` from 0 to 100", percent.to_string()));
        }
        (Some(_), Some(_)) => {
            return Err(value(location, subject, "`max_percent` or `max_count`", "both".to_owned()));
        }
    };
    Ok(Tolerance { limit, level })
}

fn valid(location: Location, entry: InvalidEntry) -> Result<ValidValues, RulesError> {
    let regex = entry.regex.map(|pattern| {
        let compiled = RegexBuilder::new(&pattern.value).size_limit(REGEX_BYTES_MAX).build();
        compiled.map_err(|error| value(pattern.referenced, "`regex`", "a pattern", error.to_string()))
    });
    let valid = ValidValues { min: entry.min, max: entry.max, values: entry.values, regex: regex.transpose()? };
    let values = valid.values.as_ref().map_or(1, Vec::len);
    if values == 0 || values > VALUES_MAX {
        return Err(value(location, "`values`", "1 to 1000 values", values.to_string()));
    }
    if valid.min.is_none() && valid.max.is_none() && valid.values.is_none() && valid.regex.is_none() {
        let expected = "`min`, `max`, `values`, `regex` or several of them";
        return Err(value(location, "`invalid`", expected, "none of them".to_owned()));
    }
    Ok(valid)
}

fn refuse_unserved(
    subject: &'static str,
    entry: &Option<Spanned<IgnoredAny>>,
    expected: &'static str,
) -> Result<(), RulesError> {
    match entry {
        None => Ok(()),
        Some(entry) => Err(RulesError::NotServed { at: at(entry.referenced), subject, expected }),
    }
}

fn value(location: Location, subject: impl Into<String>, expected: &'static str, found: String) -> RulesError {
    RulesError::Value { at: at(location), subject: subject.into(), expected, found }
}
