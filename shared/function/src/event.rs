//! The event of a scheduled function: its options as one flat JSON object.
//!
//! Option by option, so that an error names the one at fault and says what it takes.

use std::fmt;
use std::marker::PhantomData;

use iceberg::TableIdent;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tributary_runtime::EventOption;
use tributary_table::parse_table_name;

use crate::job::ScheduledJob;

/// Characters of a wrong value shown in an error's text.
const SHOWN_CHARS_MAX: usize = 100;

/// The option every job has.
pub const TABLE_OPTION: EventOption = EventOption {
    name: "table",
    meaning: "the table to work on",
    values: "a table name `namespace.name`",
    default: Some("environment variable `TRIBUTARY_TABLE`"),
};

/// An event that asks for nothing a job can do.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EventError {
    /// No JSON, or no object.
    #[error(
        "correct the event: expected a JSON object of options such as `{{\"dry-run\": true}}`, found `{found}` ({reason})"
    )]
    NoObject {
        /// The event, or its beginning.
        found: String,
        /// The reader's words.
        reason: String,
    },
    /// An option this job does not have.
    #[error("remove option `{name}` or correct its name: expected one of {known}, found `{name}`")]
    Unknown {
        /// The option.
        name: String,
        /// Those there are.
        known: String,
    },
    /// One option twice.
    #[error("remove one of the options `{name}`: expected each option once, found it twice")]
    Repeated {
        /// The option.
        name: String,
    },
    /// A value the option does not take.
    #[error("correct option `{name}`: expected {expected}, found `{found}` ({reason})")]
    Invalid {
        /// The option.
        name: &'static str,
        /// What it takes.
        expected: &'static str,
        /// Its value, or the beginning of it.
        found: String,
        /// Why it can't be taken.
        reason: String,
    },
    /// Options that are fine one by one, but not together.
    #[error("correct the options: expected options that go together, found `{found}` ({reason})")]
    Together {
        /// The event, or its beginning.
        found: String,
        /// Why not.
        reason: String,
    },
    /// No table named.
    #[error(
        "name a table, by option `{option}` of the event or by environment variable `{setting}`: expected a table name `namespace.name`, found none"
    )]
    NoTable {
        /// The option.
        option: &'static str,
        /// The setting.
        setting: &'static str,
    },
}

/// An event, read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobEvent<O> {
    /// The table it names, if any.
    pub table: Option<TableIdent>,
    /// The options; those it does not have are the defaults.
    pub options: O,
}

/// Reads a job's event. An empty text stands for no options.
///
/// # Errors
/// [`EventError`] names the option at fault, what was expected and what was found.
pub fn parse_event<J: ScheduledJob>(json: &str) -> Result<JobEvent<J::Options>, EventError> {
    parse(json, J::OPTIONS)
}

fn parse<O: DeserializeOwned + Default>(json: &str, known: &[EventOption]) -> Result<JobEvent<O>, EventError> {
    if json.trim().is_empty() {
        return Ok(JobEvent { table: None, options: O::default() });
    }
    let fields: Fields<Value> = serde_json::from_str(json)
        .map_err(|error| EventError::NoObject { found: shown(json), reason: error.to_string() })?;
    let mut options = Map::new();
    let mut table = None;
    for (name, value) in fields.0 {
        if table.is_some() && name == TABLE_OPTION.name || options.contains_key(&name) {
            return Err(EventError::Repeated { name });
        } else if name == TABLE_OPTION.name {
            table = Some(table_of(&value)?);
        } else if known.iter().any(|option| option.name == name) {
            options.insert(name, value);
        } else {
            return Err(EventError::Unknown { name, known: names(known) });
        }
    }
    Ok(JobEvent { table, options: options_of(options, known)? })
}

fn table_of(value: &Value) -> Result<TableIdent, EventError> {
    let parsed = match value {
        Value::String(text) => parse_table_name(text).map_err(|error| error.to_string()),
        _ => Err("not a text".to_owned()),
    };
    parsed.map_err(|reason| invalid(&TABLE_OPTION, value, reason))
}

fn options_of<O: DeserializeOwned>(options: Map<String, Value>, known: &[EventOption]) -> Result<O, EventError> {
    let all = Value::Object(options.clone());
    let found = shown(&all.to_string());
    serde_json::from_value(all).map_err(|error| {
        let together = EventError::Together { found, reason: error.to_string() };
        known.iter().find_map(|option| fault_alone::<O>(option, &options)).unwrap_or(together)
    })
}

