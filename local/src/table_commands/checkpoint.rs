//! `tributary table set-checkpoint`: how a person starts a new epoch, skips a record, or mends.

use std::collections::BTreeSet;

use iceberg::TableIdent;
use tributary_kafka::{Source, SourcePartition};
use tributary_table::{Checkpoint, PartitionProgress, format_table_name};

use super::deadline;
use super::show::checkpoint_grid;
use crate::cli::table_name;
use crate::connection::CatalogArgs;
use crate::error::CliError;
use crate::render::Out;

/// Which partition's checkpoint to set, and to what.
#[derive(Debug, Clone, clap::Args)]
#[command(group = clap::ArgGroup::new("progress").required(true).args(["next_offset", "forget"]))]
pub struct SetCheckpoint {
    /// The table
    #[arg(value_name = "NAMESPACE.NAME", value_parser = table_name)]
    pub table: TableIdent,

    /// Topic of the records
    #[arg(long)]
    pub topic: String,

    /// Partition of the topic
    #[arg(long, value_parser = clap::value_parser!(i32).range(0..), allow_negative_numbers = true)]
    pub partition: i32,

    /// Take records from this offset on; those below count as redelivered and are dropped
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..), allow_negative_numbers = true)]
    pub next_offset: Option<i64>,

    /// Forget the partition: its next record is taken as new, whatever its offset
    #[arg(long)]
    pub forget: bool,

    /// Identity of the Kafka cluster; not needed where the checkpoint knows the topic under one alone
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,

    /// Where the checkpoint does not belong to the table's history: take all other partitions as they are stored
    #[arg(long)]
    pub keep_others: bool,

    /// With `--next-offset`: records below it that are newer than this (milliseconds since 1970) halt the
    /// partition, since no redelivery can look like that; by default now
    #[arg(long, value_name = "MS", conflicts_with = "forget")]
    pub timestamp_ms_max: Option<i64>,
}

/// A checkpoint that `set-checkpoint` can't choose by itself.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum CheckpointChoiceError {
    /// Which cluster is meant is not clear.
    #[error(
        "name the cluster with `--cluster`: table `{table}`: expected topic `{topic}` under one cluster in the \
         checkpoint, found {found}"
    )]
    Cluster {
        /// The table.
        table: String,
        /// The topic.
        topic: String,
        /// The clusters it is known under.
        found: String,
    },
    /// There is nothing to forget.
    #[error("correct the partition: table `{table}`: expected {at} in the checkpoint, found none")]
    Unknown {
        /// The table.
        table: String,
        /// The partition.
        at: String,
    },
}

impl SetCheckpoint {
    pub(super) async fn run(self, catalog: &CatalogArgs, now_ms: i64, out: &mut Out<'_>) -> Result<(), CliError> {
        let table = catalog.open(self.table.clone()).await?;
        let state = table.refresh().await?;
        let at = self.partition_in(state.checkpoint())?;
        let before = state.checkpoint().progress(&at);
        if self.forget && before.is_none() {
            let (table, at) = (format_table_name(&self.table), at.to_string());
            return Err(CheckpointChoiceError::Unknown { table, at }.into());
        }
        let progress = self.progress(before, now_ms);
        let state = table.set_checkpoint(&at, progress, self.keep_others, deadline()).await?;
        out.line(format!("{at}: next offset {} -> {}", offset_text(before), offset_text(progress)))?;
        Ok(out.grid("Checkpoint", &checkpoint_grid(state.checkpoint()))?)
    }

    fn partition_in(&self, checkpoint: &Checkpoint) -> Result<SourcePartition, CheckpointChoiceError> {
        let cluster = match &self.cluster {
            Some(cluster) => cluster.clone(),
            None => self.only_cluster(checkpoint)?,
        };
        Ok(SourcePartition { source: Source { cluster, topic: self.topic.clone() }, partition: self.partition })
    }

