//! What one cold start builds and every warm invocation uses again.

use std::sync::{Mutex, PoisonError};

use aws_config::SdkConfig;
use iceberg::spec::SchemaRef;
use tributary_decode::Decoder;
use tributary_runtime::Metrics;
use tributary_table::{CatalogError, Table, TableState, connect, format_table_name};

use crate::NAME;
use crate::config::Config;
use crate::error::IngestError;

/// The table, and the decoder for its schema.
#[derive(Debug)]
pub struct Context {
    table: Table,
    cluster: Option<String>,
    decoder: Mutex<Option<(SchemaRef, Decoder)>>,
    metrics: Metrics,
}

impl Context {
    /// A context for a table that writes no metrics. `cluster` is the configured identity of the Kafka cluster, if any.
    pub fn new(table: Table, cluster: Option<String>) -> Self {
        Self { table, cluster, decoder: Mutex::default(), metrics: Metrics::off(NAME) }
    }

    /// The same with metrics.
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// Builds catalog and storage clients; nothing is read yet.
    pub fn connect(config: &Config, aws: Option<&SdkConfig>) -> Result<Self, CatalogError> {
        let connection = connect(&config.catalog, aws)?;
        Ok(Self::new(Table::new(config.table.clone(), connection.catalog, connection.store), config.cluster.clone()))
    }

    /// The table rows go to.
    pub fn table(&self) -> &Table {
        &self.table
    }

    pub(crate) fn metrics(&self) -> Metrics {
        self.metrics
    }

    pub(crate) fn cluster(&self) -> Option<&str> {
        self.cluster.as_deref()
    }

    pub(crate) fn table_name(&self) -> String {
        format_table_name(self.table.ident())
    }

    /// The decoder for a state's current schema, compiled once per schema.
    pub(crate) fn decoder(&self, state: &TableState) -> Result<Decoder, IngestError> {
        let schema = state.schema();
        let mut kept = self.decoder.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, decoder)) = kept.as_ref()
            // By content: schema ids are given again to other schemas when a commit is overwritten or metadata restored.
            && known.as_struct() == schema.as_struct()
        {
            return Ok(decoder.clone());
        }
        let decoder =
            Decoder::try_new(schema).map_err(|source| IngestError::Schema { table: self.table_name(), source })?;
        *kept = Some((schema.clone(), decoder.clone()));
        Ok(decoder)
    }
}
