//! Counting what is really in the table, by reading all of it.

use std::collections::HashSet;

use arrow::array::{Array, Int64Array};
use iceberg::TableIdent;
use tributary_table::TableState;

use super::feed::NEW_FIELD;
use crate::scan::{Scan, ScanError};

/// What a full scan finds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Census {
    pub(super) rows: u64,
    /// Different ids; fewer than rows would mean duplicates.
    pub(super) ids: u64,
    /// Rows with a value in the new column; 0 where the table has no such column.
    pub(super) filled: u64,
}

impl Census {
    pub(super) async fn of(ident: &TableIdent, state: &TableState) -> Result<Self, ScanError> {
        let mut ids = HashSet::new();
        let mut census = Self::default();
        for batch in Scan::new(ident, state).columns(&["id", NEW_FIELD]).await? {
            census.rows += batch.num_rows() as u64;
            if let Some(values) =
                batch.column_by_name("id").and_then(|column| column.as_any().downcast_ref::<Int64Array>())
            {
                ids.extend(values.iter().flatten());
            }
            if let Some(values) = batch.column_by_name(NEW_FIELD) {
                census.filled += (values.len() - values.null_count()) as u64;
            }
        }
        census.ids = ids.len() as u64;
        Ok(census)
    }
}
