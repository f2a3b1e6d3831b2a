//! A table's metadata as tables of text.

use std::io;

use iceberg::spec::{NestedField, PartitionField, SnapshotRef, TableMetadata};
use tributary_table::{CHECKPOINT_PROPERTY, Checkpoint, TableState, lineage_of_snapshot};

use crate::ddl::type_text;
use crate::render::{Grid, Out, time_text};

/// Summary entries as the Iceberg specification names them ("Snapshot summary", optional fields).
const ADDED_RECORDS: &str = "added-records";
const TOTAL_RECORDS: &str = "total-records";

/// Everything about the table but its rows.
pub(super) fn show(name: &str, state: &TableState, snapshots_max: usize, out: &mut Out<'_>) -> io::Result<()> {
    let metadata = state.metadata();
    out.line(format!("table     {name} ({}, uuid {})", metadata.format_version(), metadata.uuid()))?;
    out.line(format!("location  {}", metadata.location()))?;
    out.line(format!("metadata  {}", state.metadata_location()))?;
    definition(state, out)?;
    let count = metadata.snapshots().len();
    let shown = snapshots_max.min(count);
    out.grid(&format!("Snapshots ({shown} of {count})"), &snapshots_grid(metadata, snapshots_max))?;
    let anchor = state.checkpoint().anchor.map(|anchor| format!(" (committed with snapshot {})", anchor.snapshot_id));
    if let Some(fault) = state.checkpoint_fault() {
        out.line(format!("The checkpoint below does not hold: {fault}"))?;
    }
    out.grid(&format!("Checkpoint{}", anchor.unwrap_or_default()), &checkpoint_grid(state.checkpoint()))
}

/// What the table was made with.
pub(super) fn definition(state: &TableState, out: &mut Out<'_>) -> io::Result<()> {
    let metadata = state.metadata();
    out.grid("Columns", &columns_grid(state))?;
    out.grid("Partitioned by", &partition_grid(metadata))?;
    out.grid("Properties", &properties_grid(metadata))
}

fn columns_grid(state: &TableState) -> Grid {
    let mut grid = Grid::new(&["field id#", "column", "type", "required", "comment"]);
    let identifiers: Vec<i32> = state.schema().identifier_field_ids().collect();
    for column in state.schema().as_struct().fields() {
        let column: &NestedField = column;
        let required = match (column.required, identifiers.contains(&column.id)) {
            (_, true) => "yes, identifier",
            (true, false) => "yes",
            (false, false) => "",
        };
        let (id, text) = (column.id.to_string(), type_text(&column.field_type));
        grid.push(&[&id, &column.name, &text, required, column.doc.as_deref().unwrap_or_default()]);
    }
    grid
}

fn partition_grid(metadata: &TableMetadata) -> Grid {
    let mut grid = Grid::new(&["partition field", "transform", "of column"]);
    for field in metadata.default_partition_spec().fields() {
        let field: &PartitionField = field;
        let source = metadata.current_schema().name_by_field_id(field.source_id).unwrap_or("(a dropped column)");
        grid.push(&[&field.name, &field.transform.to_string(), source]);
    }
    grid
}

/// All but the checkpoint, which has a table of its own.
fn properties_grid(metadata: &TableMetadata) -> Grid {
    let mut properties: Vec<(&String, &String)> =
        metadata.properties().iter().filter(|(key, _)| *key != CHECKPOINT_PROPERTY).collect();
    properties.sort_unstable();
    let mut grid = Grid::new(&["property", "value"]);
    for (key, value) in properties {
        grid.push(&[key, value]);
    }
    grid
}

/// Snapshots, newest first, each with the offsets it added.
pub(crate) fn snapshots_grid(metadata: &TableMetadata, snapshots_max: usize) -> Grid {
    let mut snapshots: Vec<&SnapshotRef> = metadata.snapshots().collect();
    snapshots.sort_by_key(|snapshot| std::cmp::Reverse((snapshot.sequence_number(), snapshot.timestamp_ms())));
    let header = ["sequence#", "snapshot", "time (UTC)", "operation", "rows added#", "rows in all#", "offsets"];
    let mut grid = Grid::new(&header);
    for snapshot in snapshots.into_iter().take(snapshots_max) {
        let summary = snapshot.summary();
        let entry = |name: &str| summary.additional_properties.get(name).cloned().unwrap_or_default();
        let head = metadata.current_snapshot_id() == Some(snapshot.snapshot_id());
        grid.push(&[
            snapshot.sequence_number().to_string(),
            format!("{}{}", snapshot.snapshot_id(), if head { " (current)" } else { "" }),
            time_text(snapshot.timestamp_ms()),
            summary.operation.as_str().to_owned(),
            entry(ADDED_RECORDS),
            entry(TOTAL_RECORDS),
            lineage_text(snapshot),
        ]);
    }
    grid
}

/// `events 0: 3-17, 1: 0-9`; nothing for a snapshot that is not ours.
fn lineage_text(snapshot: &SnapshotRef) -> String {
    let lineage = match lineage_of_snapshot(snapshot) {
        Ok(lineage) => lineage,
        Err(reason) => return format!("unreadable: {reason}"),
    };
    let mut text = String::new();
    let mut topic = None;
    for (at, range) in &lineage {
        let separator = if topic.is_some() { ", " } else { "" };
        text.push_str(separator);
        if topic != Some(&at.source) {
            text.push_str(&at.source.topic);
            text.push(' ');
        }
        text.push_str(&format!("{}: {range}", at.partition));
        topic = Some(&at.source);
    }
    text
}

/// Where each partition's next record is expected.
pub(crate) fn checkpoint_grid(checkpoint: &Checkpoint) -> Grid {
    let header = ["topic", "partition#", "next offset#", "newest record (UTC)", "cluster"];
    let mut grid = Grid::new(&header);
    for (at, progress) in checkpoint.iter() {
        let newest = progress.timestamp_ms_max;
        grid.push(&[
            at.source.topic.clone(),
            at.partition.to_string(),
            progress.next_offset.to_string(),
            if newest < 0 { "(no timestamp)".to_owned() } else { time_text(newest) },
            at.source.cluster.clone(),
        ]);
    }
    grid
}
