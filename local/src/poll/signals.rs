//! The request to stop.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::error::PollError;

/// The request to stop, by signal or by the poller itself after an error.
#[derive(Debug)]
pub(crate) struct Stop {
    sender: watch::Sender<bool>,
    listener: AbortHandle,
}

impl Stop {
    /// Asks everything that listens to stop.
    pub(crate) fn request(&self) {
        self.sender.send_replace(true);
    }

    /// Becomes true when a stop is asked for.
    pub(crate) fn requested(&self) -> watch::Receiver<bool> {
        self.sender.subscribe()
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// Listens for SIGINT and SIGTERM from now on.
pub(crate) fn stop_on_signal() -> Result<Stop, PollError> {
    let listen = |kind| signal(kind).map_err(|source| PollError::Signals { source });
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let (sender, _) = watch::channel(false);
    let signalled = sender.clone();
    let listener = tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping after the batch in flight");
        signalled.send_replace(true);
    });
    Ok(Stop { sender, listener: listener.abort_handle() })
}
