//! The process `tributary`: options in, answer or error out.

use std::io::{Write, stdout};
use std::process::ExitCode;

use clap::Parser;
use tributary_local::{Cli, Out, run};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = tributary_runtime::init_telemetry(&cli.log, false) {
        return failure(&error.to_string());
    }
    let mut stdout = stdout();
    match run(cli, &mut Out::new(&mut stdout)).await {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever closed our output has seen enough.
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => failure(&error.report()),
    }
}

fn failure(report: &str) -> ExitCode {
    // Where standard error can't be written to, there is nobody left to tell.
    let _ = writeln!(std::io::stderr(), "{report}");
    ExitCode::FAILURE
}
