//! Two independent Iceberg readers, PyIceberg and DuckDB: what they read of a table is what the world reads.
//!
//! Values come as JSON in one canonical form (`tests/tools/arrow_json.py`): timestamps in ISO form with microseconds and a
//! final `Z` when they have a time zone, decimals as text, bytes as lower-case hex, maps as pairs sorted by key. Rows are
//! sorted by their columns from left to right, so the order in which an engine finds them does not show.
//!
//! The engines live in one Python process a test program, started by the first read; reads take turns.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::process::Managed;
use crate::tools::{GroundError, script};

/// The largest tables of the tests take seconds; only a hanging engine takes longer than this.
const READ_WAIT_MAX: Duration = Duration::from_secs(300);
/// How many differing rows an error shows of each side.
const DIFFERENCES_SHOWN_MAX: usize = 3;

const PYICEBERG: &str = "pyiceberg";
const DUCKDB: &str = "duckdb";

/// Where a table is to be found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum TableAt {
    /// In an SQLite catalog with the layout of Iceberg's JDBC catalog.
    Sqlite {
        /// The database file; absolute.
        catalog_db: PathBuf,
        /// The catalog's name within it.
        catalog_name: String,
        /// `namespace.name`.
        table: String,
    },
    /// In Glue, its files in S3, both at one endpoint.
    Glue {
        /// As [`crate::AwsServer::endpoint`].
        endpoint: String,
        /// `database.name`.
        table: String,
    },
    /// At one metadata file, which also gives a view of the past.
    Metadata {
        /// `file:///...` or `s3://...`.
        location: String,
        /// The S3 endpoint, when the location is there.
        endpoint: Option<String>,
    },
}

impl fmt::Display for TableAt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { catalog_db, table, .. } => write!(out, "`{table}` of {}", catalog_db.display()),
            Self::Glue { endpoint, table } => write!(out, "`{table}` of Glue at {endpoint}"),
            Self::Metadata { location, .. } => write!(out, "the table at {location}"),
        }
    }
}

/// What one engine read.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TableRows {
    /// The columns' names in the table's order.
    pub columns: Vec<String>,
    /// One object a row, keyed by column, in canonical order.
    pub rows: Vec<Value>,
}

/// What can be known of a large table's identifiers without fetching its rows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct IdCount {
    /// How many rows there are.
    pub rows: u64,
    /// How many different identifiers, null not counted. Fewer than `rows` means duplicates or nulls.
    pub distinct: u64,
    /// The smallest identifier; null in an empty table.
    pub min: Value,
    /// The greatest identifier; null in an empty table.
    pub max: Value,
}

/// Reads all rows by both engines, which must agree on columns, values and the number of times each row occurs.
///
/// # Errors
/// [`GroundError::Disagree`] when they don't; [`GroundError::Unreadable`] when one of them can't read the table.
pub fn read_both(at: &TableAt) -> Result<TableRows, GroundError> {
    let by_pyiceberg = read_with_pyiceberg(at)?;
    agree(at, (PYICEBERG, &by_pyiceberg), (DUCKDB, &read_with_duckdb(at)?))?;
    Ok(by_pyiceberg)
}

/// Reads all rows by PyIceberg, through the catalog.
///
/// # Errors
/// [`GroundError::Unreadable`] with PyIceberg's words.
pub fn read_with_pyiceberg(at: &TableAt) -> Result<TableRows, GroundError> {
    ask(at, PYICEBERG, json!({"op": "rows"}))
}

/// Reads all rows by DuckDB, from the metadata that the catalog names.
///
/// # Errors
/// [`GroundError::Unreadable`] with DuckDB's words.
pub fn read_with_duckdb(at: &TableAt) -> Result<TableRows, GroundError> {
    ask(at, DUCKDB, json!({"op": "rows"}))
}

/// Reads the rows that `filter_sql` keeps, by both engines, which skip files and row groups by their bounds and counts.
///
/// Both must equal a full read that is filtered afterwards: a wrong bound, null count or partition value shows here.
/// `filter_sql` is written in what the two share: comparisons, `AND`, `OR`, `NOT`, `IN`, `IS NULL`, `LIKE 'x%'`, text in single
/// quotes, timestamps as `'2026-01-31T23:59:59+00:00'`.
///
/// # Errors
/// As [`read_both`].
pub fn read_where(at: &TableAt, filter_sql: &str) -> Result<TableRows, GroundError> {
    let expected: TableRows = ask(at, PYICEBERG, json!({"op": "filtered_after", "filter": filter_sql}))?;
    for (engine, named) in [(PYICEBERG, "pyiceberg with a filter"), (DUCKDB, "duckdb with a filter")] {
        let found = ask(at, engine, json!({"op": "where", "filter": filter_sql}))?;
        agree(at, ("a full read filtered afterwards", &expected), (named, &found))?;
    }
    Ok(expected)
}

