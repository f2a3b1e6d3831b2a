//! How far a job is: for progress bars, and for nothing else.

/// Hears how many units of work there are and how many are done. Units are the job's own: groups, files, checks.
pub trait Progress: Send + Sync {
    /// There are `units` more to do.
    fn total(&self, units: u64);

    /// `units` more are done.
    fn done(&self, units: u64);
}

/// Nobody listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn total(&self, _units: u64) {}

    fn done(&self, _units: u64) {}
}
