//! The ingest function's process: settings, clients, run.

use std::process::ExitCode;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use tributary_ingest::{Config, Context, EventJson, handle};
use tributary_runtime::{Environment, init_telemetry};

#[tokio::main]
async fn main() -> ExitCode {
    match start().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %error, "the ingest function could not start");
            ExitCode::FAILURE
        }
    }
}

async fn start() -> Result<(), Error> {
    let environment = Environment::of_process();
    // Before the settings are read, so that an error in them is logged too.
    let config = Config::from_environment(&environment);
    let filter = config.as_ref().map_or("info", |config| config.log.as_str());
    init_telemetry(filter, environment.is_lambda())?;
    let config = config?;
    let aws = match config.uses_aws {
        true => Some(aws_config::load_from_env().await),
        false => None,
    };
    let context = Context::connect(&config, aws.as_ref())?;
    run(service_fn(|event: LambdaEvent<EventJson>| handle(event, &context))).await
}
