//! A job through the handler that Lambda runs: events in, reports and diagnostics out.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::SdkConfig;
use lambda_runtime::{Diagnostic, LambdaEvent};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tributary_function::{
    Age, CommonSettings, Context, EventJson, FunctionReference, Invocation, JobError, Process, ScheduledJob, WAREHOUSE,
    check_metrics, check_options, deadline_of, handle, invoke,
};
use tributary_runtime::{
    ConfigError, Environment, EventOption, Measurement, Metric, NoProgress, ReportMetrics, Setting, Unit,
};
use tributary_table::{Table, format_table_name};

const COLOUR: Setting =
    Setting { name: "TRIBUTARY_COLOUR", meaning: "of the paint", values: "a colour", default: Some("red") };

/// Paints no table, but says what it was asked for.
#[derive(Debug, Default)]
struct Painting {
    colour: String,
    tables: Mutex<Vec<Arc<Table>>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Options {
    coats_max: u32,
    drying: Age,
    area: Option<u64>,
    read_table: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { coats_max: 2, drying: Age::hours(36), area: None, read_table: false }
    }
}

const COATS: EventOption =
    EventOption { name: "coats-max", meaning: "most coats", values: "a number of 0 or more", default: Some("2") };
const DRYING: EventOption =
    EventOption { name: "drying", meaning: "time between two", values: Age::FORM, default: Some("36h") };
const AREA: EventOption =
    EventOption { name: "area", meaning: "how much", values: "square metres", default: Some("all of it") };
const READ: EventOption =
    EventOption { name: "read-table", meaning: "look first", values: "`true` or `false`", default: Some("false") };

const COATS_MADE: Metric = Metric { name: "CoatsMade", unit: Unit::Count, meaning: "coats" };

#[derive(Debug, PartialEq, Serialize)]
struct Report {
    table: String,
    coats: u32,
    colour: String,
}

impl ReportMetrics for Report {
    const METRICS: &'static [Metric] = &[COATS_MADE];

    fn measurements(&self) -> Vec<Measurement> {
        vec![COATS_MADE.is(self.coats)]
    }
}

impl ScheduledJob for Painting {
    const NAME: &'static str = "painting";
    const SETTINGS: &'static [Setting] = &[COLOUR, WAREHOUSE];
    const OPTIONS: &'static [EventOption] = &[COATS, DRYING, AREA, READ];
    type Options = Options;
    type Report = Report;

    fn from_environment(environment: &Environment, _aws: Option<&SdkConfig>) -> Result<Self, ConfigError> {
        Ok(Self { colour: environment.required(&COLOUR)?, tables: Mutex::default() })
    }

    async fn run(&self, options: Options, invocation: &Invocation) -> Result<Report, JobError> {
        if options.read_table {
            invocation.table.refresh().await?;
        }
        if options.coats_max == 0 {
            return Err(JobError::reject("correct option `coats-max`: expected 1 or more, found 0"));
        }
        self.tables.lock().unwrap().push(Arc::clone(&invocation.table));
        let table = format_table_name(invocation.table.ident());
        Ok(Report { table, coats: options.coats_max, colour: self.colour.clone() })
    }
}

fn process(folder: &tempfile::TempDir, variables: &[(&str, &str)]) -> Process {
    let catalog = format!("sqlite:{}", folder.path().join("catalog.db").display());
    let variables = variables.iter().copied().chain([("TRIBUTARY_CATALOG", catalog.as_str())]);
    let environment = Environment::of(variables);
    let settings = CommonSettings::from_environment(&environment).unwrap();
    Process { environment, settings, aws: None }
}

fn context(folder: &tempfile::TempDir, variables: &[(&str, &str)]) -> Context<Painting> {
    Context::connect(process(folder, variables)).unwrap()
}

/// One invocation, as the Lambda runtime makes it.
async fn invoked(json: &str, context: &Context<Painting>) -> Result<Report, Diagnostic> {
    let payload: EventJson = serde_json::from_str(json).unwrap();
    let mut invocation = lambda_runtime::Context::default();
    // The year 2100.
    invocation.deadline = 4_102_444_800_000;
    handle(LambdaEvent::new(payload, invocation), context).await
}

