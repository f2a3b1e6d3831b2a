//! The ingest function's process: settings, clients, run.

use std::process::ExitCode;

use lambda_runtime::{LambdaEvent, run, service_fn};
use tributary_function::{EventJson, Process, run_process};
use tributary_ingest::{Config, Context, NAME, handle};
use tributary_runtime::Metrics;

#[tokio::main]
async fn main() -> ExitCode {
    let serve = async |process| {
        let Process { environment, settings, aws } = process;
        let config = Config::try_new(settings, &environment)?;
        let context = Context::connect(&config, aws.as_ref())?.with_metrics(Metrics::in_lambda(NAME, &environment));
        run(service_fn(|event: LambdaEvent<EventJson>| handle(event, &context))).await
    };
    run_process(NAME, serve).await
}
