//! The files of the head, and which of them deletes may apply to.

use iceberg::spec::{DataContentType, DataFile, NestedField, Schema};
use tributary_table::LiveFile;

/// The live files by what they hold.
#[derive(Debug, Default)]
pub(crate) struct Files {
    pub(crate) data: Vec<LiveFile>,
    deletes: Vec<LiveFile>,
}

impl Files {
    pub(crate) fn of(live: Vec<LiveFile>) -> Self {
        let (data, deletes) = live.into_iter().partition(|file| file.content() == DataContentType::Data);
        Self { data, deletes }
    }

    /// Whether some of the file's rows may be deleted: what its metadata says is then a bound.
    pub(crate) fn may_have_deletes(&self, file: &LiveFile) -> bool {
        self.deletes.iter().any(|delete| delete.may_delete_from(file))
    }
}

/// How many rows of a file have no value in a column, where its metadata tells. `written_by` is the schema of its manifest.
pub(crate) fn nulls(file: &DataFile, written_by: &Schema, field: &NestedField) -> Option<u64> {
    let known = file.null_value_counts().get(&field.id).copied();
    match known {
        Some(nulls) => Some(nulls),
        // By the spec, rows written before the column came have its initial default, which is NULL unless said otherwise.
        None if is_absent(file, written_by, field) => field.initial_default.is_none().then(|| file.record_count()),
        None => field.required.then_some(0),
    }
}

/// Whether a file was written before the column came.
pub(crate) fn is_absent(file: &DataFile, written_by: &Schema, field: &NestedField) -> bool {
    let counted = file.value_counts().contains_key(&field.id) || file.upper_bounds().contains_key(&field.id);
    written_by.field_by_id(field.id).is_none() && !counted
}
