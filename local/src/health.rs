//! `tributary health`: what state a table is in.

use iceberg::TableIdent;
use tributary_maintenance::health::health;
use tributary_table::format_table_name;

use crate::cli::table_name;
use crate::connection::CatalogArgs;
use crate::error::CliError;
use crate::jobs::report;
use crate::render::Out;

/// Which table to look at.
#[derive(Debug, Clone, clap::Args)]
pub struct HealthCommand {
    /// The table
    #[arg(value_name = "NAMESPACE.NAME", value_parser = table_name)]
    pub table: TableIdent,

    /// Print the report as one JSON object, no table
    #[arg(long)]
    pub json: bool,
}

impl HealthCommand {
    /// Runs the command. `now_ms` is the wall clock, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`CliError`]: why the table could not be looked at.
    pub async fn run(self, catalog: &CatalogArgs, now_ms: i64, out: &mut Out<'_>) -> Result<(), CliError> {
        let table = catalog.open(self.table.clone()).await?;
        let report = health(&table, now_ms).await?;
        match self.json {
            true => out.json(&report)?,
            false => report::show(&format!("Health of {}", format_table_name(&self.table)), &report, out)?,
        }
        Ok(())
    }
}