#[tokio::test]
async fn an_event_without_options_works_on_the_configured_table() {
    let folder = tempfile::tempdir().unwrap();
    let context = context(&folder, &[("TRIBUTARY_TABLE", "a.b"), ("TRIBUTARY_COLOUR", "blue")]);
    let report = invoked("{}", &context).await.unwrap();
    assert_eq!(report, Report { table: "a.b".to_owned(), coats: 2, colour: "blue".to_owned() });
    check_metrics(&report).unwrap();
}

#[tokio::test]
async fn an_empty_event_is_one_without_options() {
    let folder = tempfile::tempdir().unwrap();
    let context = context(&folder, &[("TRIBUTARY_TABLE", "a.b")]);
    assert_eq!(invoke("", Instant::now(), 0, &context).await.unwrap().coats, 2);
}

#[tokio::test]
async fn the_events_table_goes_before_the_configured_one() {
    let folder = tempfile::tempdir().unwrap();
    let context = context(&folder, &[("TRIBUTARY_TABLE", "a.b")]);
    let report = invoked(r#"{"table": "c.d", "coats-max": 5}"#, &context).await.unwrap();
    assert_eq!((report.table.as_str(), report.coats), ("c.d", 5));
}

#[tokio::test]
async fn without_any_table_the_event_is_refused_naming_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let refused = invoked("{}", &context(&folder, &[])).await.unwrap_err();
    assert_eq!(refused.error_type, "Reject");
    assert!(refused.error_message.contains("option `table`"), "{}", refused.error_message);
    assert!(refused.error_message.contains("environment variable `TRIBUTARY_TABLE`"), "{}", refused.error_message);
}

