//! From an Iceberg schema to the empty columns that its records fill.

use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::spec::{ListType, Literal, MapType, NestedFieldRef, PrimitiveLiteral, PrimitiveType, Schema, Type};

use crate::batch::BatchBuilder;
use crate::bits::{Bits, Validity};
use crate::column::{Column, DefaultValue, MapValues, Values, VarBytes};
use crate::decimal::PRECISION_MAX;
use crate::record::DEPTH_MAX;
use crate::structs::{Field, Fields};
use crate::temporal::Unit;

/// Widest `fixed(n)` served, in bytes. Every NULL of such a column takes the width, too: past this, `binary` is right.
pub const FIXED_WIDTH_BYTES_MAX: u64 = 1 << 20;

/// The compiled plan for one schema: share it between threads, clone it for nothing, compile it again when the table's
/// current schema id changes.
#[derive(Debug, Clone)]
pub struct Decoder {
    plan: Arc<Plan>,
}

#[derive(Debug)]
struct Plan {
    schema_id: i32,
    arrow_schema: SchemaRef,
    /// Columns without rows: each batch starts with a copy.
    fields: Fields,
}

impl Decoder {
    /// Compiles `schema`.
    ///
    /// # Errors
    /// [`SchemaError`] names the first column that no JSON record could fill: see "Schemas refused" in
    /// `docs/semantics.md`.
    pub fn try_new(schema: &Schema) -> Result<Self, SchemaError> {
        let columns = schema.as_struct().fields();
        if columns.is_empty() {
            let object = format!("schema {}", schema.schema_id());
            return Err(SchemaError { object, expected: "at least one column: add one".into(), found: "none".into() });
        }
        let fields = compile_fields(columns, &Place::top())?;
        // Types, field ids and nullability are iceberg's own: what its Parquet writers and readers agree on.
        let arrow_schema = schema_to_arrow_schema(schema).map_err(|error| SchemaError {
            object: format!("schema {}", schema.schema_id()),
            expected: "a schema that Arrow can carry".into(),
            found: error.to_string(),
        })?;
        Ok(Self {
            plan: Arc::new(Plan { schema_id: schema.schema_id(), arrow_schema: Arc::new(arrow_schema), fields }),
        })
    }

    /// The Arrow schema of every batch, as the `iceberg` crate derives it: field ids in the metadata.
    #[must_use]
    pub fn arrow_schema(&self) -> &SchemaRef {
        &self.plan.arrow_schema
    }

    /// Id of the Iceberg schema that was compiled.
    #[must_use]
    pub fn schema_id(&self) -> i32 {
        self.plan.schema_id
    }

    /// An empty batch with room for `rows_expected` rows (at most [`crate::ROWS_RESERVED_MAX`] are reserved ahead; the
    /// batch itself may take more).
    #[must_use]
    pub fn batch(&self, rows_expected: usize) -> BatchBuilder {
        BatchBuilder::new(Arc::clone(&self.plan.arrow_schema), self.plan.fields.clone(), rows_expected)
    }
}

/// A schema that records can't be decoded for: the whole table is concerned, no record is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{object}: expected {expected}, found {found}")]
pub struct SchemaError {
    /// "column `address.zip`" or "schema 3".
    object: String,
    expected: String,
    found: String,
}

/// Where in the schema the compiler stands.
struct Place {
    path: String,
    /// Objects and arrays around a value here.
    depth: usize,
}

impl Place {
    fn top() -> Self {
        Self { path: String::new(), depth: 1 }
    }

    /// A named field; those of lists and maps are `element`, `key` and `value`, as Iceberg names them.
    fn inside(&self, name: &str, levels: usize) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Self { path, depth: self.depth + levels }
    }

    fn refuse<T>(&self, expected: impl Into<String>, found: impl fmt::Display) -> Result<T, SchemaError> {
        Err(SchemaError {
            object: format!("column `{}`", self.path),
            expected: expected.into(),
            found: found.to_string(),
        })
    }
}

fn compile_fields(fields: &[NestedFieldRef], place: &Place) -> Result<Fields, SchemaError> {
    let compiled = fields.iter().map(|field| {
        let place = place.inside(&field.name, 0);
        let default = field
            .write_default
            .as_ref()
            .map(|literal| compile_default(literal, &field.field_type, &place))
            .transpose()?;
        Ok(Field { name: field.name.as_str().into(), default, column: compile_column(field, &place)? })
    });
    Fields::try_new(compiled.collect::<Result<_, _>>()?, place.depth)
        .or_else(|name| place.inside(&name, 0).refuse("one field of that name: rename one", "two"))
}

fn compile_column(field: &NestedFieldRef, place: &Place) -> Result<Column, SchemaError> {
    let (type_name, values) = match &*field.field_type {
        Type::Primitive(primitive) => (primitive.to_string().replace(", ", ","), compile_primitive(primitive, place)?),
        Type::Struct(fields) => {
            check_depth(place)?;
            if fields.fields().is_empty() {
                return place.refuse("a struct of at least one field, as Parquet requires: add one", "none");
            }
            let nested = Place { path: place.path.clone(), depth: place.depth + 1 };
            ("struct".to_owned(), Values::Struct(compile_fields(fields.fields(), &nested)?))
        }
        Type::List(list) => ("list".to_owned(), compile_list(list, place)?),
        Type::Map(map) => ("map".to_owned(), compile_map(map, place)?),
    };
    Ok(Column { type_name: type_name.into(), required: field.required, validity: Validity::default(), values })
}

