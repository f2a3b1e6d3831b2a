//! A date or timestamp column, and what a file's manifest entry says of its values without a read of the file.

use iceberg::spec::{DataFile, PartitionSpec, Schema, StructType, Type};
use tributary_table::LiveFile;

use crate::time::{Span, TimePoint, TimeUnit};

/// A column whose values are points in time, at the top level or inside structs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeColumn {
    id: i32,
    name: String,
    unit: TimeUnit,
    /// Neither it nor a struct around it is ever NULL.
    is_required: bool,
}

/// No column to measure time by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeColumnError {
    /// No such column.
    #[error(
        "correct the column's name: expected one of the date and timestamp columns ({known}), found no column `{name}`"
    )]
    Unknown {
        /// The name asked for.
        name: String,
        /// The columns there are.
        known: String,
    },
    /// A column of another type.
    #[error(
        "name a date or timestamp column outside of lists and maps: expected one of {known}, found column `{name}` of type `{found}`"
    )]
    NoTime {
        /// The name asked for.
        name: String,
        /// The columns there are.
        known: String,
        /// Its type.
        found: String,
    },
}

impl TimeColumn {
    /// The column of this name: `event_time`, or `payload.event_time` for one inside a struct.
    ///
    /// # Errors
    /// [`TimeColumnError`] names the columns there are.
    pub fn of_schema(schema: &Schema, name: &str) -> Result<Self, TimeColumnError> {
        let mut columns = Self::all_of_schema(schema);
        if let Some(index) = columns.iter().position(|column| column.name == name) {
            return Ok(columns.swap_remove(index));
        }
        let known: Vec<String> = columns.iter().map(|column| format!("`{}`", column.name)).collect();
        let (name, known) = (name.to_owned(), if known.is_empty() { "none".to_owned() } else { known.join(", ") });
        match schema.field_by_name(&name) {
            Some(field) => Err(TimeColumnError::NoTime { name, known, found: type_name(&field.field_type) }),
            None => Err(TimeColumnError::Unknown { name, known }),
        }
    }

    /// Every date and timestamp column outside of lists and maps, in the schema's order.
    pub fn all_of_schema(schema: &Schema) -> Vec<Self> {
        let mut columns = Vec::new();
        collect(schema.as_struct(), "", true, &mut columns);
        columns
    }

    /// Its name, with dots between the names of nested columns.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The column's field id, which stays when it is renamed.
    pub fn field_id(&self) -> i32 {
        self.id
    }

    /// What a live file's manifest entry says of the column.
    pub fn times_of(&self, file: &LiveFile) -> FileTimes {
        FileTimes::of(self, file.data_file(), file.partition_spec(), file.schema())
    }

    /// The newest point in time no later than `now` at which some file is known to have a row; `None` where no file tells.
    ///
    /// Values of the future tell nothing: a record that claims the year 2300 must not make all others look old. Deletes are not
    /// seen, so that the row may have been deleted since.
    pub fn newest<'a>(&self, files: impl IntoIterator<Item = &'a LiveFile>, now: TimePoint) -> Option<TimePoint> {
        files.into_iter().filter_map(|file| self.times_of(file).newest(now)).max()
    }
}

fn collect(fields: &StructType, prefix: &str, all_required: bool, columns: &mut Vec<TimeColumn>) {
    for field in fields.fields() {
        let (name, is_required) = (format!("{prefix}{}", field.name), all_required && field.required);
        if let Type::Struct(inner) = field.field_type.as_ref() {
            collect(inner, &format!("{name}."), is_required, columns);
        } else if let Some(unit) = TimeUnit::of_type(&field.field_type) {
            columns.push(TimeColumn { id: field.id, name, unit, is_required });
        }
    }
}

/// The type, without what a nested one is made of.
fn type_name(of: &Type) -> String {
    match of {
        Type::Primitive(primitive) => primitive.to_string(),
        Type::Struct(_) => "struct".to_owned(),
        Type::List(_) => "list".to_owned(),
        Type::Map(_) => "map".to_owned(),
    }
}

/// What a manifest entry says of a file's values of a time column. Bounds of times are never truncated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileTimes {
    rows: u64,
    /// What the file's partition covers; then no value is NULL.
    partition: Option<Span>,
    lower: Option<Span>,
    upper: Option<Span>,
    nulls: Option<u64>,
}

