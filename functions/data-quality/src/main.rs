//! The data-quality function's process.

use std::process::ExitCode;

use tributary_data_quality::DataQuality;

#[tokio::main]
async fn main() -> ExitCode {
    tributary_function::main::<DataQuality>().await
}