/// What is wrong with one option, as if the event had no other.
fn fault_alone<O: DeserializeOwned>(option: &EventOption, options: &Map<String, Value>) -> Option<EventError> {
    let value = options.get(option.name)?;
    let alone = Map::from_iter([(option.name.to_owned(), value.clone())]);
    let error = serde_json::from_value::<O>(Value::Object(alone)).err()?;
    Some(invalid(option, value, error.to_string()))
}

fn invalid(option: &EventOption, value: &Value, reason: String) -> EventError {
    EventError::Invalid { name: option.name, expected: option.values, found: shown(&value.to_string()), reason }
}

fn names(known: &[EventOption]) -> String {
    let names = [&TABLE_OPTION].into_iter().chain(known).map(|option| format!("`{}`", option.name));
    names.collect::<Vec<_>>().join(", ")
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// The fields of a JSON object as they stand: in their order, and both of two that have one name.
#[derive(Debug, Clone)]
pub struct Fields<V>(pub Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Fields<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor(PhantomData))
    }
}

struct FieldsVisitor<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for FieldsVisitor<V> {
    type Value = Fields<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<V>, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
    struct Options {
        dry_run: bool,
        #[serde(rename = "partial-progress.max-commits")]
        max_commits: u32,
        max_ratio: Option<f64>,
    }

    impl Default for Options {
        fn default() -> Self {
            Self { dry_run: false, max_commits: 10, max_ratio: None }
        }
    }

    const fn option(name: &'static str, values: &'static str) -> EventOption {
        EventOption { name, meaning: "", values, default: None }
    }

    const KNOWN: &[EventOption] = &[
        option("dry-run", "`true` or `false`"),
        option("partial-progress.max-commits", "a number of 1 or more"),
        option("max-ratio", "a ratio from 0 to 1"),
    ];

    fn parsed(json: &str) -> Result<JobEvent<Options>, EventError> {
        parse(json, KNOWN)
    }

    fn error(json: &str) -> String {
        parsed(json).unwrap_err().to_string()
    }

    #[test]
    fn no_options_are_the_defaults() {
        for json in ["", "  ", "{}", " {} "] {
            assert_eq!(parsed(json).unwrap(), JobEvent { table: None, options: Options::default() }, "{json}");
        }
    }

    #[test]
    fn options_and_table_are_read_and_the_rest_stays_default() {
        let event = parsed(r#"{"partial-progress.max-commits": 3, "table": "a.b", "max-ratio": 0.5}"#).unwrap();
        assert_eq!(event.table, Some(parse_table_name("a.b").unwrap()));
        assert_eq!(event.options, Options { max_commits: 3, max_ratio: Some(0.5), ..Options::default() });
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for json in ["[]", "null", "1", "\"dry-run\"", "{", "{\"dry-run\": tru}"] {
            let error = error(json);
            assert!(error.starts_with("correct the event: expected a JSON object of options"), "{error}");
            assert!(error.contains(&format!("found `{json}`")), "{error}");
        }
    }

    #[test]
    fn an_unknown_option_is_named_with_those_there_are() {
        assert_eq!(
            error(r#"{"dry_run": true}"#),
            "remove option `dry_run` or correct its name: expected one of `table`, `dry-run`, \
             `partial-progress.max-commits`, `max-ratio`, found `dry_run`"
        );
    }

    #[test]
    fn a_wrong_type_is_named_with_what_the_option_takes() {
        assert_eq!(
            error(r#"{"dry-run": true, "partial-progress.max-commits": "many"}"#),
            "correct option `partial-progress.max-commits`: expected a number of 1 or more, found `\"many\"` \
             (invalid type: string \"many\", expected u32)"
        );
        for json in [r#"{"table": 7}"#, r#"{"table": "events"}"#, r#"{"table": null}"#] {
            assert!(error(json).starts_with("correct option `table`: expected a table name"), "{json}");
        }
    }

    #[test]
    fn an_option_given_twice_is_refused() {
        for json in [r#"{"dry-run": true, "dry-run": false}"#, r#"{"table": "a.b", "table": "c.d"}"#] {
            assert!(error(json).contains("expected each option once"), "{json}");
        }
    }

    #[test]
    fn a_long_value_is_shown_by_its_beginning() {
        let error = error(&format!(r#"{{"dry-run": "{}"}}"#, "é".repeat(10_000)));
        assert!(error.contains("é..."), "{error}");
    }
}