impl FileTimes {
    pub(crate) fn of(column: &TimeColumn, file: &DataFile, spec: &PartitionSpec, schema: &Schema) -> Self {
        // A manifest that was written when the column had another type has its partition values in that type.
        let field = schema.field_by_id(column.id);
        let unit = field.and_then(|field| TimeUnit::of_type(&field.field_type)).unwrap_or(column.unit);
        let spans = spec.fields().iter().zip(file.partition().iter()).filter(|(field, _)| field.source_id == column.id);
        let partition =
            spans.filter_map(|(field, value)| Span::of_partition(value, field.transform, unit)).reduce(Span::overlap);
        let nulls = file.null_value_counts().get(&column.id).copied();
        Self {
            rows: file.record_count(),
            partition,
            lower: file.lower_bounds().get(&column.id).and_then(Span::of_bound),
            upper: file.upper_bounds().get(&column.id).and_then(Span::of_bound),
            nulls: nulls.or(column.is_required.then_some(0)),
        }
    }

    /// What the file's partition covers, if it is one of time.
    pub(crate) fn partition(&self) -> Option<Span> {
        self.partition
    }

    /// Whether some value may be NULL.
    pub(crate) fn may_hold_nulls(&self) -> bool {
        self.partition.is_none() && self.nulls != Some(0)
    }

    /// Whether nothing but NULL can be in it.
    pub(crate) fn holds_only_nulls(&self) -> bool {
        self.partition.is_none() && self.nulls.is_some_and(|nulls| nulls >= self.rows)
    }

    /// Whether it says when the file's values are, or that there are none.
    pub(crate) fn tells(&self) -> bool {
        self.rows == 0 || self.holds_only_nulls() || self.partition.or(self.upper).is_some()
    }

    /// Before when every value is that is not NULL; the tighter of bound and partition.
    pub(crate) fn ends_by(&self) -> Option<TimePoint> {
        let ends = [self.upper, self.partition].into_iter().flatten().map(|span| span.end);
        ends.min()
    }

    /// From when on every value is that is not NULL; the tighter of bound and partition.
    pub(crate) fn begins_at(&self) -> Option<TimePoint> {
        let starts = [self.lower, self.partition].into_iter().flatten().map(|span| span.start);
        starts.max()
    }

    /// The newest point no later than `now` at or after which the file is known to have a value.
    fn newest(&self, now: TimePoint) -> Option<TimePoint> {
        if self.rows == 0 {
            return None;
        }
        let known = [self.upper, self.lower, self.partition].into_iter().flatten().map(|span| span.start);
        known.filter(|start| *start <= now).max()
    }
}

#[cfg(test)]
mod tests {
    use iceberg::spec::{DataContentType, DataFileBuilder, DataFileFormat, Datum, Literal, Struct, Transform};
    use serde_json::json;

    use super::*;

    fn schema() -> Schema {
        let nested = |id: i32, name: &str, kind: &str, required: bool| json!({"id": id, "name": name, "required": required, "type": kind});
        let fields = json!([
            nested(1, "id", "long", true),
            nested(2, "at", "timestamptz", false),
            nested(3, "day", "date", true),
            {"id": 4, "name": "payload", "required": false, "type": {"type": "struct", "fields": [
                nested(5, "at", "timestamp", true), nested(6, "kind", "string", false)]}},
            {"id": 7, "name": "times", "required": false,
             "type": {"type": "list", "element-id": 8, "element": "timestamp", "element-required": false}},
            nested(9, "clock", "time", false),
        ]);
        serde_json::from_value(json!({"type": "struct", "schema-id": 0, "fields": fields})).unwrap()
    }

    fn column(name: &str) -> TimeColumn {
        TimeColumn::of_schema(&schema(), name).unwrap()
    }

    fn spec(fields: &[(i32, &str, Transform)]) -> PartitionSpec {
        let builder = PartitionSpec::builder(schema());
        let add = |builder: iceberg::spec::PartitionSpecBuilder, (id, name, transform): &(i32, &str, Transform)| {
            let source = schema().name_by_field_id(*id).unwrap().to_owned();
            builder.add_partition_field(source, *name, *transform).unwrap()
        };
        fields.iter().fold(builder, add).build().unwrap()
    }

    fn file(partition: Vec<Option<Literal>>) -> DataFileBuilder {
        let mut builder = DataFileBuilder::default();
        builder
            .content(DataContentType::Data)
            .file_path("file:///f.parquet".to_owned())
            .file_format(DataFileFormat::Parquet)
            .file_size_in_bytes(100)
            .record_count(10)
            .partition(Struct::from_iter(partition))
            .partition_spec_id(0);
        builder
    }

    fn with_bounds(id: i32, lower: Datum, upper: Datum) -> DataFile {
        file(Vec::new()).lower_bounds([(id, lower)].into()).upper_bounds([(id, upper)].into()).build().unwrap()
    }

