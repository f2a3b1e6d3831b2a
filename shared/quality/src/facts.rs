//! What a table's metadata tells: its columns, its history, times in one unit.

use iceberg::spec::{
    Datum, NestedFieldRef, Operation, PrimitiveLiteral, PrimitiveType, Schema, SnapshotRef, TableMetadata, Type,
};
use tributary_table::LINEAGE_PROPERTY;

/// A column that checks can be about.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) field: NestedFieldRef,
    pub(crate) primitive: PrimitiveType,
}

impl Column {
    /// The top-level column of this name, as the table has it now.
    ///
    /// The error is the message of a result: a column that went is something to tell, not a reason to judge nothing else.
    pub(crate) fn find(schema: &Schema, name: &str) -> Result<Self, String> {
        let field = schema.as_struct().fields().iter().find(|field| field.name == name);
        let Some(field) = field else {
            return Err(format!(
                "expected column `{name}` in the table's schema, found no top-level column of that name"
            ));
        };
        match field.field_type.as_ref() {
            Type::Primitive(primitive) => Ok(Self { field: field.clone(), primitive: primitive.clone() }),
            other => Err(format!("expected column `{name}` to be of a primitive type, found {other}")),
        }
    }

    /// The same, of times or dates.
    pub(crate) fn find_time(schema: &Schema, name: &str) -> Result<Self, String> {
        let column = Self::find(schema, name)?;
        match column.primitive {
            PrimitiveType::Timestamp
            | PrimitiveType::Timestamptz
            | PrimitiveType::TimestampNs
            | PrimitiveType::TimestamptzNs
            | PrimitiveType::Date => Ok(column),
            other => Err(format!("expected column `{name}` to be a timestamp or a date, found {other}")),
        }
    }
}

/// How far ahead of us another's clock may be. A time beyond that tells nothing of the stream: it would look fresh for as long
/// as it lies ahead.
pub(crate) const AHEAD_MS_MAX: i64 = 5 * 60_000;

/// Microseconds of a day.
pub(crate) const DAY_US: i64 = 86_400_000_000;

/// A time or the beginning of a date, in microseconds since the epoch; times without a zone are taken for UTC.
pub(crate) fn time_us(datum: &Datum) -> Option<i64> {
    match (datum.data_type(), datum.literal()) {
        (PrimitiveType::Timestamp | PrimitiveType::Timestamptz, PrimitiveLiteral::Long(us)) => Some(*us),
        (PrimitiveType::TimestampNs | PrimitiveType::TimestamptzNs, PrimitiveLiteral::Long(ns)) => {
            Some(ns.div_euclid(1000))
        }
        (PrimitiveType::Date, PrimitiveLiteral::Int(days)) => Some(i64::from(*days).saturating_mul(DAY_US)),
        _ => None,
    }
}

/// The head and those before it, as far as they are known, newest first.
pub(crate) fn history(metadata: &TableMetadata) -> impl Iterator<Item = &SnapshotRef> {
    let parent = |snapshot: &&SnapshotRef| snapshot.parent_snapshot_id().and_then(|id| metadata.snapshot_by_id(id));
    // A history has no circle; a bound all the same, since the metadata is others' work too.
    std::iter::successors(metadata.current_snapshot(), parent).take(metadata.snapshots().len())
}

/// Whether a snapshot brought rows. A rewrite brings none: it must not hide that the stream has stopped.
///
/// An ingest commit says so by its lineage, any writer's by `added-records` (Iceberg spec, Appendix F; it may be left out when 0).
pub(crate) fn brought_rows(snapshot: &SnapshotRef) -> bool {
    let summary = snapshot.summary();
    let added = summary.additional_properties.get("added-records").and_then(|text| text.parse::<u64>().ok());
    let has_lineage = summary.additional_properties.contains_key(LINEAGE_PROPERTY);
    matches!(summary.operation, Operation::Append | Operation::Overwrite)
        && (has_lineage || added.is_some_and(|rows| rows > 0))
}

/// Milliseconds as seconds.
pub(crate) fn seconds(ms: i64) -> f64 {
    // Exact up to 285,000 years.
    ms as f64 / 1000.0
}
