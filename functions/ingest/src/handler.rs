//! The Lambda side: event and deadline in, report or diagnostic out.

use lambda_runtime::{Diagnostic, LambdaEvent};
use tributary_function::{EventJson, deadline_of};
use tributary_runtime::now_ms;

use crate::context::Context;
use crate::error::IngestError;
use crate::report::Report;

/// Handles one invocation.
pub async fn handle(event: LambdaEvent<EventJson>, context: &Context) -> Result<Report, Diagnostic> {
    let now_ms = now_ms();
    let deadline = deadline_of(&event.context, now_ms);
    let done = crate::ingest(event.payload.get().as_bytes(), deadline, now_ms, context).await;
    // Also of an invocation that fails on a bad record: what it rejected is what an alarm is about.
    if let Some(report) = done.as_ref().map_or_else(IngestError::report, Some) {
        context.metrics().emit(&context.table_name(), now_ms, report);
    }
    done.map_err(|error| {
        tracing::error!(kind = error.kind(), error = %error, "batch failed: it will be delivered again");
        Diagnostic::from(error)
    })
}