fn compile_list(list: &ListType, place: &Place) -> Result<Values, SchemaError> {
    check_depth(place)?;
    let elements = compile_column(&list.element_field, &place.inside("element", 1))?;
    Ok(Values::List { offsets: vec![0], elements: Box::new(elements) })
}

fn compile_map(map: &MapType, place: &Place) -> Result<Values, SchemaError> {
    check_depth(place)?;
    let key_place = place.inside("key", 1);
    match &*map.key_field.field_type {
        Type::Primitive(PrimitiveType::Float | PrimitiveType::Double)
        | Type::Struct(_)
        | Type::List(_)
        | Type::Map(_) => {
            let expected = "a map key of a type with one exact text, such as string or long: JSON's keys are strings";
            return key_place.refuse(expected, &map.key_field.field_type);
        }
        Type::Primitive(_) => {}
    }
    Ok(Values::Map(Box::new(MapValues {
        offsets: vec![0],
        keys: compile_column(&map.key_field, &key_place)?,
        values: compile_column(&map.value_field, &place.inside("value", 1))?,
        key_text: String::new(),
    })))
}

/// A struct, list or map deeper than the JSON reader goes could never hold a value.
fn check_depth(place: &Place) -> Result<(), SchemaError> {
    if place.depth < DEPTH_MAX {
        Ok(())
    } else {
        place.refuse(format!("at most {DEPTH_MAX} levels of nesting"), "more")
    }
}

fn compile_primitive(primitive: &PrimitiveType, place: &Place) -> Result<Values, SchemaError> {
    Ok(match *primitive {
        PrimitiveType::Boolean => Values::Boolean(Bits::default()),
        PrimitiveType::Int => Values::Int(Vec::new()),
        PrimitiveType::Long => Values::Long(Vec::new()),
        PrimitiveType::Float => Values::Float(Vec::new()),
        PrimitiveType::Double => Values::Double(Vec::new()),
        PrimitiveType::Decimal { precision, scale } => {
            if !(1..=PRECISION_MAX).contains(&precision) || scale > precision {
                return place
                    .refuse(format!("a decimal of 1 to {PRECISION_MAX} digits, its scale no larger"), primitive);
            }
            Values::Decimal { unscaled: Vec::new(), precision, scale }
        }
        PrimitiveType::Date => Values::Date(Vec::new()),
        PrimitiveType::Time => Values::Time(Vec::new()),
        PrimitiveType::Timestamp => timestamp(Unit::Micros, false),
        PrimitiveType::Timestamptz => timestamp(Unit::Micros, true),
        PrimitiveType::TimestampNs => timestamp(Unit::Nanos, false),
        PrimitiveType::TimestamptzNs => timestamp(Unit::Nanos, true),
        PrimitiveType::String => Values::String(VarBytes::new()),
        PrimitiveType::Uuid => Values::Uuid(Vec::new()),
        PrimitiveType::Fixed(width_bytes) => match usize::try_from(width_bytes) {
            Ok(width) if (1..=FIXED_WIDTH_BYTES_MAX).contains(&width_bytes) => {
                Values::Fixed { bytes: Vec::new(), width }
            }
            _ => {
                return place.refuse(format!("fixed of 1 to {FIXED_WIDTH_BYTES_MAX} bytes: use binary"), primitive);
            }
        },
        PrimitiveType::Binary => Values::Binary(VarBytes::new()),
    })
}

fn timestamp(unit: Unit, zoned: bool) -> Values {
    Values::Timestamp { values: Vec::new(), unit, zoned }
}

/// Checks a `write-default` once, so that no record can meet one that does not fit its column.
fn compile_default(literal: &Literal, field_type: &Type, place: &Place) -> Result<DefaultValue, SchemaError> {
    let (Literal::Primitive(literal), Type::Primitive(primitive)) = (literal, field_type) else {
        return place.refuse("no write-default on a struct, list or map: drop it", "one");
    };
    Ok(match (literal, primitive) {
        (PrimitiveLiteral::Boolean(value), PrimitiveType::Boolean) => DefaultValue::Boolean(*value),
        (PrimitiveLiteral::Int(value), PrimitiveType::Int | PrimitiveType::Date) => DefaultValue::Int(*value),
        (PrimitiveLiteral::Long(value), _) if primitive.compatible(literal) => DefaultValue::Long(*value),
        (PrimitiveLiteral::Float(value), PrimitiveType::Float) => DefaultValue::Float(value.0),
        (PrimitiveLiteral::Double(value), PrimitiveType::Double) => DefaultValue::Double(value.0),
        (PrimitiveLiteral::Int128(value), PrimitiveType::Decimal { precision, .. })
            if value.unsigned_abs() < 10u128.pow((*precision).min(PRECISION_MAX)) =>
        {
            DefaultValue::Decimal(*value)
        }
        (PrimitiveLiteral::UInt128(value), PrimitiveType::Uuid) => DefaultValue::Uuid(value.to_be_bytes()),
        (PrimitiveLiteral::String(value), PrimitiveType::String) => DefaultValue::Bytes(value.as_bytes().into()),
        (PrimitiveLiteral::Binary(value), PrimitiveType::Binary) => DefaultValue::Bytes(value.as_slice().into()),
        (PrimitiveLiteral::Binary(value), PrimitiveType::Fixed(width)) if value.len() as u64 == *width => {
            DefaultValue::Bytes(value.as_slice().into())
        }
        _ => {
            return place.refuse(format!("a write-default that is a value of {primitive}"), "another");
        }
    })
}
