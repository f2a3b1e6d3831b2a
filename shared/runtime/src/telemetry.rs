//! Logs: one JSON object a line in Lambda (CloudWatch Logs Insights reads fields), plain text elsewhere.

use tracing_subscriber::EnvFilter;

/// A log filter that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("correct the log filter: expected directives such as `info` or `tributary_table=debug,warn`, found `{found}`")]
pub struct LogFilterError {
    found: String,
}

/// Starts logging to standard error. `filter` has `tracing`'s directive syntax. Later calls change nothing.
pub fn init_telemetry(filter: &str, json: bool) -> Result<(), LogFilterError> {
    let filter = filter.parse::<EnvFilter>().map_err(|_| LogFilterError { found: filter.to_owned() })?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second subscriber is refused (tests start several contexts in one process): the first one stays.
    let _already_started = match json {
        true => subscriber.json().flatten_event(true).with_current_span(false).without_time().try_init(),
        false => subscriber.with_target(false).try_init(),
    };
    Ok(())
}
