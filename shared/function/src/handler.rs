//! The Lambda side of a scheduled job: event and deadline in, report or diagnostic out.

use std::process::ExitCode;
use std::time::Duration;

use lambda_runtime::{Diagnostic, LambdaEvent, run, service_fn};
use serde_json::value::RawValue;
use tokio::time::Instant;
use tributary_runtime::now_ms;
use tributary_table::format_table_name;

use crate::context::Context;
use crate::error::JobError;
use crate::event::{JobEvent, parse_event};
use crate::job::ScheduledJob;
use crate::process::run_process;

/// The event's JSON, unread: our own reader names what is wrong with it, and the runtime's would not.
pub type EventJson = Box<RawValue>;

/// Time kept back from the invocation's limit, to answer before Lambda ends the process.
const DEADLINE_MARGIN: Duration = Duration::from_millis(1500);

/// The longest that Lambda lets a function run: 15 minutes.
const INVOCATION_MS_MAX: u64 = 15 * 60 * 1000;

/// The whole `main` of a scheduled function.
pub async fn main<J: ScheduledJob>() -> ExitCode {
    let serve = async |process| {
        let context = Context::<J>::connect(process)?;
        run(service_fn(|event: LambdaEvent<EventJson>| handle(event, &context))).await
    };
    run_process(J::NAME, serve).await
}

/// Handles one invocation.
///
/// # Errors
/// `errorType` is the [`crate::JobErrorKind`]: `Reject` for an event that no job can do.
pub async fn handle<J: ScheduledJob>(
    event: LambdaEvent<EventJson>,
    context: &Context<J>,
) -> Result<J::Report, Diagnostic> {
    let now_ms = now_ms();
    let deadline = deadline_of(&event.context, now_ms);
    let done = invoke(event.payload.get(), deadline, now_ms, context).await;
    done.map_err(|error| {
        tracing::error!(kind = error.kind().as_str(), error = %error, "{} failed", J::NAME);
        Diagnostic::from(error)
    })
}

/// When an invocation must have its answer: Lambda's own deadline less a margin. `now_ms` is since the epoch.
pub fn deadline_of(context: &lambda_runtime::Context, now_ms: i64) -> Instant {
    Instant::now() + left(context.deadline, now_ms).saturating_sub(DEADLINE_MARGIN)
}

/// How long an invocation may take. Lambda says when it ends, in milliseconds since the epoch; cargo-lambda's emulator says how long
/// it may take (600,000 ms), and no time since the epoch is as small as the longest that Lambda allows.
fn left(deadline_ms: u64, now_ms: i64) -> Duration {
    let left_ms = match deadline_ms <= INVOCATION_MS_MAX {
        true => deadline_ms,
        false => deadline_ms.saturating_sub(u64::try_from(now_ms).unwrap_or_default()),
    };
    Duration::from_millis(left_ms)
}

/// One invocation at a given time: reads the event, runs the job, logs its report and writes its metrics.
///
/// # Errors
/// [`JobError`] if the event is wrong or the job fails.
pub async fn invoke<J: ScheduledJob>(
    event_json: &str,
    deadline: Instant,
    now_ms: i64,
    context: &Context<J>,
) -> Result<J::Report, JobError> {
    let JobEvent { table, options } = parse_event::<J>(event_json)?;
    let invocation = context.invocation(table, now_ms, deadline)?;
    // Boxed: a job's whole future within the runtime's own is nested deeper than the compiler goes.
    let report = Box::pin(context.job().run(options, &invocation)).await?;
    let table = format_table_name(invocation.table.ident());
    let text = serde_json::to_string(&report).map_err(JobError::halt)?;
    tracing::info!(table, report = text, "{} done", J::NAME);
    context.metrics().emit(&table, now_ms, &report);
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_a_time_and_under_the_emulator_a_length() {
        const NOW_MS: u64 = 1_763_000_000_000;
        for (deadline_ms, left_ms) in [(NOW_MS + 60_000, 60_000), (NOW_MS - 1, 0), (600_000, 600_000), (0, 0)] {
            assert_eq!(left(deadline_ms, NOW_MS as i64), Duration::from_millis(left_ms), "{deadline_ms}");
        }
    }
}
