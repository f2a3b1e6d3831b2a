//! The command line.

use iceberg::TableIdent;
use tributary_table::parse_table_name;

use crate::connection::CatalogArgs;
use crate::demo::DemoOptions;
use crate::health::HealthCommand;
use crate::jobs::{Check, Compact, Expire, JobCommand, Orphans, Retain};
use crate::poll::PollOptions;
use crate::publish::PublishOptions;
use crate::table_commands::TableCommand;

/// Streams Kafka records into Apache Iceberg tables: the tools around the Lambda functions
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "tributary", version, propagate_version = true)]
pub struct Cli {
    /// The catalog that the commands work on.
    #[command(flatten)]
    pub catalog: CatalogArgs,

    /// What is logged to standard error: `tracing` directives, such as `info` or `tributary_table=debug`
    #[arg(long, global = true, env = "TRIBUTARY_LOG", default_value = "warn", value_name = "FILTER")]
    pub log: String,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Command {
    /// Show the whole stream on this machine: no cloud, broker, container or server
    Demo(DemoOptions),
    /// Create, look at and change a table
    #[command(subcommand)]
    Table(TableCommand),
    /// Rewrite small data files into few of the right length, with the same rows
    Compact(JobCommand<Compact>),
    /// Expire old snapshots and delete the files that only they reach
    Expire(JobCommand<Expire>),
    /// Find files in storage that nothing reaches, and with `--dry-run=false` delete them
    Orphans(JobCommand<Orphans>),
    /// Remove rows past their time, by whole files
    Retain(JobCommand<Retain>),
    /// Check a table against data-quality rules; ends with an error when a check fails
    Check(JobCommand<Check>),
    /// Show what state a table is in, from its metadata and manifests alone
    Health(HealthCommand),
    /// Publish sample rows to a Kafka topic
    Publish(PublishOptions),
    /// Poll Kafka topics and invoke the ingest function, as Lambda's event source mapping does
    Poll(PollCommand),
}

/// What to poll, and who gets the events.
#[derive(Debug, Clone, clap::Args)]
pub struct PollCommand {
    /// What to poll, and how.
    #[command(flatten)]
    pub options: PollOptions,

    /// Lambda endpoint that has the function, such as that of `cargo lambda watch`
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9000")]
    pub endpoint: String,

    /// Function to invoke at the endpoint
    #[arg(long, value_name = "NAME", default_value = "ingest")]
    pub function: String,

    /// Ingest into this table in this process, and invoke no endpoint
    #[arg(long, value_name = "NAMESPACE.NAME", value_parser = table_name,
          conflicts_with_all = ["endpoint", "function"])]
    pub table: Option<TableIdent>,

    /// Identity of the Kafka cluster in the table's checkpoint; by default the event's own
    #[arg(long, value_name = "NAME", requires = "table")]
    pub cluster: Option<String>,
}

/// For clap: the error's text alone.
pub(crate) fn table_name(text: &str) -> Result<TableIdent, String> {
    parse_table_name(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("tributary").chain(line.split_whitespace()))
    }

    #[test]
    fn the_command_line_is_consistent_and_every_option_is_documented() {
        let mut undocumented = Vec::new();
        let mut commands = vec![Cli::command()];
        Cli::command().debug_assert();
        while let Some(command) = commands.pop() {
            commands.extend(command.get_subcommands().cloned());
            let bare = command.get_arguments().filter(|argument| argument.get_help().is_none());
            undocumented.extend(bare.map(|argument| format!("{} {}", command.get_name(), argument.get_id())));
        }
        assert_eq!(undocumented, Vec::<String>::new());
    }

    #[test]
    fn catalog_options_are_taken_before_and_after_the_command() {
        for line in ["--catalog sqlite:/a.db table show a.b", "table show a.b --catalog sqlite:/a.db"] {
            let cli = parse(line).unwrap();
            assert_eq!(cli.catalog.catalog, "sqlite:/a.db".parse().unwrap(), "{line}");
        }
    }

    #[test]
    fn contradictions_and_wrong_values_are_usage_errors() {
        for line in [
            "poll --table a.b --endpoint http://h:1",
            "poll --cluster c",
            "poll --table b",
            "table show a",
            "table show a.b --catalog rest:x",
            "table create a.b",
            "table create a.b --ddl x --schema f",
            "table add-column a.b c lng",
            "table set-checkpoint a.b --topic t --partition 0",
            "table set-checkpoint a.b --topic t --partition 0 --next-offset 1 --forget",
            "table set-checkpoint a.b --topic t --partition -1 --forget",
            "table set-checkpoint a.b --topic t --partition 0 --next-offset -1",
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
