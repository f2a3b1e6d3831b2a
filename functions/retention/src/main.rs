//! The retention function's process.

use std::process::ExitCode;

use tributary_retention::Retention;

#[tokio::main]
async fn main() -> ExitCode {
    tributary_function::main::<Retention>().await
}
