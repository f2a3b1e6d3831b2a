//! The last result of each check, from the newest files of the results table.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use iceberg::spec::{Datum, PrimitiveLiteral};
use tributary_table::{LiveFile, Table, TableState, format_table_name};

use crate::facts::time_us;
use crate::files::Files;
use crate::read::read_columns;
use crate::result::Status;
use crate::results_table::{
    ALERTED_AT, CHECK_NAME, COLUMN_NAME, LastResult, RUN_TIME, ResultsError, SNAPSHOT_ID, STATUS, TABLE_NAME,
};

/// Files read for the last results. A check that has not run within so many runs counts as new; compaction makes one of many.
const FILES_READ_MAX: usize = 256;

/// The last results of the checks `names` on table `checked`.
pub(crate) async fn read_last(
    table: &Table,
    state: &TableState,
    checked: &str,
    names: &HashSet<String>,
) -> Result<HashMap<String, LastResult>, ResultsError> {
    let columns = Columns::of(state)
        .map_err(|reason| ResultsError::Columns { table: format_table_name(table.ident()), reason })?;
    let mut files = Files::of(table.live_files(state).await?).data;
    files.retain(|file| may_hold(file, columns.table_name, checked));
    files.sort_by_key(|file| Reverse(newest_us(file, &columns)));
    let mut last = HashMap::new();
    let mut read = 0;
    for file in files {
        let may_matter = |name: &&String| {
            let kind = name.split_once('(').map_or(name.as_str(), |(kind, _)| kind);
            let older =
                last.get(*name).is_some_and(|last: &LastResult| newest_us(&file, &columns) < last.run_ms * 1000);
            !older && may_hold(&file, columns.check_name, kind)
        };
        if !names.iter().any(|name| may_matter(&name)) {
            continue;
        }
        if read == FILES_READ_MAX {
            tracing::warn!(table = %table.ident(), files = FILES_READ_MAX, "not all earlier results were looked for");
            break;
        }
        read += 1;
        let take = |batch: &RecordBatch| take(batch, checked, names, &mut last);
        let done = read_columns(state, &file, &columns.field_ids, take).await;
        done.map_err(|reason| {
            let (table, path) = (format_table_name(table.ident()), file.path().to_owned());
            ResultsError::Read { table, path, reason }
        })?;
    }
    Ok(last)
}

/// Field ids of the columns that are read.
struct Columns {
    run_time: i32,
    table_name: i32,
    check_name: i32,
    field_ids: Vec<i32>,
}

impl Columns {
    fn of(state: &TableState) -> Result<Self, String> {
        let id = |name: &str| {
            let id = state.schema().field_id_by_name(name);
            id.ok_or_else(|| format!("no column `{name}`"))
        };
        let names = [RUN_TIME, TABLE_NAME, CHECK_NAME, COLUMN_NAME, STATUS, SNAPSHOT_ID, ALERTED_AT];
        let field_ids = names.into_iter().map(id).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { run_time: id(RUN_TIME)?, table_name: id(TABLE_NAME)?, check_name: id(CHECK_NAME)?, field_ids })
    }
}

/// No bound: as if it were the newest of all.
fn newest_us(file: &LiveFile, columns: &Columns) -> i64 {
    file.data_file().upper_bounds().get(&columns.run_time).and_then(time_us).unwrap_or(i64::MAX)
}

/// Whether a column of strings may hold a text, by the file's bounds.
fn may_hold(file: &LiveFile, field_id: i32, text: &str) -> bool {
    let bound = |bound: Option<&Datum>| match bound.map(Datum::literal) {
        Some(PrimitiveLiteral::String(bound)) => Some(bound.clone()),
        _ => None,
    };
    let data = file.data_file();
    let (lower, upper) = (bound(data.lower_bounds().get(&field_id)), bound(data.upper_bounds().get(&field_id)));
    lower.is_none_or(|lower| lower.as_str() <= text) && upper.is_none_or(|upper| text <= upper.as_str())
}

/// Takes over the rows of a batch that are newer than what is known.
fn take(
    batch: &RecordBatch,
    checked: &str,
    names: &HashSet<String>,
    last: &mut HashMap<String, LastResult>,
) -> Result<(), String> {
    let text = |name: &str| strings(batch, name);
    let (tables, checks, columns, statuses) = (text(TABLE_NAME)?, text(CHECK_NAME)?, text(COLUMN_NAME)?, text(STATUS)?);
    let (runs, alerts) = (times_ms(batch, RUN_TIME)?, times_ms(batch, ALERTED_AT)?);
    let snapshots = batch.column_by_name(SNAPSHOT_ID).and_then(|column| column.as_primitive_opt::<Int64Type>());
    let snapshots = snapshots.ok_or_else(|| format!("expected longs in `{SNAPSHOT_ID}`"))?;
    for row in (0..batch.num_rows()).filter(|row| tables[*row] == Some(checked)) {
        let (Some(check), Some(run_ms)) = (checks[row], runs[row]) else { continue };
        let name = columns[row].map_or_else(|| check.to_owned(), |column| format!("{check}({column})"));
        let is_older = last.get(&name).is_some_and(|known| known.run_ms > run_ms);
        if is_older || !names.contains(&name) {
            continue;
        }
        let status = statuses[row].and_then(Status::of_name);
        let status = status.ok_or_else(|| format!("expected a status in `{STATUS}`, found {:?}", statuses[row]))?;
        let snapshot_id = snapshots.is_valid(row).then(|| snapshots.value(row));
        last.insert(name, LastResult { status, alerted_at_ms: alerts[row], snapshot_id, run_ms });
    }
    Ok(())
}

fn strings<'a>(batch: &'a RecordBatch, name: &str) -> Result<Vec<Option<&'a str>>, String> {
    let column = batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
    column.map(|column| column.iter().collect()).ok_or_else(|| format!("expected strings in `{name}`"))
}

fn times_ms(batch: &RecordBatch, name: &str) -> Result<Vec<Option<i64>>, String> {
    let column = batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
    let ms = |us: Option<i64>| us.map(|us| us.div_euclid(1000));
    column.map(|column| column.iter().map(ms).collect()).ok_or_else(|| format!("expected times in `{name}`"))
}
