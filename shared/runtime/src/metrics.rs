//! Metrics, declared with name, unit and meaning, and written as log lines in CloudWatch's embedded metric format.
//!
//! Lambda sends standard output to CloudWatch Logs, which extracts the metrics: no call, no permission, no time of the
//! invocation. Format: the specification "Embedded metric format" in the Amazon CloudWatch user guide.

use std::io::Write;

use serde_json::{Map, Number, Value, json};

use crate::config::{Environment, cell};

/// The CloudWatch namespace of every metric.
pub const METRICS_NAMESPACE: &str = "Tributary";

/// Most metrics in one directive, by the specification.
const METRICS_PER_LINE_MAX: usize = 100;

/// The unit of a metric, by CloudWatch's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// A size.
    Bytes,
    /// A duration, usually short.
    Milliseconds,
    /// A duration, usually long.
    Seconds,
}

impl Unit {
    /// CloudWatch's name of the unit.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Bytes => "Bytes",
            Self::Milliseconds => "Milliseconds",
            Self::Seconds => "Seconds",
        }
    }
}

/// One metric, as its documentation shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name in CloudWatch.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// What it measures, in one sentence.
    pub meaning: &'static str,
}

impl Metric {
    /// A value of this metric.
    pub fn is(self, value: impl Into<MetricValue>) -> Measurement {
        Measurement { metric: self, value: value.into() }
    }
}

/// A value of a metric, in the metric's unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MetricValue {
    /// A whole number, such as a count.
    Whole(u64),
    /// Any other number. One that is not finite is left out, since CloudWatch would refuse it.
    Real(f64),
}

impl From<u64> for MetricValue {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<u32> for MetricValue {
    fn from(value: u32) -> Self {
        Self::Whole(value.into())
    }
}

impl From<usize> for MetricValue {
    fn from(value: usize) -> Self {
        Self::Whole(value as u64)
    }
}

/// 1 for yes, 0 for no: what an alarm can compare.
impl From<bool> for MetricValue {
    fn from(value: bool) -> Self {
        Self::Whole(value.into())
    }
}

impl From<f64> for MetricValue {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl MetricValue {
    fn to_json(self) -> Option<Number> {
        match self {
            Self::Whole(value) => Some(value.into()),
            Self::Real(value) => Number::from_f64(value),
        }
    }
}

/// What an invocation measured of one metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measurement {
    /// The metric.
    pub metric: Metric,
    /// Its value.
    pub value: MetricValue,
}

/// A report that has metrics.
pub trait ReportMetrics {
    /// Every metric it can have, in the order its documentation shows them.
    const METRICS: &'static [Metric];

    /// What this invocation measured, each metric at most once; one that was not measured is left out, not 0.
    fn measurements(&self) -> Vec<Measurement>;
}

/// A function's metrics: lines on standard output in Lambda; in local tools, only where they are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metrics {
    function: &'static str,
    is_on: bool,
}

impl Metrics {
    /// Metrics that are written, wherever the process runs.
    pub fn to_stdout(function: &'static str) -> Self {
        Self { function, is_on: true }
    }

    /// Metrics that are written if the environment is Lambda's.
    pub fn in_lambda(function: &'static str, environment: &Environment) -> Self {
        Self { function, is_on: environment.is_lambda() }
    }

    /// Metrics that are not written.
    pub fn off(function: &'static str) -> Self {
        Self { function, is_on: false }
    }

    /// Writes a report's metrics, if they are on. `table` is `namespace.name`; `now_ms` (since the epoch) is their time.
    /// A line that can't be written is lost: metrics never fail the work they measure.
    pub fn emit(self, table: &str, now_ms: i64, report: &impl ReportMetrics) {
        if !self.is_on {
            return;
        }
        let lines = embedded_metric_lines(self.function, table, now_ms, &report.measurements());
        // Locked once, so that no other line comes between.
        let mut stdout = std::io::stdout().lock();
        let _written = stdout.write_all(lines.as_bytes()).and_then(|()| stdout.flush());
    }
}

