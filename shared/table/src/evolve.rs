//! Changes of a table that are no rows: add and drop a column, set the checkpoint by hand.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use iceberg::spec::{ListType, MapType, NestedField, NestedFieldRef, Schema, StructType, TableMetadataBuilder, Type};
use tokio::time::Instant;
use tributary_kafka::SourcePartition;

use crate::catalog::display;
use crate::checkpoint::{Anchor, CHECKPOINT_PROPERTY, PartitionProgress};
use crate::error::{Blame, TableError};
use crate::lineage::HistoryError;
use crate::state::{CheckpointFault, TableState};
use crate::table::Table;

impl Table {
    /// Adds an optional column at the end; old rows read NULL there.
    pub async fn add_column(&self, name: &str, field_type: &Type, deadline: Instant) -> Result<TableState, TableError> {
        self.update(deadline, |state, builder| {
            let schema = state.schema();
            if schema.field_by_name(name).is_some() {
                return Err(self.column_error("choose another name", "no column of that name", name));
            }
            // Ids come after every id the table ever used, so that a dropped column's data can't come back under a new name.
            let mut ids = state.metadata().last_column_id().saturating_add(1)..=i32::MAX - 1;
            let Some(id) = ids.next() else {
                return Err(self.column_error("make a new table", "a field id below 2^31", name));
            };
            let field_type = with_fresh_ids(field_type, &mut ids);
            let field: NestedFieldRef = Arc::new(NestedField::optional(id, name, field_type));
            let fields = schema.as_struct().fields().iter().cloned().chain([field]).collect();
            self.with_schema(builder, schema, fields)
        })
        .await
        .map(|updated| updated.state)
    }

    /// Drops a top-level column; its data stays in old files, unread.
    pub async fn drop_column(&self, name: &str, deadline: Instant) -> Result<TableState, TableError> {
        self.update(deadline, |state, builder| {
            let schema = state.schema();
            let Some(field) = schema.as_struct().field_by_name(name) else {
                return Err(self.column_error("correct the name", "a top-level column of that name", name));
            };
            let partitioned =
                state.metadata().default_partition_spec().fields().iter().any(|part| part.source_id == field.id);
            if partitioned || schema.identifier_field_ids().any(|id| id == field.id) {
                return Err(self.column_error(
                    "change the partition spec or the identifier fields first",
                    "a column nothing depends on",
                    name,
                ));
            }
            let id = field.id;
            let fields = schema.as_struct().fields().iter().filter(|kept| kept.id != id).cloned().collect();
            self.with_schema(builder, schema, fields)
        })
        .await
        .map(|updated| updated.state)
    }

    /// Sets (or with `None` forgets) one partition's progress: how an operator starts a new epoch or mends a checkpoint.
    ///
    /// With `progress: None` the next record of the partition is taken as new, whatever its offset. Where the checkpoint has
    /// a [`TableState::checkpoint_fault`], setting one partition declares all others to be as stored; `keep_others` says so.
    pub async fn set_checkpoint(
        &self,
        partition: &SourcePartition,
        progress: Option<PartitionProgress>,
        keep_others: bool,
        deadline: Instant,
    ) -> Result<TableState, TableError> {
        let blame = Blame(self.ident());
        self.update(deadline, |state, builder| {
            match state.checkpoint_fault() {
                None => {}
                Some(CheckpointFault::History(_)) if keep_others => {}
                Some(CheckpointFault::History(error)) => return Err(self.undecided(error)),
                // Nothing of it can be read, so no other partition could be kept.
                Some(CheckpointFault::Format(_)) => {
                    state.sound_checkpoint(self.ident())?;
                }
            }
            let mut checkpoint = state.checkpoint().clone();
            match progress {
                Some(progress) => checkpoint.set(partition.clone(), progress),
                None => drop(checkpoint.forget(partition)),
            }
            checkpoint.anchor = state
                .metadata()
                .current_snapshot()
                .map(|head| Anchor { snapshot_id: head.snapshot_id(), sequence_number: head.sequence_number() });
            let property = HashMap::from([(CHECKPOINT_PROPERTY.to_owned(), checkpoint.to_property())]);
            builder.set_properties(property).map_err(blame.metadata("set the checkpoint"))
        })
        .await
        .map(|updated| updated.state)
    }

    fn undecided(&self, error: &HistoryError) -> TableError {
        TableError::Unsupported {
            remedy: "compare every partition with the table's rows, then set one with `--keep-others`, which takes the others as stored",
            table: display(self.ident()),
            expected: "a checkpoint that holds, so that one partition can be set alone",
            found: format!("one to be decided upon as a whole ({error})"),
        }
    }

    fn with_schema(
        &self,
        builder: TableMetadataBuilder,
        old: &Schema,
        fields: Vec<NestedFieldRef>,
    ) -> Result<TableMetadataBuilder, TableError> {
        let blame = Blame(self.ident());
        let schema =
            Schema::builder().with_fields(fields).with_identifier_field_ids(old.identifier_field_ids()).build();
        let schema = schema.map_err(blame.metadata("build the schema"))?;
        builder.add_current_schema(schema).map_err(blame.metadata("set the schema"))
    }

    fn column_error(&self, remedy: &'static str, expected: &'static str, name: &str) -> TableError {
        TableError::Unsupported { remedy, table: display(self.ident()), expected, found: format!("`{name}`") }
    }
}

/// The same type with every nested field's id taken from `ids`.
fn with_fresh_ids(field_type: &Type, ids: &mut RangeInclusive<i32>) -> Type {
    let mut renewed = |field: &NestedFieldRef| -> NestedFieldRef {
        let mut field = NestedField::clone(field);
        field.id = ids.next().unwrap_or(i32::MAX);
        *field.field_type = with_fresh_ids(&field.field_type, ids);
        Arc::new(field)
    };
    match field_type {
        Type::Primitive(primitive) => Type::Primitive(primitive.clone()),
        Type::Struct(fields) => Type::Struct(StructType::new(fields.fields().iter().map(renewed).collect())),
        Type::List(list) => Type::List(ListType::new(renewed(&list.element_field))),
        Type::Map(map) => Type::Map(MapType::new(renewed(&map.key_field), renewed(&map.value_field))),
    }
}
