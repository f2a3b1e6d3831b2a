//! The Lambda side: event and deadline in, report or diagnostic out.

use std::time::Duration;

use lambda_runtime::{Diagnostic, LambdaEvent};
use serde_json::value::RawValue;
use tokio::time::Instant;
use tributary_runtime::now_ms;

use crate::context::Context;
use crate::report::Report;

/// The event's JSON, unread: our own reader names what is wrong with it, and the runtime's would not.
pub type EventJson = Box<RawValue>;

/// Time kept back from the invocation's limit, to answer before Lambda ends the process.
const DEADLINE_MARGIN: Duration = Duration::from_millis(1500);

/// Handles one invocation.
pub async fn handle(event: LambdaEvent<EventJson>, context: &Context) -> Result<Report, Diagnostic> {
    let now_ms = now_ms();
    let left_ms = event.context.deadline.saturating_sub(u64::try_from(now_ms).unwrap_or_default());
    let deadline = Instant::now() + Duration::from_millis(left_ms).saturating_sub(DEADLINE_MARGIN);
    let done = crate::ingest(event.payload.get().as_bytes(), deadline, now_ms, context).await;
    done.map_err(|error| {
        tracing::error!(kind = error.kind(), error = %error, "batch failed: it will be delivered again");
        Diagnostic::from(error)
    })
}
