//! The whole system on one machine: the program `tributary`.
//!
//! - `tributary demo`: the stream without a cloud, a broker or a server;
//! - `tributary table ...`: create, look at and change a table in any catalog;
//! - `tributary compact | expire | orphans | retain | check`: the scheduled functions' jobs, in this process;
//! - `tributary health`: what state a table is in;
//! - `tributary publish`: sample rows to a real broker;
//! - `tributary poll`: what Lambda's event source mapping does, from a real broker to the ingest
//!   function, in this process or behind `cargo lambda watch`.
//!
//! Everything printed goes through [`Out`]; errors come back and are told once, by `main`.

mod broker;
mod cli;
mod connection;
pub mod ddl;
pub mod demo;
mod error;
mod health;
mod in_process;
mod jobs;
pub mod poll;
pub mod publish;
mod render;
pub mod scan;
mod schema_file;
mod table_commands;

use std::time::{Duration, SystemTime};

use tributary_ingest::Context;
use tributary_runtime::now_ms;

pub use broker::{KafkaProperty, KafkaPropertyError};
pub use cli::{Cli, Command, PollCommand};
pub use connection::{CatalogArgs, ConnectionError, Opened};
pub use error::CliError;
pub use health::HealthCommand;
pub use in_process::InProcess;
pub use jobs::{Check, Compact, Expire, JobCommand, LocalJob, Orphans, Retain};
pub use render::{Grid, Out, time_text};
pub use schema_file::{SchemaFileError, read_schema};
pub use table_commands::{
    AddColumn, CheckpointChoiceError, Create, DropColumn, Head, SetCheckpoint, Show, TableCommand,
};

use poll::{HttpTarget, PollReport};

/// Runs one command.
///
/// # Errors
/// [`CliError`]: why it could not be done.
pub async fn run(cli: Cli, out: &mut Out<'_>) -> Result<(), CliError> {
    match cli.command {
        Command::Demo(options) => {
            demo::run(&options, now_ms(), out).await?;
        }
        Command::Table(command) => command.run(&cli.catalog, now_ms(), out).await?,
        Command::Compact(command) => command.run(&cli.catalog, now_ms(), out).await?,
        Command::Expire(command) => command.run(&cli.catalog, now_ms(), out).await?,
        Command::Orphans(command) => command.run(&cli.catalog, now_ms(), out).await?,
        Command::Retain(command) => command.run(&cli.catalog, now_ms(), out).await?,
        Command::Check(command) => command.run(&cli.catalog, now_ms(), out).await?,
        Command::Health(command) => command.run(&cli.catalog, now_ms(), out).await?,
        Command::Publish(options) => {
            let report = publish::publish(options, wall_clock(now_ms())).await?;
            out.line(report.to_string())?;
            if report.rows == 1 {
                out.line(report.last_row)?;
            }
        }
        Command::Poll(command) => {
            let report = poll(command, &cli.catalog).await?;
            out.line(report.to_string())?;
            if let Some(answer) = report.last_answer {
                out.line(format!("last answer: {answer}"))?;
            }
        }
    }
    Ok(())
}

async fn poll(command: PollCommand, catalog: &CatalogArgs) -> Result<PollReport, CliError> {
    let PollCommand { options, endpoint, function, table, cluster } = command;
    let Some(table) = table else {
        let target = HttpTarget::try_new(&endpoint, &function)?;
        return Ok(poll::poll(options, target).await?);
    };
    let context = Context::new(catalog.open(table).await?, cluster);
    // A table that can't be read should end the command, not every delivery.
    context.table().refresh().await?;
    Ok(poll::poll(options, InProcess::new(context)).await?)
}

/// The clock's milliseconds as the standard library has time.
pub(crate) fn wall_clock(now_ms: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(now_ms).unwrap_or_default())
}
