//! A job's event options as options of its command.

use std::marker::PhantomData;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};
use iceberg::TableIdent;
use serde_json::{Map, Value};
use tributary_function::{Age, ScheduledJob};
use tributary_runtime::EventOption;

use super::{JobCommand, LocalJob};
use crate::cli::table_name;

const TABLE: &str = "table";
const EVENT: &str = "event";
const TIME_LIMIT: &str = "time-limit";
const JSON: &str = "json";
/// Above clap's own headings, so that a job's options stand together.
const HEADING: &str = "Options of the function's event";

impl<L: LocalJob> Args for JobCommand<L> {
    fn augment_args(command: Command) -> Command {
        let table =
            Arg::new(TABLE).value_name("NAMESPACE.NAME").required(true).value_parser(table_name).help("The table");
        let event = Arg::new(EVENT)
            .long(EVENT)
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("Take options from a file with the function's event; those given here go before it");
        let limit = Arg::new(TIME_LIMIT)
            .long(TIME_LIMIT)
            .value_name("AGE")
            .value_parser(value_parser!(Age))
            .help("How long the job may work, such as `15m` (the default): it stops at whole units of work before");
        let json =
            Arg::new(JSON).long(JSON).action(ArgAction::SetTrue).help("Print the report as one JSON object, no table");
        let own = own_options::<L>().map(argument);
        command.arg(table).args(own).arg(event).arg(limit).arg(json)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn own_options<L: LocalJob>() -> impl Iterator<Item = &'static EventOption> {
    let fixed = L::FIXED.map(|(name, _)| name);
    L::Job::OPTIONS.iter().filter(move |option| Some(option.name) != fixed)
}

fn argument(option: &'static EventOption) -> Arg {
    let default = option.default.map_or_else(String::new, |default| format!(" [default: {default}]"));
    let argument = Arg::new(option.name)
        .long(option.name)
        .value_name("VALUE")
        .allow_hyphen_values(true)
        .help_heading(HEADING)
        .help(format!("{}: {}{default}", option.meaning, option.values));
    match option.values.contains("`true`") {
        // A flag alone says yes.
        true => argument.num_args(0..=1).require_equals(true).default_missing_value("true"),
        false => argument,
    }
}

impl<L: LocalJob> FromArgMatches for JobCommand<L> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let table = matches.get_one::<TableIdent>(TABLE).cloned();
        let missing = || clap::Error::raw(clap::error::ErrorKind::MissingRequiredArgument, "name the table\n");
        let options = own_options::<L>()
            .filter_map(|option| Some((option.name.to_owned(), json_value(matches.get_one::<String>(option.name)?))));
        Ok(Self {
            table: table.ok_or_else(missing)?,
            options: options.collect::<Map<_, _>>(),
            event: matches.get_one(EVENT).cloned(),
            time_limit: matches.get_one(TIME_LIMIT).copied(),
            json: matches.get_flag(JSON),
            job: PhantomData,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// A value as the event would have it: numbers, `true`, `false`, lists and objects as themselves, everything else as text.
fn json_value(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(Value::Null | Value::String(_)) | Err(_) => Value::String(text.to_owned()),
        Ok(value) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_the_event_would_have() {
        for (text, value) in [
            ("7", Value::from(7)),
            ("0.5", Value::from(0.5)),
            ("true", Value::from(true)),
            ("5d", Value::from("5d")),
            ("null", Value::from("null")),
            ("\"x\"", Value::from("\"x\"")),
            ("[\"heartbeat\"]", serde_json::json!(["heartbeat"])),
        ] {
            assert_eq!(json_value(text), value, "{text}");
        }
    }
}