/// Counts the rows and the values of `id_column` by both engines, which must agree.
///
/// # Errors
/// As [`read_both`].
pub fn count_ids(at: &TableAt, id_column: &str) -> Result<IdCount, GroundError> {
    let by_pyiceberg: IdCount = ask(at, PYICEBERG, json!({"op": "ids", "column": id_column}))?;
    let by_duckdb: IdCount = ask(at, DUCKDB, json!({"op": "ids", "column": id_column}))?;
    if by_pyiceberg == by_duckdb {
        return Ok(by_pyiceberg);
    }
    let difference = format!("{by_pyiceberg:?} and {by_duckdb:?}");
    Err(GroundError::Disagree { table: at.to_string(), left: PYICEBERG, right: DUCKDB, difference })
}

/// What PyIceberg sees of the table's metadata: `metadata_location`, `format_version`, `schema`, `properties`, `snapshots` (with
/// their `summary`, oldest first), `refs`, `manifests`, `partitions`, and `files` (with bounds decoded and counts, keyed by field id
/// as text).
///
/// # Errors
/// [`GroundError::Unreadable`] with PyIceberg's words.
pub fn inspect(at: &TableAt) -> Result<Value, GroundError> {
    ask(at, PYICEBERG, json!({"op": "inspect"}))
}

fn agree(at: &TableAt, left: (&'static str, &TableRows), right: (&'static str, &TableRows)) -> Result<(), GroundError> {
    if left.1 == right.1 {
        return Ok(());
    }
    let difference = if left.1.columns == right.1.columns {
        let (only_left, only_right) = unmatched(&left.1.rows, &right.1.rows);
        format!("{} has more: {}; {} has more: {}", left.0, shown(&only_left), right.0, shown(&only_right))
    } else {
        format!("columns {:?} and {:?}", left.1.columns, right.1.columns)
    };
    Err(GroundError::Disagree { table: at.to_string(), left: left.0, right: right.0, difference })
}

/// The rows that one side has more often than the other.
fn unmatched<'a>(left: &'a [Value], right: &'a [Value]) -> (Vec<&'a Value>, Vec<&'a Value>) {
    let mut only_right: Vec<&Value> = right.iter().collect();
    let mut only_left = Vec::new();
    for row in left {
        match only_right.iter().position(|other| *other == row) {
            Some(index) => drop(only_right.remove(index)),
            None => only_left.push(row),
        }
    }
    (only_left, only_right)
}

fn shown(rows: &[&Value]) -> String {
    let first: Vec<String> = rows.iter().take(DIFFERENCES_SHOWN_MAX).map(ToString::to_string).collect();
    format!("{} rows [{}]", rows.len(), first.join(", "))
}

/// The one Python process, and whether it can be asked.
static READER: Mutex<Option<Managed>> = Mutex::new(None);

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reply {
    Ok(Value),
    Error(String),
}

fn ask<T: for<'de> Deserialize<'de>>(at: &TableAt, engine: &'static str, request: Value) -> Result<T, GroundError> {
    let unreadable = |message: String| GroundError::Unreadable { engine, table: at.to_string(), message };
    let mut request = request;
    request["at"] = json!(at);
    request["engine"] = json!(engine);
    let line = exchange(&request.to_string())?;
    let reply: Reply =
        serde_json::from_str(&line).map_err(|error| unreadable(format!("no reply, but `{line}`: {error}")))?;
    match reply {
        Reply::Ok(value) => {
            serde_json::from_value(value).map_err(|error| unreadable(format!("another reply: {error}")))
        }
        Reply::Error(message) => Err(unreadable(message)),
    }
}

/// Sends one request to the reader process and takes its reply.
fn exchange(request: &str) -> Result<String, GroundError> {
    let mut held = READER.lock().unwrap_or_else(PoisonError::into_inner);
    // Taken out, and put back only after a whole exchange: a late reply must not be read as the next request's.
    let mut reader = match held.take() {
        Some(reader) => reader,
        None => Managed::spawn("read_table.py", script("read_table.py")?)?,
    };
    reader.send_line(request)?;
    let reply = reader.next_line(READ_WAIT_MAX)?;
    *held = Some(reader);
    Ok(reply)
}
