//! Jobs that keep a table healthy: each plans purely, then acts under a deadline (design D6).
//!
//! A job takes the table, its options, `now` and a deadline; it works by whole units, stops before the deadline, and reports what is
//! done, what remains, and what was skipped and why. Only `tributary_table` commits.

pub mod compaction;
pub mod expiry;
pub mod file_removal;
pub mod health;
pub mod orphans;
mod partition_key;
pub mod retention;
mod rows;
mod time;
mod time_column;

pub use time::TimePoint;
pub use time_column::{FileTimes, TimeColumn, TimeColumnError};
pub use tributary_table::Table;
