//! The function's own settings.

use tributary_function::WAREHOUSE;
use tributary_runtime::Setting;

pub(crate) const RULES: Setting = Setting {
    name: "TRIBUTARY_RULES",
    meaning: "where the rules are when the event has none in it; read at each invocation",
    values: "a location of a YAML file, such as `s3://bucket/rules/events.yaml` or `/path/rules.yaml`",
    default: Some(""),
};

pub(crate) const ALERT_TOPIC: Setting = Setting {
    name: "TRIBUTARY_ALERT_TOPIC",
    meaning: "the SNS topic that changes of state and reminders are published to",
    values: "an ARN, such as `arn:aws:sns:eu-central-1:123456789012:alerts`",
    default: Some(""),
};

pub(crate) const RESULTS_TABLE: Setting = Setting {
    name: "TRIBUTARY_RESULTS_TABLE",
    meaning: "the Iceberg table every result is appended to, and earlier ones are known from; it is created when it is not there; without it, every run alerts on every result but PASS",
    values: "a table name `namespace.name`",
    default: Some(""),
};

/// All of them. `TRIBUTARY_WAREHOUSE` since the function may create the results table.
pub(crate) const SETTINGS: &[Setting] = &[RULES, ALERT_TOPIC, RESULTS_TABLE, WAREHOUSE];