    fn times(name: &str, file: &DataFile, spec: &PartitionSpec) -> FileTimes {
        FileTimes::of(&column(name), file, spec, &schema())
    }

    fn text(point: Option<TimePoint>) -> Option<String> {
        point.map(|point| point.to_string())
    }

    #[test]
    fn a_column_is_found_by_its_path_and_others_are_refused_with_those_there_are() {
        assert_eq!((column("at").field_id(), column("payload.at").field_id()), (2, 5));
        assert!(column("day").is_required && !column("payload.at").is_required);
        let error = |name: &str| TimeColumn::of_schema(&schema(), name).unwrap_err().to_string();
        assert_eq!(
            error("At"),
            "correct the column's name: expected one of the date and timestamp columns (`at`, `day`, `payload.at`), found no \
             column `At`"
        );
        for (name, found) in [("id", "long"), ("payload", "struct"), ("times.element", "timestamp"), ("clock", "time")]
        {
            assert!(error(name).ends_with(&format!("found column `{name}` of type `{found}`")), "{}", error(name));
        }
    }

    #[test]
    fn bounds_and_partition_tell_together_what_a_file_covers() {
        let by_day = spec(&[(2, "at_day", Transform::Day)]);
        let bounds = |file: &mut DataFileBuilder, lower: i64, upper: i64| {
            let (lower, upper) = (Datum::timestamptz_micros(lower), Datum::timestamptz_micros(upper));
            file.lower_bounds([(2, lower)].into()).upper_bounds([(2, upper)].into()).build().unwrap()
        };
        let inside = bounds(&mut file(vec![Some(Literal::date(0))]), 5_000_000, 7_000_000);
        let inside = times("at", &inside, &by_day);
        assert_eq!(text(inside.begins_at()).as_deref(), Some("1970-01-01T00:00:05Z"));
        assert_eq!(text(inside.ends_by()).as_deref(), Some("1970-01-01T00:00:07.000001Z"));
        let unbounded = times("at", &file(vec![Some(Literal::date(-1))]).build().unwrap(), &by_day);
        assert_eq!(text(unbounded.begins_at()).as_deref(), Some("1969-12-31T00:00:00Z"));
        assert_eq!(text(unbounded.ends_by()).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert!(!unbounded.may_hold_nulls(), "a row whose value is NULL has a NULL partition");
        let null = times("at", &file(vec![None]).build().unwrap(), &by_day);
        assert_eq!((null.ends_by(), null.may_hold_nulls()), (None, true));
    }

    #[test]
    fn a_partition_of_another_column_says_nothing() {
        let by_other = spec(&[(3, "day", Transform::Identity), (2, "bucket", Transform::Bucket(4))]);
        let file = file(vec![Some(Literal::date(0)), Some(Literal::int(1))]).build().unwrap();
        assert_eq!(times("at", &file, &by_other).partition(), None);
        assert!(times("day", &file, &by_other).partition().is_some());
    }

    #[test]
    fn missing_null_counts_are_unknown_but_for_a_required_column() {
        let file = file(Vec::new()).build().unwrap();
        let none = PartitionSpec::unpartition_spec();
        assert!(times("at", &file, &none).may_hold_nulls());
        assert!(!times("day", &file, &none).may_hold_nulls());
        assert!(times("payload.at", &file, &none).may_hold_nulls(), "its struct may be NULL");
        assert!(!times("at", &file, &none).holds_only_nulls(), "unknown");
    }

    #[test]
    fn a_value_of_the_future_is_not_the_newest() {
        let none = PartitionSpec::unpartition_spec();
        let now = TimePoint::of_ms(1_700_000_000_000);
        let newest = |lower: i64, upper: i64| {
            let file = with_bounds(2, Datum::timestamptz_micros(lower), Datum::timestamptz_micros(upper));
            text(times("at", &file, &none).newest(now))
        };
        assert_eq!(newest(0, 1_000_000).as_deref(), Some("1970-01-01T00:00:01Z"));
        assert_eq!(
            newest(1_000_000, 9_000_000_000_000_000).as_deref(),
            Some("1970-01-01T00:00:01Z"),
            "its lower bound"
        );
        assert_eq!(newest(8_000_000_000_000_000, 9_000_000_000_000_000), None);
        let empty = file(Vec::new()).record_count(0).upper_bounds([(3, Datum::date(1))].into()).build().unwrap();
        assert_eq!(times("day", &empty, &none).newest(now), None);
    }
}
