//! The snapshot-expiry function's process.

use std::process::ExitCode;

use tributary_snapshot_expiry::SnapshotExpiry;

#[tokio::main]
async fn main() -> ExitCode {
    tributary_function::main::<SnapshotExpiry>().await
}