/// The measurements as lines of the embedded metric format, each a JSON object and a line feed: one line, or more where
/// there are more metrics than the format allows in one; none for no measurements.
pub fn embedded_metric_lines(function: &str, table: &str, now_ms: i64, measurements: &[Measurement]) -> String {
    let measured = |one: &Measurement| Some((one.metric, one.value.to_json()?));
    let measured: Vec<(Metric, Number)> = measurements.iter().filter_map(measured).collect();
    measured.chunks(METRICS_PER_LINE_MAX).map(|chunk| format!("{}\n", line(function, table, now_ms, chunk))).collect()
}

fn line(function: &str, table: &str, now_ms: i64, measured: &[(Metric, Number)]) -> Value {
    let definitions: Vec<Value> =
        measured.iter().map(|(metric, _)| json!({"Name": metric.name, "Unit": metric.unit.as_str()})).collect();
    let directive = json!({
        "Namespace": METRICS_NAMESPACE,
        // By table alone, so that what several functions say of a table can be seen together.
        "Dimensions": [["Table"], ["Table", "Function"]],
        "Metrics": definitions,
    });
    let mut root = Map::new();
    root.insert("_aws".to_owned(), json!({"Timestamp": now_ms, "CloudWatchMetrics": [directive]}));
    root.insert("Table".to_owned(), table.into());
    root.insert("Function".to_owned(), function.into());
    root.extend(measured.iter().map(|(metric, value)| (metric.name.to_owned(), value.clone().into())));
    Value::Object(root)
}

/// The metrics as a Markdown table, for the generated page.
pub fn metrics_table(metrics: &[Metric]) -> String {
    let mut table = String::from("| metric | unit | meaning |\n|---|---|---|\n");
    for metric in metrics {
        table.push_str(&format!("| `{}` | {} | {} |\n", metric.name, metric.unit.as_str(), cell(metric.meaning)));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: Metric = Metric { name: "RowsIn", unit: Unit::Count, meaning: "records in the event" };
    const FRESHNESS: Metric = Metric { name: "DataFreshness", unit: Unit::Seconds, meaning: "age of the newest row" };

    #[test]
    fn a_line_is_one_json_object_of_the_embedded_metric_format() {
        let measurements = [ROWS.is(3_u64), FRESHNESS.is(1.25)];
        assert_eq!(
            embedded_metric_lines("ingest", "analytics.events", 1_700_000_000_123, &measurements),
            concat!(
                r#"{"DataFreshness":1.25,"Function":"ingest","RowsIn":3,"Table":"analytics.events","_aws":{"#,
                r#""CloudWatchMetrics":[{"Dimensions":[["Table"],["Table","Function"]],"#,
                r#""Metrics":[{"Name":"RowsIn","Unit":"Count"},{"Name":"DataFreshness","Unit":"Seconds"}],"#,
                r#""Namespace":"Tributary"}],"Timestamp":1700000000123}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_hundred_metrics_go_into_one_line_and_more_into_the_next() {
        let names: Vec<&'static str> = (0..101).map(|index| &*format!("Metric{index}").leak()).collect();
        let measured = |name: &&'static str| Metric { name, ..ROWS }.is(1_u64);
        let measurements: Vec<Measurement> = names.iter().map(measured).collect();
        let lines = embedded_metric_lines("ingest", "a.b", 0, &measurements);
        let counts = lines.lines().map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap().len()
        });
        assert_eq!(counts.collect::<Vec<_>>(), [100, 1]);
    }

    #[test]
    fn nothing_measured_and_numbers_cloudwatch_refuses_give_no_line() {
        assert_eq!(embedded_metric_lines("ingest", "a.b", 0, &[]), "");
        assert_eq!(embedded_metric_lines("ingest", "a.b", 0, &[FRESHNESS.is(f64::NAN)]), "");
        assert_eq!(embedded_metric_lines("ingest", "a.b", 0, &[FRESHNESS.is(f64::INFINITY)]), "");
    }

    #[test]
    fn yes_and_no_are_one_and_zero() {
        assert_eq!((ROWS.is(true).value, ROWS.is(false).value), (MetricValue::Whole(1), MetricValue::Whole(0)));
    }
}
