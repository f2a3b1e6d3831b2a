//! The start of a function's process: settings, logs, AWS configuration.

use std::process::ExitCode;

use aws_config::SdkConfig;
use lambda_runtime::Error;
use tributary_runtime::{Environment, init_telemetry};

use crate::settings::CommonSettings;

/// What a process has read before its own work begins.
#[derive(Debug)]
pub struct Process {
    /// The environment, for the function's own settings.
    pub environment: Environment,
    /// The common settings.
    pub settings: CommonSettings,
    /// AWS configuration by the standard chain; `None` where nothing needs AWS.
    pub aws: Option<SdkConfig>,
}

/// A function's process: starts it, then does `work` until it ends. Every error is logged here, once.
pub async fn run_process(name: &str, work: impl AsyncFnOnce(Process) -> Result<(), Error>) -> ExitCode {
    let done = match start().await {
        Ok(process) => work(process).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %error, "the {name} function could not start");
            ExitCode::FAILURE
        }
    }
}

async fn start() -> Result<Process, Error> {
    let environment = Environment::of_process();
    let settings = CommonSettings::from_environment(&environment);
    // Before the settings are looked at, so that an error in them is logged too.
    let filter = settings.as_ref().map_or("info", |settings| settings.log.as_str());
    init_telemetry(filter, environment.is_lambda())?;
    let settings = settings?;
    let aws = match settings.uses_aws {
        true => Some(aws_config::load_from_env().await),
        false => None,
    };
    Ok(Process { environment, settings, aws })
}
