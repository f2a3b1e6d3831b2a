//! The counts of `row_count`, `missing` and `invalid`: by metadata where it tells, else by reading.

use std::cmp::Reverse;
use std::collections::HashMap;

use arrow_array::RecordBatch;
use futures::StreamExt;
use tokio::time::{Instant, timeout_at};
use tributary_table::{LiveFile, TableState};

use crate::check::{CheckRequest, CheckRun};
use crate::facts::Column;
use crate::files::Files;
use crate::judge::Count;
use crate::measure::{Counted, Measure, Scope, Tally, Told};
use crate::new_files::{NewFiles, new_files};
use crate::read::read_columns;
use crate::results_table::Memory;
use crate::rules::{Check, CheckKind, Window};
use crate::tally::tally;
use crate::valid::Valid;

/// Files read at the same time: enough to hide S3's latency, few enough for a small function's memory.
const READS_AT_ONCE_MAX: usize = 4;

/// A check's count, or why there is none: the message of its result.
type Counting = Result<Count, String>;

/// A file that must be read, and the checks (by their place) whose measures need it.
struct ToRead<'a> {
    file: LiveFile,
    /// Whether it is live no more, and so may be gone.
    may_be_gone: bool,
    measures: Vec<(usize, &'a Measure)>,
}

/// The counts of the checks that count, one entry a check.
pub(crate) async fn counts_of(
    request: &CheckRequest<'_>,
    checks: &[&Check],
    files: &Result<Files, String>,
    run: &mut CheckRun,
) -> Vec<Option<Counting>> {
    let measures: Vec<Option<Result<Measure, String>>> =
        checks.iter().map(|check| measure_of(check, request)).collect();
    let files = match files {
        Ok(files) => files,
        Err(message) => return measures.iter().map(|one| one.as_ref().map(|_| Err(message.clone()))).collect(),
    };
    let came = came_since(request, &measures, files).await;
    let mut to_read: HashMap<String, ToRead<'_>> = HashMap::new();
    let told = measures.iter().enumerate().map(|(index, measure)| {
        let measure = measure.as_ref()?.as_ref().map_err(Clone::clone);
        Some(measure.and_then(|measure| count_told(index, measure, files, &came, &mut to_read)))
    });
    let mut counts: Vec<Option<Counting>> = told.collect();
    read_all(request, to_read.into_values().collect(), &mut counts, run).await;
    counts
}

/// What a check counts; `None` if it counts nothing.
fn measure_of(check: &Check, request: &CheckRequest<'_>) -> Option<Result<Measure, String>> {
    let schema = request.state.schema();
    let of = match check {
        Check::RowCount { .. } => Ok(Counted::Rows),
        Check::Missing { column, .. } => Column::find(schema, column).map(Counted::Missing),
        Check::Invalid { column, valid, .. } => Column::find(schema, column)
            .and_then(|column| Valid::of(valid, &column).map(|valid| Counted::Invalid(column, valid))),
        Check::Freshness { .. } | Check::Heartbeat { .. } | Check::Schema { .. } => return None,
    };
    Some(of.and_then(|of| Ok(Measure { scope: scope_of(check, request)?, of })))
}

fn scope_of(check: &Check, request: &CheckRequest<'_>) -> Result<Scope, String> {
    let since = || match request.memory {
        Memory::None => Ok(Scope::Whole),
        Memory::Unknown { reason } => Err(format!("expected to know what was checked last, found: {reason}")),
        Memory::Known(_) => Ok(Scope::New { since: request.memory.last(check).and_then(|last| last.snapshot_id) }),
    };
    match &request.rules.window {
        Window::Unset if check.kind() == CheckKind::Invalid => since(),
        Window::Unset => Ok(Scope::Whole),
        Window::SinceLastCheck => since(),
        Window::Last { column, last } => {
            let column = Column::find_time(request.state.schema(), column)?;
            let us = |ms: i64| ms.saturating_mul(1000);
            Ok(Scope::Time { column, start_us: us(last.before(request.now_ms)), end_us: us(request.now_ms) })
        }
    }
}

/// The files that came since each snapshot that a measure begins after.
async fn came_since(
    request: &CheckRequest<'_>,
    measures: &[Option<Result<Measure, String>>],
    files: &Files,
) -> HashMap<i64, Result<NewFiles, String>> {
    let mut came = HashMap::new();
    for measure in measures.iter().flatten().flatten() {
        if let Scope::New { since: Some(last) } = measure.scope
            && !came.contains_key(&last)
        {
            let new = new_files(request.table, request.state, &files.data, last).await;
            came.insert(last, new.map_err(|error| error.to_string()));
        }
    }
    came
}

