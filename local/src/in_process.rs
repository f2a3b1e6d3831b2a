//! The ingest function in this process, as a target of the poller.

use std::time::Duration;

use tokio::time::Instant;
use tributary_ingest::{Context, ingest};
use tributary_runtime::now_ms;

use crate::poll::{InvokeError, Target};

/// The time an invocation gets, as the deployed function's timeout would give it.
const INVOCATION_TIME_MAX: Duration = Duration::from_secs(60);

/// The very code that the ingest function runs, without Lambda around it.
#[derive(Debug)]
pub struct InProcess {
    context: Context,
}

impl InProcess {
    /// A function for the context's table.
    pub fn new(context: Context) -> Self {
        Self { context }
    }
}

impl Target for InProcess {
    async fn invoke(&self, event: String) -> Result<String, InvokeError> {
        let deadline = Instant::now() + INVOCATION_TIME_MAX;
        let report = ingest(event.as_bytes(), deadline, now_ms(), &self.context).await;
        let report = report.map_err(|error| InvokeError::new(error.to_string()))?;
        serde_json::to_string(&report).map_err(|error| InvokeError::new(error.to_string()))
    }
}
