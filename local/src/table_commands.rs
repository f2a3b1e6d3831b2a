//! `tributary table ...`: what a person does to a table by hand.

mod checkpoint;
mod create;
mod show;

use std::time::Duration;

use iceberg::TableIdent;
use tokio::time::Instant;
use tributary_table::format_table_name;

use crate::cli::table_name;
use crate::connection::CatalogArgs;
use crate::ddl::{ColumnType, type_text};
use crate::error::CliError;
use crate::render::Out;
use crate::scan::Scan;

pub use checkpoint::{CheckpointChoiceError, SetCheckpoint};
pub use create::Create;
pub(crate) use show::{checkpoint_grid, snapshots_grid};

/// How long a change is tried against other writers.
const CHANGE_TIME_MAX: Duration = Duration::from_secs(60);

/// What to do with a table.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum TableCommand {
    /// Create a table, and its namespace where it does not exist yet
    Create(Box<Create>),
    /// Show columns, partitioning, properties, snapshots and checkpoint
    Show(Show),
    /// Show the newest rows
    Head(Head),
    /// Add an optional column at the end; old rows read NULL there
    AddColumn(AddColumn),
    /// Drop a column; its values stay in old files, unread
    DropColumn(DropColumn),
    /// Set by hand where a partition's next record is expected
    SetCheckpoint(SetCheckpoint),
}

/// Which table to show.
#[derive(Debug, Clone, clap::Args)]
pub struct Show {
    /// The table
    #[arg(value_name = "NAMESPACE.NAME", value_parser = table_name)]
    pub table: TableIdent,

    /// Most snapshots to show, newest first
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    pub snapshots: usize,
}

/// Which rows to show.
#[derive(Debug, Clone, clap::Args)]
pub struct Head {
    /// The table
    #[arg(value_name = "NAMESPACE.NAME", value_parser = table_name)]
    pub table: TableIdent,

    /// Most rows to show, newest first
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    pub rows: usize,
}

/// Which column to add.
#[derive(Debug, Clone, clap::Args)]
pub struct AddColumn {
    /// The table
    #[arg(value_name = "NAMESPACE.NAME", value_parser = table_name)]
    pub table: TableIdent,

    /// Name of the new column
    pub name: String,

    /// Its type, such as `long`, `decimal(12, 2)` or `list<string>`
    #[arg(value_name = "TYPE")]
    pub column_type: ColumnType,
}

/// Which column to drop.
#[derive(Debug, Clone, clap::Args)]
pub struct DropColumn {
    /// The table
    #[arg(value_name = "NAMESPACE.NAME", value_parser = table_name)]
    pub table: TableIdent,

    /// Name of the column
    pub name: String,
}

impl TableCommand {
    /// Runs the command. `now_ms` is the wall clock, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`CliError`]: why it could not be done.
    pub async fn run(self, catalog: &CatalogArgs, now_ms: i64, out: &mut Out<'_>) -> Result<(), CliError> {
        match self {
            Self::Create(command) => command.run(catalog, out).await,
            Self::Show(command) => command.run(catalog, out).await,
            Self::Head(command) => command.run(catalog, out).await,
            Self::AddColumn(command) => command.run(catalog, out).await,
            Self::DropColumn(command) => command.run(catalog, out).await,
            Self::SetCheckpoint(command) => command.run(catalog, now_ms, out).await,
        }
    }
}

impl Show {
    async fn run(self, catalog: &CatalogArgs, out: &mut Out<'_>) -> Result<(), CliError> {
        let state = catalog.open(self.table.clone()).await?.refresh().await?;
        Ok(show::show(&format_table_name(&self.table), &state, self.snapshots, out)?)
    }
}

impl Head {
    async fn run(self, catalog: &CatalogArgs, out: &mut Out<'_>) -> Result<(), CliError> {
        let state = catalog.open(self.table.clone()).await?.refresh().await?;
        let rows = Scan::new(&self.table, &state).newest(self.rows).await?;
        Ok(out.grid(&format!("Newest rows of {}", format_table_name(&self.table)), &rows)?)
    }
}

impl AddColumn {
    async fn run(self, catalog: &CatalogArgs, out: &mut Out<'_>) -> Result<(), CliError> {
        let table = catalog.open(self.table.clone()).await?;
        let field_type = &self.column_type.field_type;
        table.add_column(&self.name, field_type, deadline()).await?;
        let (name, field_type, table) = (&self.name, type_text(field_type), format_table_name(&self.table));
        Ok(out.line(format!("added column `{name}` {field_type} to table `{table}`; the next batch fills it"))?)
    }
}

impl DropColumn {
    async fn run(self, catalog: &CatalogArgs, out: &mut Out<'_>) -> Result<(), CliError> {
        let table = catalog.open(self.table.clone()).await?;
        table.drop_column(&self.name, deadline()).await?;
        let (name, table) = (&self.name, format_table_name(&self.table));
        Ok(out.line(format!("dropped column `{name}` of table `{table}`; the next batch leaves its field out"))?)
    }
}

fn deadline() -> Instant {
    Instant::now() + CHANGE_TIME_MAX
}
