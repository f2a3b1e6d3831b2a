//! What a table's manifests say of its data files and of the deletes that apply to them: what planning looks at. Pure.

use std::collections::{BTreeMap, HashMap};

use iceberg::spec::{
    DataContentType, DataFileFormat, Datum, Literal, PartitionSpec, PrimitiveLiteral, PrimitiveType, Schema, Struct,
    StructType, TableMetadata, Transform, Type,
};
use tributary_table::LiveFile;

use super::plan::FileFacts;

/// Field id of a position delete's path (Iceberg spec, "Reserved Field IDs").
const DELETED_PATH_ID: i32 = 2_147_483_546;

/// The files of a table.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) live: Vec<LiveFile>,
    /// The data files that can be rewritten.
    pub(crate) facts: Vec<FileFacts>,
    /// For each place in `live`, the places of the delete files that may apply to it.
    deletes: Vec<Vec<usize>>,
    /// Data files that can't be rewritten: why, and how many.
    pub(crate) unserved: BTreeMap<String, u64>,
}

impl Survey {
    pub(crate) fn of(live: Vec<LiveFile>, metadata: &TableMetadata) -> Self {
        let by_partition = DeleteIndex::of(&live);
        let deletes: Vec<Vec<usize>> = live.iter().map(|file| by_partition.of_data(&live, file)).collect();
        let spec = metadata.default_partition_spec();
        let current = Current { spec, partition_type: spec.partition_type(metadata.current_schema()).ok() };
        let mut unserved = BTreeMap::new();
        let mut facts = Vec::new();
        for (index, file) in live.iter().enumerate().filter(|(_, file)| file.content() == DataContentType::Data) {
            let applied: Vec<&LiveFile> = deletes[index].iter().map(|place| &live[*place]).collect();
            match why_unserved(file, &applied) {
                Some(reason) => *unserved.entry(reason).or_default() += 1,
                None => facts.push(current.facts(index, file, &applied)),
            }
        }
        Self { live, facts, deletes, unserved }
    }

    /// The delete files that may apply to one of these data files, each once, by place.
    pub(crate) fn deletes_of(&self, files: &[usize]) -> Vec<&LiveFile> {
        let mut places: Vec<usize> = files.iter().flat_map(|file| &self.deletes[*file]).copied().collect();
        places.sort_unstable();
        places.dedup();
        places.into_iter().map(|place| &self.live[place]).collect()
    }
}

/// The field whose values say how new a partition is: the first that is a time. `None` if there is none.
pub(crate) fn time_field(spec: &PartitionSpec, schema: &Schema) -> Option<usize> {
    let is_time = |source_id: i32| {
        let field = schema.field_by_id(source_id);
        matches!(
            field.map(|field| field.field_type.as_ref()),
            Some(Type::Primitive(
                PrimitiveType::Date
                    | PrimitiveType::Timestamp
                    | PrimitiveType::Timestamptz
                    | PrimitiveType::TimestampNs
                    | PrimitiveType::TimestamptzNs
            ))
        )
    };
    spec.fields().iter().position(|field| match field.transform {
        Transform::Year | Transform::Month | Transform::Day | Transform::Hour => true,
        Transform::Identity => is_time(field.source_id),
        _ => false,
    })
}

fn why_unserved(file: &LiveFile, deletes: &[&LiveFile]) -> Option<String> {
    let format = |file: &LiveFile| file.data_file().file_format();
    if format(file) != DataFileFormat::Parquet {
        return Some(format!("rewrite data files of format {} by another engine: expected Parquet", format(file)));
    }
    let foreign = deletes.iter().find(|delete| format(delete) != DataFileFormat::Parquet)?;
    Some(format!(
        "rewrite data files with delete files of format {} (deletion vectors are Puffin) by another engine: expected Parquet",
        format(foreign)
    ))
}

/// The table's current partition spec.
struct Current<'a> {
    spec: &'a PartitionSpec,
    /// `None` if a column it needs is gone: then nothing can be written anyway.
    partition_type: Option<StructType>,
}

impl Current<'_> {
    fn facts(&self, index: usize, file: &LiveFile, deletes: &[&LiveFile]) -> FileFacts {
        let data = file.data_file();
        let is_current = file.partition_spec().spec_id() == self.spec.spec_id();
        let partition_type = self.partition_type.as_ref().filter(|_| is_current);
        let partition = partition_type.map_or_else(|| data.partition().clone(), |newer| file.partition_as(newer));
        let time = time_field(self.spec, file.schema()).filter(|_| is_current).and_then(|at| time_of(&partition, at));
        let alone = deletes.iter().filter(|delete| names_only(delete, file.path()));
        FileFacts {
            index,
            path: file.path().to_owned(),
            spec_id: file.partition_spec().spec_id(),
            partition,
            time,
            bytes: data.file_size_in_bytes(),
            rows: data.record_count(),
            sequence_number: file.sequence_number(),
            delete_files: deletes.len() as u64,
            deleted_rows: alone.map(|delete| delete.data_file().record_count()).sum(),
        }
    }
}

fn time_of(partition: &Struct, at: usize) -> Option<i64> {
    match partition.iter().nth(at)?? {
        Literal::Primitive(PrimitiveLiteral::Int(value)) => Some(i64::from(*value)),
        Literal::Primitive(PrimitiveLiteral::Long(value)) => Some(*value),
        _ => None,
    }
}

/// Whether a position delete file is known to name this data file alone: by its own word, or by the bounds of the paths in it.
fn names_only(delete: &LiveFile, path: &str) -> bool {
    let file = delete.data_file();
    let bound = |bounds: &HashMap<i32, Datum>| match bounds.get(&DELETED_PATH_ID).map(Datum::literal) {
        Some(PrimitiveLiteral::String(bound)) => bound == path,
        _ => false,
    };
    delete.content() == DataContentType::PositionDeletes
        && (file.referenced_data_file().is_some_and(|named| named == path)
            || bound(file.lower_bounds()) && bound(file.upper_bounds()))
}

/// Places of delete files by what they may apply to, so that a data file is held against few of them.
struct DeleteIndex {
    by_partition: HashMap<(i32, Struct), Vec<usize>>,
    global: Vec<usize>,
}

impl DeleteIndex {
    fn of(live: &[LiveFile]) -> Self {
        let (mut by_partition, mut global) = (HashMap::<_, Vec<usize>>::new(), Vec::new());
        for (place, file) in live.iter().enumerate().filter(|(_, file)| file.content() != DataContentType::Data) {
            match file.is_global() {
                true => global.push(place),
                false => by_partition.entry(partition_key(file)).or_default().push(place),
            }
        }
        Self { by_partition, global }
    }

    fn of_data(&self, live: &[LiveFile], data: &LiveFile) -> Vec<usize> {
        if data.content() != DataContentType::Data || self.by_partition.is_empty() && self.global.is_empty() {
            return Vec::new();
        }
        let near = self.by_partition.get(&partition_key(data)).into_iter().flatten();
        near.chain(&self.global).copied().filter(|place| live[*place].may_delete_from(data)).collect()
    }
}

/// Spec and partition, alike for values before and after a column was widened.
fn partition_key(file: &LiveFile) -> (i32, Struct) {
    let widest = |value: &Literal| match value {
        Literal::Primitive(PrimitiveLiteral::Int(value)) => Literal::long(*value),
        Literal::Primitive(PrimitiveLiteral::Float(value)) => Literal::double(f64::from(value.0)),
        other => other.clone(),
    };
    let values = file.data_file().partition().iter().map(|value| value.map(widest));
    (file.partition_spec().spec_id(), values.collect())
}
