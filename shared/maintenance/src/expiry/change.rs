//! The metadata change of an expiry; pure.

use std::collections::BTreeSet;

use iceberg::Result;
use iceberg::spec::{TableMetadata, TableMetadataBuilder};

use super::gather::{Gathered, statistics};
use super::plan::ExpiryPlan;

/// What is removed from one base.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) snapshots: Vec<i64>,
    pub(super) refs: Vec<String>,
    pub(super) schemas: Vec<i32>,
    pub(super) specs: Vec<i32>,
}

impl Change {
    /// What a plan for a base removes, of what was gathered by an earlier plan: a snapshot whose files were not gathered would
    /// leave them behind.
    pub(super) fn of(plan: &ExpiryPlan, gathered_by: &ExpiryPlan) -> Self {
        let snapshots = plan.expired.intersection(&gathered_by.expired).copied().collect();
        Self { snapshots, refs: plan.removed_refs.clone(), ..Self::default() }
    }

    /// Adds the schemas and specs that nothing left uses.
    pub(super) fn with_unused_metadata(self, base: &TableMetadata, gathered: &Gathered) -> Self {
        let goes: BTreeSet<i64> = self.snapshots.iter().copied().collect();
        let left = || base.snapshots().filter(|snapshot| !goes.contains(&snapshot.snapshot_id()));
        let used: BTreeSet<i32> = left().filter_map(|snapshot| snapshot.schema_id()).collect();
        let schemas = base.schemas_iter().map(|schema| schema.schema_id());
        let schemas = schemas.filter(|id| *id != base.current_schema_id() && !used.contains(id)).collect();
        // Of a snapshot that came since, the manifests are not known: then specs stay for this time.
        let used = gathered.specs_of(left().map(|snapshot| snapshot.snapshot_id()));
        let specs = base.partition_specs_iter().map(|spec| spec.spec_id());
        let is_unused =
            |id: &i32| *id != base.default_partition_spec_id() && used.is_some_and(|used| !used.contains(id));
        Self { schemas, specs: specs.filter(is_unused).collect(), ..self }
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Applies it.
    pub(super) fn apply(
        &self,
        base: &TableMetadata,
        mut builder: TableMetadataBuilder,
    ) -> Result<TableMetadataBuilder> {
        for name in &self.refs {
            builder = builder.remove_ref(name);
        }
        let goes: BTreeSet<i64> = self.snapshots.iter().copied().collect();
        let with_statistics: BTreeSet<i64> =
            statistics(base).map(|(id, _)| id).filter(|id| goes.contains(id)).collect();
        for snapshot_id in with_statistics {
            builder = builder.remove_statistics(snapshot_id).remove_partition_statistics(snapshot_id);
        }
        builder.remove_snapshots(&self.snapshots).remove_schemas(&self.schemas)?.remove_partition_specs(&self.specs)
    }
}
