//! Compaction as the tests run it: by a handle of its own, as another function instance has.

use serde_json::Value;
use tributary_maintenance::compaction::{CompactionError, CompactionReport, CompactionRequest, compact};
use tributary_runtime::NoProgress;
use tributary_table::Table;

use crate::{NOW_MS, far};

/// Compacts a table by these options, with time enough.
///
/// # Errors
/// As [`compact`].
pub async fn compact_with(table: &Table, options: Value) -> Result<CompactionReport, CompactionError> {
    let options = serde_json::from_value(options).unwrap();
    let (now_ms, deadline, progress) = (NOW_MS, far(), &NoProgress);
    compact(CompactionRequest { table, options: &options, now_ms, deadline, progress }).await
}
