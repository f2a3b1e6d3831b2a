//! What every function needs around its work: settings and options with their documentation, the clock, logs and metrics.
//!
//! The only crate that reads the environment ([`Environment`]) or the clock ([`now_ms`]); everything else gets
//! settings and time as arguments. It knows no domain crate.

mod age;
mod clock;
mod config;
mod metrics;
mod options;
mod progress;
mod telemetry;

pub use age::{Age, AgeError, AgeOrInstant};
pub use clock::now_ms;
pub use config::{ConfigError, Environment, Setting, settings_table};
pub use metrics::{
    METRICS_NAMESPACE, Measurement, Metric, MetricValue, Metrics, ReportMetrics, Unit, embedded_metric_lines,
    metrics_table,
};
pub use options::{EventOption, options_table};
pub use progress::{NoProgress, Progress};
pub use telemetry::{LogFilterError, init_telemetry};
