//! The generated page of settings, options and metrics, and the checks that it tells the truth.

use std::collections::BTreeSet;

use serde_json::Value;
use tributary_runtime::{
    EventOption, Measurement, Metric, ReportMetrics, Setting, metrics_table, options_table, settings_table,
};

use crate::event::TABLE_OPTION;
use crate::job::ScheduledJob;
use crate::settings::{CATALOG, CATALOG_NAME, LOG, S3_PATH_STYLE, TABLE};

/// Everything a function's documentation lists.
#[derive(Debug, Clone)]
pub struct FunctionReference {
    /// Its name.
    pub name: &'static str,
    /// Its environment variables.
    pub settings: Vec<Setting>,
    /// The options of its event; none for a function whose event is not of our making.
    pub options: Vec<EventOption>,
    /// Its metrics.
    pub metrics: &'static [Metric],
}

impl FunctionReference {
    /// A scheduled function's, common settings and options included.
    pub fn of_job<J: ScheduledJob>() -> Self {
        let settings = [TABLE, CATALOG, CATALOG_NAME, S3_PATH_STYLE, LOG].iter().chain(J::SETTINGS).copied().collect();
        let options = [TABLE_OPTION].iter().chain(J::OPTIONS).copied().collect();
        Self { name: J::NAME, settings, options, metrics: J::Report::METRICS }
    }

    /// Its section of the page, in Markdown.
    pub fn section(&self) -> String {
        let mut section = format!("## {}\n\n{}", self.name, settings_table(&self.settings));
        if !self.options.is_empty() {
            section.push_str(&format!("\nOptions of the event:\n\n{}", options_table(&self.options)));
        }
        section.push_str(&format!("\nMetrics:\n\n{}", metrics_table(self.metrics)));
        section
    }
}

/// Whether a job's declared options are those it reads: the same names, and where a default is written as JSON other than
/// `null`, the declared default is that value (a text without its quotes).
///
/// # Errors
/// The differences, one sentence each.
pub fn check_options<J: ScheduledJob>() -> Result<(), String> {
    let defaults = serde_json::to_value(J::Options::default()).map_err(|error| error.to_string())?;
    let Value::Object(defaults) = defaults else { return Err("the options are no JSON object".to_owned()) };
    let declared: BTreeSet<&str> = J::OPTIONS.iter().map(|option| option.name).collect();
    let read: BTreeSet<&str> = defaults.keys().map(String::as_str).collect();
    let mut faults = Vec::new();
    if declared.len() < J::OPTIONS.len() {
        faults.push("an option is declared twice".to_owned());
    }
    if declared.contains(TABLE_OPTION.name) {
        faults.push(format!("option `{}` is declared, and is common to all jobs", TABLE_OPTION.name));
    }
    faults.extend(declared.difference(&read).map(|name| format!("option `{name}` is declared and not read")));
    faults.extend(read.difference(&declared).map(|name| format!("option `{name}` is read and not declared")));
    faults.extend(J::OPTIONS.iter().filter_map(|option| default_fault(option, defaults.get(option.name)?)));
    if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
}

fn default_fault(option: &EventOption, default: &Value) -> Option<String> {
    let text = match default {
        // Depends on the table or on another option, or there is none: words that can't be compared.
        Value::Null => return None,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let declared = option.default.unwrap_or("(none)");
    (declared != text)
        .then(|| format!("option `{}` is declared with default `{declared}` and has `{text}`", option.name))
}

/// Whether a report measures only declared metrics, each at most once.
///
/// # Errors
/// The metrics at fault.
pub fn check_metrics<R: ReportMetrics>(report: &R) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    let mut faults = Vec::new();
    for Measurement { metric, .. } in report.measurements() {
        if !R::METRICS.contains(&metric) || !seen.insert(metric.name) {
            faults.push(metric.name);
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(format!("measured twice or not declared: {}", faults.join(", "))) }
}
