//! How far a job has come, for whoever watches.

use std::fmt::Debug;

/// Told by a job as it works; a command line draws it, a Lambda function ignores it.
pub trait Progress: Debug + Send + Sync {
    /// More units of work are known of, in a word such as `files`.
    fn expect(&self, units: u64, unit: &'static str);

    /// Units of work are done.
    fn advance(&self, units: u64);
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn expect(&self, _units: u64, _unit: &'static str) {}

    fn advance(&self, _units: u64) {}
}
