//! What every function needs around its work: settings, the clock and telemetry.
//!
//! The only crate that reads the environment ([`Environment`]) or the clock ([`now_ms`]); everything else gets
//! settings and time as arguments. It knows no domain crate.

mod clock;
mod config;
mod telemetry;

pub use clock::now_ms;
pub use config::{ConfigError, Environment, Setting, settings_table};
pub use telemetry::{LogFilterError, init_telemetry};
