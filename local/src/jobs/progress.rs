//! A job's progress, drawn on standard error where that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};
use tributary_runtime::Progress;

/// A bar that a job moves on.
#[derive(Debug)]
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new(name: &'static str) -> Self {
        let style = ProgressStyle::with_template("{prefix} {bar:40} {pos}/{len} {msg} [{elapsed}]");
        let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar.with_prefix(name))
    }

    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Bar {
    fn expect(&self, units: u64, unit: &'static str) {
        self.0.set_message(unit);
        self.0.inc_length(units);
    }

    fn advance(&self, units: u64) {
        self.0.inc(units);
    }
}