#[tokio::test]
async fn a_bad_event_is_rejected_with_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let context = context(&folder, &[("TRIBUTARY_TABLE", "a.b")]);
    for (json, message) in [
        (r#"{"coats": 1}"#, "expected one of `table`, `coats-max`, `drying`, `area`, `read-table`, found `coats`"),
        (r#"{"drying": "soon"}"#, "correct option `drying`: expected an age such as `5d`"),
        (r#"{"drying": 5}"#, "correct option `drying`: expected an age such as `5d`"),
        (r#"{"coats-max": -1}"#, "correct option `coats-max`: expected a number of 0 or more, found `-1`"),
        (r#"{"coats-max": 0}"#, "correct option `coats-max`: expected 1 or more, found 0"),
        ("[]", "expected a JSON object of options"),
        ("null", "expected a JSON object of options"),
    ] {
        let refused = invoked(json, &context).await.unwrap_err();
        assert_eq!(refused.error_type, "Reject", "{json}");
        assert!(refused.error_message.contains(message), "{json}: {}", refused.error_message);
    }
}

#[tokio::test]
async fn a_table_that_is_missing_halts() {
    let folder = tempfile::tempdir().unwrap();
    let context = context(&folder, &[("TRIBUTARY_TABLE", "a.b")]);
    let halted = invoked(r#"{"read-table": true}"#, &context).await.unwrap_err();
    assert_eq!(halted.error_type, "Halt");
    assert!(halted.error_message.contains("a.b"), "{}", halted.error_message);
}

#[tokio::test]
async fn a_warm_function_keeps_its_tables_by_name_and_not_without_bound() {
    let folder = tempfile::tempdir().unwrap();
    let process = process(&folder, &[]);
    let connection = tributary_table::connect(&process.settings.catalog, None).unwrap();
    let context = Context::new(Painting::default(), connection, None);
    let mut names = vec!["a.b".to_owned(), "a.b".to_owned()];
    names.extend((0..16).map(|index| format!("a.t{index}")));
    names.push("a.b".to_owned());
    for table in names {
        invoked(&serde_json::json!({"table": table}).to_string(), &context).await.unwrap();
    }
    let tables = context.job().tables.lock().unwrap();
    assert!(Arc::ptr_eq(&tables[0], &tables[1]));
    assert!(!Arc::ptr_eq(&tables[0], tables.last().unwrap()), "sixteen others went between");
}

#[tokio::test]
async fn a_deadline_leaves_time_to_answer_and_a_margin_never_reaches_back_in_time() {
    let mut lambda = lambda_runtime::Context::default();
    lambda.deadline = 1_763_000_061_500;
    let before = Instant::now();
    let deadline = deadline_of(&lambda, 1_763_000_000_000);
    assert!(deadline >= before + Duration::from_secs(60) && deadline <= Instant::now() + Duration::from_secs(60));
    // Clocks of the machine and of Lambda may disagree.
    assert!(deadline_of(&lambda, 1_763_099_000_000) <= Instant::now());

    let folder = tempfile::tempdir().unwrap();
    let connection = tributary_table::connect(&process(&folder, &[]).settings.catalog, None).unwrap();
    let ident = tributary_table::parse_table_name("a.b").unwrap();
    let table = Arc::new(Table::new(ident, Arc::clone(&connection.catalog), connection.store.clone()));
    let invocation = Invocation { table, connection, now_ms: 0, deadline, progress: Arc::new(NoProgress) };
    assert_eq!(invocation.stop_at(Duration::from_secs(20)) + Duration::from_secs(20), deadline);
    assert!(invocation.stop_at(Duration::MAX) <= Instant::now());
}

#[test]
fn the_reference_lists_common_and_own_settings_options_and_metrics() {
    check_options::<Painting>().unwrap();
    let section = FunctionReference::of_job::<Painting>().section();
    for line in [
        "## painting",
        "| `TRIBUTARY_TABLE` | the Iceberg table to work on when the event names none |",
        "| `TRIBUTARY_COLOUR` | of the paint | a colour | `red` |",
        "| `table` | the table to work on | a table name `namespace.name` | environment variable `TRIBUTARY_TABLE` |",
        "| `area` | how much | square metres | all of it |",
        "| `CoatsMade` | Count | coats |",
    ] {
        assert!(section.contains(line), "`{line}` is not in: {section}");
    }
}

/// A job whose declarations lie in every way that is looked for.
struct Lying;

impl ScheduledJob for Lying {
    const NAME: &'static str = "lying";
    const OPTIONS: &'static [EventOption] = &[
        EventOption { default: Some("3"), ..COATS },
        EventOption { default: None, ..DRYING },
        EventOption { name: "gloss", ..AREA },
        AREA,
        AREA,
        EventOption { name: "table", ..AREA },
    ];
    type Options = Options;
    type Report = Report;

    fn from_environment(_environment: &Environment, _aws: Option<&SdkConfig>) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    async fn run(&self, _options: Options, _invocation: &Invocation) -> Result<Report, JobError> {
        Err(JobError::halt("never invoked"))
    }
}

#[test]
fn declarations_that_are_not_what_is_read_are_found() {
    let faults = check_options::<Lying>().unwrap_err();
    for fault in [
        "an option is declared twice",
        "option `table` is declared, and is common to all jobs",
        "option `gloss` is declared and not read",
        "option `read-table` is read and not declared",
        "option `coats-max` is declared with default `3` and has `2`",
        "option `drying` is declared with default `(none)` and has `36h`",
    ] {
        assert!(faults.contains(fault), "`{fault}` is not in: {faults}");
    }
}

struct Miscounted;

impl ReportMetrics for Miscounted {
    const METRICS: &'static [Metric] = &[COATS_MADE];

    fn measurements(&self) -> Vec<Measurement> {
        let undeclared = Metric { name: "Brushes", ..COATS_MADE };
        vec![COATS_MADE.is(1_u32), COATS_MADE.is(2_u32), undeclared.is(1_u32)]
    }
}

#[test]
fn metrics_that_are_not_declared_or_measured_twice_are_found() {
    assert_eq!(check_metrics(&Miscounted).unwrap_err(), "measured twice or not declared: CoatsMade, Brushes");
}
