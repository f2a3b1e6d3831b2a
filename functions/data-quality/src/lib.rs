//! The data-quality function: rules checked against a table on a schedule.
//!
//! event -> rules -> what is known of earlier runs -> checks -> alerts -> results table -> report, as answer, log line and metrics
//!
//! An alert is sent **before** the results are recorded: a crash between the two repeats an alert, and never loses one, since
//! the next run does not know of it yet (as dead letters go before the commit, design D5).

mod options;
mod report;
mod rules_source;
mod settings;
mod topic;

use std::collections::HashSet;

use aws_config::SdkConfig;
use iceberg::TableIdent;
use tributary_function::{Invocation, JobError, ScheduledJob};
use tributary_quality::{
    Alert, CheckRequest, CheckRun, Memory, Notice, ResultsError, ResultsTable, Rules, check, plan_alerts, unreadable,
};
use tributary_runtime::{ConfigError, Environment, EventOption, Setting};
use tributary_table::{Remedy, TableError, format_table_name, parse_table_name};

pub use options::{OPTIONS, Options};
pub use report::Report;
pub use rules_source::RulesSourceError;
pub use topic::{Topic, TopicError};

/// The job: where its rules, its memory and its alerts are.
#[derive(Debug, Clone, Default)]
pub struct DataQuality {
    /// Location of the rules, for events that have none in them.
    pub rules: Option<String>,
    /// Where alerts go; `None`: nowhere.
    pub topic: Option<Topic>,
    /// The table results are appended to; `None`: no memory, so every result but PASS is alerted.
    pub results_table: Option<TableIdent>,
}

impl ScheduledJob for DataQuality {
    const NAME: &'static str = "data-quality";
    const SETTINGS: &'static [Setting] = settings::SETTINGS;
    const OPTIONS: &'static [EventOption] = OPTIONS;

    type Options = Options;
    type Report = Report;

    fn from_environment(environment: &Environment, aws: Option<&SdkConfig>) -> Result<Self, ConfigError> {
        let results_table = environment
            .read(&settings::RESULTS_TABLE, |text| parse_table_name(text).map_err(|error| error.to_string()))?;
        let topic = environment.read(&settings::ALERT_TOPIC, |arn| Topic::try_new(arn, aws))?;
        Ok(Self { rules: environment.optional(&settings::RULES)?, topic, results_table })
    }

    async fn run(&self, options: Options, invocation: &Invocation) -> Result<Report, JobError> {
        let table = format_table_name(invocation.table.ident());
        let rules = Box::pin(rules_source::rules(options.rules.as_ref(), self.rules.as_deref(), invocation)).await?;
        rules_source::refuse_other_table(&rules, &table)?;
        let results = self.results_table.clone().map(|ident| ResultsTable::new(ident, &invocation.connection));
        // Boxed: the futures are deep, and the compiler's patience with their layout is not.
        let (memory, fault) = Box::pin(remembered(results.as_ref(), &rules, &table)).await;
        rules_source::refuse_since_without_memory(&rules, &memory)?;
        let run = Box::pin(checked(&options, &rules, &memory, invocation)).await;
        let alerts = plan_alerts(&run.results, &memory, options.remind_after, invocation.now_ms);
        let sent = Box::pin(self.alert(&table, &alerts, &options, invocation)).await?;
        if let Some(fault) = fault {
            return Err(fault);
        }
        let mut recorded = 0;
        if let Some(results) = results.filter(|_| !options.dry_run) {
            let alerted = alerted_at(&run, &alerts, &memory, sent > 0, invocation.now_ms);
            let done = results.append(&table, &run.results, &alerted, invocation.now_ms, invocation.deadline);
            Box::pin(done).await.map_err(job_error)?;
            recorded = run.results.len() as u64;
        }
        Ok(Report::of(run, sent, recorded))
    }
}

impl DataQuality {
    /// Publishes what is news, in one message. How many alerts were in it.
    async fn alert(
        &self,
        table: &str,
        alerts: &[Option<Alert>],
        options: &Options,
        invocation: &Invocation,
    ) -> Result<u64, JobError> {
        let news: Vec<Alert> = alerts.iter().flatten().cloned().collect();
        match (&self.topic, Notice::of(table, &news, invocation.now_ms)) {
            (Some(topic), Some(notice)) if !options.dry_run => {
                topic.publish(table, &notice, invocation.deadline).await.map_err(JobError::retry)?;
                Ok(news.len() as u64)
            }
            _ => Ok(0),
        }
    }
}

/// What is known of earlier runs, and the failure that the invocation ends with if that can't be read: the checks and their alerts
/// come first all the same.
async fn remembered(results: Option<&ResultsTable>, rules: &Rules, table: &str) -> (Memory, Option<JobError>) {
    let Some(results) = results else { return (Memory::None, None) };
    let names: HashSet<String> = rules.checks.iter().map(ToString::to_string).collect();
    match results.last_results(table, &names).await {
        Ok(last) => (Memory::Known(last), None),
        Err(error) => (Memory::Unknown { reason: error.to_string() }, Some(job_error(error))),
    }
}

/// A table that can't be read is a finding too: above all, its heartbeat has failed.
async fn checked(options: &Options, rules: &Rules, memory: &Memory, invocation: &Invocation) -> CheckRun {
    let kinds = options.checks.as_deref();
    let state = match invocation.table.refresh().await {
        Ok(state) => state,
        Err(error) => return unreadable(rules, kinds, memory, &error.to_string()),
    };
    check(CheckRequest {
        table: &invocation.table,
        state: &state,
        rules,
        kinds,
        memory,
        files_max: options.max_files_to_read,
        now_ms: invocation.now_ms,
        stop_at: invocation.stop_at(options.deadline_margin()),
    })
    .await
}

/// When somebody was last told of each result's state, to be remembered with it.
fn alerted_at(
    run: &CheckRun,
    alerts: &[Option<Alert>],
    memory: &Memory,
    was_sent: bool,
    now_ms: i64,
) -> Vec<Option<i64>> {
    let of = |(result, alert): (&tributary_quality::CheckResult, &Option<Alert>)| match alert {
        Some(_) if was_sent => Some(now_ms),
        Some(_) => None,
        None => memory.last_of(result).and_then(|last| last.alerted_at_ms),
    };
    run.results.iter().zip(alerts).map(of).collect()
}

fn job_error(error: ResultsError) -> JobError {
    match &error {
        ResultsError::Table(table) => match TableError::remedy(table) {
            Remedy::Retry => JobError::retry(error),
            Remedy::Halt => JobError::halt(error),
        },
        ResultsError::Columns { .. } => JobError::halt(error),
        ResultsError::Read { .. } | ResultsError::Unsettled { .. } => JobError::retry(error),
    }
}
