//! What `row_count`, `missing` and `invalid` count, and which files must be read for it. Pure.

use iceberg::spec::{DataFile, PrimitiveType, Schema};

use crate::facts::{Column, time_us};
use crate::files::nulls;
use crate::valid::{Decided, Valid};

/// A count over rows.
#[derive(Debug, Clone)]
pub(crate) struct Measure {
    /// The rows that count.
    pub(crate) scope: Scope,
    /// What is counted among them.
    pub(crate) of: Counted,
}

/// Rows that count.
#[derive(Debug, Clone)]
pub(crate) enum Scope {
    /// All.
    Whole,
    /// Those that came after a snapshot; after none: all.
    New {
        /// The snapshot.
        since: Option<i64>,
    },
    /// Those whose time lies in `start_us..end_us`, in microseconds since the epoch.
    Time { column: Column, start_us: i64, end_us: i64 },
}

/// What is counted.
#[derive(Debug, Clone)]
pub(crate) enum Counted {
    Rows,
    Missing(Column),
    Invalid(Column, Valid),
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Rows that count.
    pub(crate) rows: u64,
    /// Among them: missing, or invalid.
    pub(crate) hits: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.hits += other.hits;
    }
}

/// What a file's metadata tells of a measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// All.
    Known(Tally),
    /// Not enough: its rows must be read.
    Unknown,
}

impl Measure {
    /// The columns whose values it needs, by field id.
    pub(crate) fn field_ids(&self) -> Vec<i32> {
        let mut ids = Vec::new();
        if let Scope::Time { column, .. } = &self.scope {
            ids.push(column.field.id);
        }
        if let Counted::Missing(column) | Counted::Invalid(column, _) = &self.of {
            ids.push(column.field.id);
        }
        ids
    }

    /// What the metadata of a file in scope tells. `written_by` is the schema of the file's manifest.
    pub(crate) fn told(&self, file: &DataFile, written_by: &Schema) -> Told {
        match self.covers(file, written_by) {
            Covers::Nothing => Told::Known(Tally::default()),
            Covers::Part => Told::Unknown,
            Covers::Whole => self
                .hits(file, written_by)
                .map_or(Told::Unknown, |hits| Told::Known(Tally { rows: file.record_count(), hits })),
        }
    }

    fn covers(&self, file: &DataFile, written_by: &Schema) -> Covers {
        let Scope::Time { column, start_us, end_us } = &self.scope else { return Covers::Whole };
        let nulls = nulls(file, written_by, &column.field);
        // A row without a time is in no window of time.
        if nulls == Some(file.record_count()) {
            return Covers::Nothing;
        }
        let bound = |bound: Option<&_>| bound.and_then(time_us);
        let lower = bound(file.lower_bounds().get(&column.field.id));
        let upper = bound(file.upper_bounds().get(&column.field.id));
        if upper.is_some_and(|upper| upper < *start_us) || lower.is_some_and(|lower| lower >= *end_us) {
            return Covers::Nothing;
        }
        let within = lower.is_some_and(|lower| lower >= *start_us) && upper.is_some_and(|upper| upper < *end_us);
        if within && nulls == Some(0) { Covers::Whole } else { Covers::Part }
    }

    fn hits(&self, file: &DataFile, written_by: &Schema) -> Option<u64> {
        match &self.of {
            Counted::Rows => Some(0),
            Counted::Missing(column) => nulls(file, written_by, &column.field),
            Counted::Invalid(column, valid) => {
                let nulls = nulls(file, written_by, &column.field);
                if nulls == Some(file.record_count()) {
                    return Some(0);
                }
                let id = column.field.id;
                let decided =
                    valid.decide(file.lower_bounds().get(&id), file.upper_bounds().get(&id), has_no_nan(file, column));
                match decided {
                    Decided::AllValid => Some(0),
                    Decided::NoneValid => nulls.map(|nulls| file.record_count().saturating_sub(nulls)),
                    Decided::Open => None,
                }
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Covers {
    Nothing,
    Part,
    Whole,
}

/// Bounds say nothing of NaN.
fn has_no_nan(file: &DataFile, column: &Column) -> bool {
    match column.primitive {
        PrimitiveType::Float | PrimitiveType::Double => file.nan_value_counts().get(&column.field.id) == Some(&0),
        _ => true,
    }
}