    fn only_cluster(&self, checkpoint: &Checkpoint) -> Result<String, CheckpointChoiceError> {
        let sources = checkpoint.iter().map(|(at, _)| &at.source).filter(|source| source.topic == self.topic);
        let clusters: BTreeSet<&str> = sources.map(|source| source.cluster.as_str()).collect();
        let clusters: Vec<&str> = clusters.into_iter().collect();
        let found = match clusters.as_slice() {
            [only] => return Ok((*only).to_owned()),
            [] => "none".to_owned(),
            several => format!("`{}`", several.join("`, `")),
        };
        Err(CheckpointChoiceError::Cluster { table: format_table_name(&self.table), topic: self.topic.clone(), found })
    }

    /// What to set; nothing to forget.
    fn progress(&self, before: Option<PartitionProgress>, now_ms: i64) -> Option<PartitionProgress> {
        let next_offset = self.next_offset?;
        // Whatever lies below the next offset today is meant to be dropped, a skipped record too, which may be newer
        // than all that was committed; a topic recreated after today is still noticed.
        let known = before.map_or(now_ms, |known| known.timestamp_ms_max.max(now_ms));
        Some(PartitionProgress { next_offset, timestamp_ms_max: self.timestamp_ms_max.unwrap_or(known) })
    }
}

fn offset_text(progress: Option<PartitionProgress>) -> String {
    progress.map_or_else(|| "(none)".to_owned(), |progress| progress.next_offset.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> SetCheckpoint {
        SetCheckpoint {
            table: TableIdent::from_strs(["a", "b"]).unwrap(),
            topic: "orders".to_owned(),
            partition: 1,
            next_offset: Some(7),
            forget: false,
            keep_others: false,
            cluster: None,
            timestamp_ms_max: None,
        }
    }

    fn checkpoint(sources: &[(&str, &str)]) -> Checkpoint {
        let mut checkpoint = Checkpoint::default();
        for (cluster, topic) in sources {
            for partition in [0, 1] {
                let source = Source { cluster: (*cluster).to_owned(), topic: (*topic).to_owned() };
                let progress = PartitionProgress { next_offset: 5, timestamp_ms_max: 100 };
                checkpoint.set(SourcePartition { source, partition }, progress);
            }
        }
        checkpoint
    }

    #[test]
    fn the_cluster_may_be_left_out_where_there_is_only_one_for_the_topic() {
        let known = checkpoint(&[("c1", "orders"), ("c2", "clicks")]);
        assert_eq!(command().partition_in(&known).unwrap().source.cluster, "c1");
        let named = SetCheckpoint { cluster: Some("c9".to_owned()), ..command() };
        assert_eq!(named.partition_in(&known).unwrap().source.cluster, "c9");
    }

    #[test]
    fn an_unclear_cluster_is_asked_for_with_those_known() {
        let error = command().partition_in(&checkpoint(&[("c1", "orders"), ("c2", "orders")])).unwrap_err().to_string();
        assert!(error.starts_with("name the cluster with `--cluster`"), "{error}");
        assert!(error.ends_with("found `c1`, `c2`"), "{error}");
        let error = command().partition_in(&checkpoint(&[("c1", "clicks")])).unwrap_err().to_string();
        assert!(error.ends_with("found none"), "{error}");
    }

    #[test]
    fn a_record_skipped_today_counts_as_redelivered_and_a_topic_recreated_tomorrow_does_not() {
        let before = PartitionProgress { next_offset: 5, timestamp_ms_max: 100 };
        let set = command().progress(Some(before), 1_000).unwrap();
        assert_eq!(set, PartitionProgress { next_offset: 7, timestamp_ms_max: 1_000 });
        let ahead = PartitionProgress { next_offset: 5, timestamp_ms_max: 2_000 };
        assert_eq!(command().progress(Some(ahead), 1_000).unwrap().timestamp_ms_max, 2_000);
        let chosen = SetCheckpoint { timestamp_ms_max: Some(9), ..command() };
        assert_eq!(chosen.progress(Some(before), 1_000).unwrap().timestamp_ms_max, 9);
        let forget = SetCheckpoint { next_offset: None, forget: true, ..command() };
        assert_eq!(forget.progress(Some(before), 1_000), None);
    }
}
