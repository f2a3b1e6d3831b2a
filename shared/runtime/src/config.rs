//! Settings from environment variables: declared once, read once, documented from the declaration.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

/// One setting of a function, as its documentation shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Name of the environment variable.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub meaning: &'static str,
    /// What values it takes, with their unit and bounds.
    pub values: &'static str,
    /// What holds when it is not set; `None` for a required setting.
    pub default: Option<&'static str>,
}

/// A setting that is missing or can't be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// A required setting is not set.
    #[error("set environment variable `{name}` ({meaning}): expected {values}, found nothing")]
    Missing {
        /// Name of the variable.
        name: &'static str,
        /// What it does.
        meaning: &'static str,
        /// What it takes.
        values: &'static str,
    },
    /// A value that can't be read.
    #[error("correct environment variable `{name}`: expected {values}, found `{found}` ({reason})")]
    Invalid {
        /// Name of the variable.
        name: &'static str,
        /// What it takes.
        values: &'static str,
        /// Its value.
        found: String,
        /// Why it can't be read.
        reason: String,
    },
}

/// Environment variables, of the process or of a test.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// The process's own. Variables that are no Unicode are left out.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn of_process() -> Self {
        let unicode =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self { variables: unicode.collect() }
    }

    /// Given ones.
    pub fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let owned = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { variables: owned.collect() }
    }

    /// Whether the function runs in AWS Lambda itself (or in an emulator that says so).
    pub fn is_lambda(&self) -> bool {
        self.is_set("AWS_LAMBDA_FUNCTION_NAME")
    }

    /// Whether an AWS region is named, as it always is in Lambda.
    pub fn has_aws_region(&self) -> bool {
        self.is_set("AWS_REGION") || self.is_set("AWS_DEFAULT_REGION")
    }

    /// Whether a variable is there at all.
    pub fn is_set(&self, name: &str) -> bool {
        self.variables.contains_key(name)
    }

    /// The text of a setting; one that is set to nothing counts as not set.
    fn text(&self, setting: &Setting) -> Option<&str> {
        self.variables
            .get(setting.name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
            .or(setting.default)
            .filter(|value| !value.is_empty())
    }

    /// A setting that must be there (or have a default).
    pub fn required<T>(&self, setting: &Setting) -> Result<T, ConfigError>
    where
        T: FromStr,
        T::Err: Display,
    {
        let missing = ConfigError::Missing { name: setting.name, meaning: setting.meaning, values: setting.values };
        self.optional(setting)?.ok_or(missing)
    }

    /// A setting that may be left out.
    pub fn optional<T>(&self, setting: &Setting) -> Result<Option<T>, ConfigError>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.read(setting, |text| text.parse::<T>().map_err(|error| error.to_string()))
    }

    /// A setting read by a function of the caller's.
    pub fn read<T>(
        &self,
        setting: &Setting,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.text(setting) else { return Ok(None) };
        let invalid = |reason| ConfigError::Invalid {
            name: setting.name,
            values: setting.values,
            found: text.to_owned(),
            reason,
        };
        parse(text).map(Some).map_err(invalid)
    }
}

/// The settings as a Markdown table, for the generated page.
pub fn settings_table(settings: &[Setting]) -> String {
    let mut table = String::from("| variable | what it does | values | default |\n|---|---|---|---|\n");
    for setting in settings {
        let default = match setting.default {
            None => "(required)".to_owned(),
            Some("") => "(none)".to_owned(),
            Some(value) => format!("`{value}`"),
        };
        let (meaning, values) = (cell(setting.meaning), cell(setting.values));
        table.push_str(&format!("| `{}` | {meaning} | {values} | {default} |\n", setting.name));
    }
    table
}

/// Text of a table's cell: a bar would end it.
pub(crate) fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORT: Setting =
        Setting { name: "PORT", meaning: "where it listens", values: "a port, 0 to 65535", default: None };
    const PLACE: Setting = Setting { name: "PLACE", meaning: "where it is", values: "a name", default: Some("here") };

    #[test]
    fn a_missing_setting_says_what_it_takes() {
        let error = Environment::default().required::<u16>(&PORT).unwrap_err().to_string();
        assert_eq!(
            error,
            "set environment variable `PORT` (where it listens): expected a port, 0 to 65535, found nothing"
        );
    }

    #[test]
    fn a_wrong_value_is_named_with_what_was_expected() {
        let error = Environment::of([("PORT", "70000")]).required::<u16>(&PORT).unwrap_err().to_string();
        assert!(
            error.starts_with("correct environment variable `PORT`: expected a port, 0 to 65535, found `70000`"),
            "{error}"
        );
    }

    #[test]
    fn a_default_holds_when_nothing_or_blank_is_set() {
        assert_eq!(Environment::default().required::<String>(&PLACE).unwrap(), "here");
        assert_eq!(Environment::of([("PLACE", "  ")]).required::<String>(&PLACE).unwrap(), "here");
        assert_eq!(Environment::of([("PLACE", "there")]).required::<String>(&PLACE).unwrap(), "there");
    }

    #[test]
    fn the_table_shows_required_and_default() {
        let table = settings_table(&[PORT, PLACE]);
        assert!(table.contains("| `PORT` | where it listens | a port, 0 to 65535 | (required) |"), "{table}");
        assert!(table.contains("| `here` |"), "{table}");
    }
}
