//! The compaction function's process.

use std::process::ExitCode;

use tributary_compaction::Compaction;

#[tokio::main]
async fn main() -> ExitCode {
    tributary_function::main::<Compaction>().await
}