/// What metadata tells of one measure; files of which it does not tell enough go to `to_read`.
fn count_told<'a>(
    index: usize,
    measure: &'a Measure,
    files: &Files,
    came: &HashMap<i64, Result<NewFiles, String>>,
    to_read: &mut HashMap<String, ToRead<'a>>,
) -> Counting {
    let mut count = Count::default();
    let new = match measure.scope {
        Scope::New { since: Some(last) } => came.get(&last),
        _ => None,
    };
    let scope = match new {
        None => &files.data,
        Some(new) => {
            let new = new.as_ref().map_err(Clone::clone)?;
            count.is_incomplete = !new.is_complete;
            &new.files
        }
    };
    let may_be_gone = |file: &LiveFile| matches!(new, Some(Ok(new)) if new.rewritten.contains(file.path()));
    for file in scope {
        match measure.told(file.data_file(), file.schema()) {
            Told::Known(tally) => {
                count.may_be_deleted |= tally != Tally::default() && files.may_have_deletes(file);
                count.tally.add(tally);
            }
            Told::Unknown => {
                count.may_be_deleted |= files.may_have_deletes(file);
                let entry = to_read.entry(file.path().to_owned());
                let entry = entry.or_insert_with(|| ToRead {
                    file: file.clone(),
                    may_be_gone: may_be_gone(file),
                    measures: Vec::new(),
                });
                entry.measures.push((index, measure));
            }
        }
    }
    Ok(count)
}

/// Reads what must be read, as far as files and time go, and adds it to the counts.
async fn read_all(
    request: &CheckRequest<'_>,
    mut to_read: Vec<ToRead<'_>>,
    counts: &mut [Option<Counting>],
    run: &mut CheckRun,
) {
    // The newest first: if not all can be read, these tell most.
    to_read.sort_by_key(|read| (Reverse(read.file.sequence_number()), read.file.path().to_owned()));
    let mut unread = to_read.split_off(to_read.len().min(request.files_max));
    // Made before they are polled: a closure in the stream's type would keep this future from being `Send`.
    let reads: Vec<_> = to_read.into_iter().map(|read| read_in_time(request, read)).collect();
    let mut reads = futures::stream::iter(reads).buffer_unordered(READS_AT_ONCE_MAX);
    while let Some((read, done)) = reads.next().await {
        let done = match done {
            Some(Err(_)) if read.may_be_gone => None,
            done => done,
        };
        let Some(done) = done else {
            unread.push(read);
            continue;
        };
        run.files_read += 1;
        run.rows_read += read.file.data_file().record_count();
        for (place, (index, _)) in read.measures.iter().enumerate() {
            let Some(count) = counts[*index].as_mut() else { continue };
            match (&done, &mut *count) {
                (Ok(tallies), Ok(count)) => count.tally.add(tallies[place]),
                (Err(message), Ok(_)) => *count = Err(message.clone()),
                (_, Err(_)) => {}
            }
        }
    }
    run.files_unread = unread.len() as u64;
    for (index, _) in unread.iter().flat_map(|read| &read.measures) {
        if let Some(Ok(count)) = counts[*index].as_mut() {
            count.unread += 1;
        }
    }
}

/// Reads one file, unless it is late.
async fn read_in_time<'a>(
    request: &CheckRequest<'_>,
    read: ToRead<'a>,
) -> (ToRead<'a>, Option<Result<Vec<Tally>, String>>) {
    let done = match Instant::now() < request.stop_at {
        true => timeout_at(request.stop_at, Box::pin(read_one(request.state, &read))).await.ok(),
        false => None,
    };
    (read, done)
}

/// The tallies of one file, one a measure.
async fn read_one(state: &TableState, read: &ToRead<'_>) -> Result<Vec<Tally>, String> {
    let mut field_ids: Vec<i32> = read.measures.iter().flat_map(|(_, measure)| measure.field_ids()).collect();
    field_ids.sort_unstable();
    field_ids.dedup();
    let mut tallies = vec![Tally::default(); read.measures.len()];
    let take = |batch: &RecordBatch| {
        for (tallied, (_, measure)) in tallies.iter_mut().zip(&read.measures) {
            tallied.add(tally(measure, batch)?);
        }
        Ok(())
    };
    let done = read_columns(state, &read.file, &field_ids, take).await;
    done.map_err(|error| format!("expected to read data file `{}`, found: {error}", read.file.path()))?;
    Ok(tallies)
}
