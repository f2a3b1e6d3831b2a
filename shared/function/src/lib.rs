//! What every function's process shares: the settings of catalog and log, start-up, and the handler around a scheduled job.
//!
//! A scheduled function is a [`ScheduledJob`]: options in, report out. Its `main.rs` is one call:
//!
//! ```no_run
//! # use tributary_function::ScheduledJob;
//! # async fn of<Compaction: ScheduledJob>() -> std::process::ExitCode {
//! tributary_function::main::<Compaction>().await
//! # }
//! ```
//!
//! event -> table and options ([`parse_event`]) -> [`Invocation`] -> [`ScheduledJob::run`] -> report, as answer, log line and
//! metrics. The job knows nothing of Lambda: the local command line makes an [`Invocation`] and runs the same job.

mod context;
mod error;
mod event;
mod handler;
mod job;
mod process;
mod reference;
mod settings;

pub use context::Context;
pub use error::{JobError, JobErrorKind};
pub use event::{EventError, Fields, JobEvent, TABLE_OPTION, parse_event};
pub use handler::{EventJson, deadline_of, handle, invoke, main};
pub use job::{Invocation, ScheduledJob};
pub use process::{Process, run_process};
pub use reference::{FunctionReference, check_metrics, check_options};
pub use settings::{CATALOG, CATALOG_NAME, CommonSettings, LOG, S3_PATH_STYLE, TABLE, WAREHOUSE};
pub use tributary_runtime::{Age, AgeError, AgeOrInstant};
