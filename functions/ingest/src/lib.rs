//! The ingest function: a Kafka event becomes rows of an Iceberg table, exactly once.
//!
//! event -> records -> unseen part -> decode (rows | rejections) -> data files -> commit (rows and offsets together) -> report
//!
//! The table is the only state (INV-2): a batch that arrives again finds its offsets there and adds nothing.

mod batch;
mod config;
mod context;
mod error;
mod handler;
mod metrics;
mod report;

use std::sync::Arc;

use tokio::time::Instant;
use tributary_kafka::{ClusterIdentity, KafkaEvent, PartitionRecords, records_by_partition};
use tributary_table::{AppendRequest, Appended, Healed, TableState};

pub use config::{Config, SETTINGS};
pub use context::Context;
pub use error::{IngestError, RejectedRecord};
pub use handler::handle;
pub use report::Report;

use batch::Prepared;

/// Name of the Lambda function, its crate's folder and its binary.
pub const NAME: &str = "ingest";

/// How often a batch is cut and decoded anew because the table moved under it. Each time another writer changed the schema, the
/// partition spec or this very partition's checkpoint: rare, and never all the time.
const REPLANS_MAX: u32 = 10;

/// Ingests one event: the function under the Lambda handler, and under the local poller and demo.
///
/// `deadline` is when to give up; `now_ms` (since the epoch) becomes the snapshot's time. An error never means that
/// records were lost: what was committed is recognised when the batch is delivered again.
pub async fn ingest(
    event_json: &[u8],
    deadline: Instant,
    now_ms: i64,
    context: &Context,
) -> Result<Report, IngestError> {
    let event = KafkaEvent::from_json(event_json)?;
    let cluster = cluster_of(&event, context)?;
    let records = Arc::new(records_by_partition(event, &cluster)?);
    let mut report = Report::of(&records);
    if records.is_empty() {
        return Ok(report);
    }
    let (mut state, mut prepared) = refresh_and_prepare(&records, deadline, now_ms, context, &mut report).await?;
    for _ in 0..REPLANS_MAX {
        refuse_unknown_cluster(&cluster, &records, &state)?;
        report.describe(&prepared);
        if prepared.advances.is_empty() {
            return settled(report, prepared);
        }
        let files = context.table().encode(&state, &prepared.rows)?;
        let data_files = files.files.len() as u64;
        let request = AppendRequest { base: &state, files, advances: prepared.advances.clone(), now_ms, deadline };
        let begun = Instant::now();
        let appended = context.table().append(request).await?;
        report.commit_duration_ms += begun.elapsed().as_millis() as u64;
        match appended {
            Appended::Committed { snapshot_id, attempts, .. } => {
                report.committed(&prepared, snapshot_id, attempts, data_files, now_ms);
                return settled(report, prepared);
            }
            Appended::Superseded { attempts, .. } => {
                report.commit_attempts += attempts;
                // What moved the checkpoint back may be a writer that overwrote us: heal first, or the batch would settle over it.
                let healed = context.table().refresh_and_heal(now_ms, deadline).await?;
                report.rows_healed += healed.rows;
                prepared = prepare(&records, &healed.state, context).await?;
                state = healed.state;
            }
        }
    }
    Err(IngestError::Unsettled { table: context.table_name(), replans: REPLANS_MAX })
}

/// Which cluster the event is from; an event without records need not say.
fn cluster_of(event: &KafkaEvent, context: &Context) -> Result<ClusterIdentity, IngestError> {
    let has_records = event.records.iter().any(|group| !group.records.is_empty());
    let configured = context.cluster().or(if has_records { None } else { Some("none") });
    Ok(ClusterIdentity::of_event(event, configured)?)
}

/// Reads the table while decoding by the state a warm function keeps; decodes again only when the table moved.
async fn refresh_and_prepare(
    records: &Arc<Vec<PartitionRecords>>,
    deadline: Instant,
    now_ms: i64,
    context: &Context,
    report: &mut Report,
) -> Result<(TableState, Prepared), IngestError> {
    let Some(cached) = context.table().cached() else {
        let state = context.table().refresh().await?;
        let prepared = prepare(records, &state, context).await?;
        return Ok((state, prepared));
    };
    let refresh = context.table().refresh_and_heal(now_ms, deadline);
    let (fresh, early) = tokio::join!(refresh, prepare(records, &cached, context));
    let Healed { state: fresh, rows } = fresh?;
    report.rows_healed = rows;
    let prepared = match early {
        Ok(prepared) if fresh.metadata_location() == cached.metadata_location() => prepared,
        // Whatever the old state led to, an error included, counts for nothing on the new one.
        _ => prepare(records, &fresh, context).await?,
    };
    Ok((fresh, prepared))
}

/// Cuts and decodes off the async threads: it is pure computation, up to some tens of milliseconds.
async fn prepare(
    records: &Arc<Vec<PartitionRecords>>,
    state: &TableState,
    context: &Context,
) -> Result<Prepared, IngestError> {
    let decoder = context.decoder(state)?;
    let cuts = records.iter().map(|batch| context.table().cut(state, batch)).collect::<Result<Vec<_>, _>>()?;
    let records = Arc::clone(records);
    let work = move || batch::prepare(&records, &cuts, &decoder);
    tokio::task::spawn_blocking(work).await.map_err(|error| IngestError::Decode { reason: error.to_string() })?
}

/// Bootstrap servers stand in for a cluster's identity only while nobody has seen the topic under another one: else a changed
/// broker list would pass for a new cluster, and redelivered records for new ones.
fn refuse_unknown_cluster(
    cluster: &ClusterIdentity,
    records: &[PartitionRecords],
    state: &TableState,
) -> Result<(), IngestError> {
    if !cluster.is_assumed() {
        return Ok(());
    }
    for source in records.iter().map(|batch| &batch.partition.source) {
        let known = state.checkpoint().other_cluster_of(source).filter(|_| !state.checkpoint().knows(source));
        if let Some(known) = known {
            return Err(IngestError::UnknownCluster {
                topic: source.topic.clone(),
                found: cluster.as_str().to_owned(),
                known: known.to_owned(),
            });
        }
    }
    Ok(())
}

/// The end of an invocation: good records are in the table; a bad one fails it, so that its partition halts there.
fn settled(report: Report, prepared: Prepared) -> Result<Report, IngestError> {
    report.log();
    match prepared.rejected.is_empty() {
        true => Ok(report),
        false => Err(IngestError::Rejected { records: prepared.rejected, report: Box::new(report) }),
    }
}
