//! Options that an event carries: documented from one declaration, as settings are.

use crate::config::cell;

/// One option of a scheduled function's event, as its documentation shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventOption {
    /// Its key in the event's JSON object.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub meaning: &'static str,
    /// What values it takes, with their unit and bounds.
    pub values: &'static str,
    /// What holds when the event has no such key: the value itself, or words where it depends on something else; `None`
    /// where there is none.
    pub default: Option<&'static str>,
}

/// The options as a Markdown table, for the generated page.
pub fn options_table(options: &[EventOption]) -> String {
    let mut table = String::from("| option | meaning | values | default |\n|---|---|---|---|\n");
    for option in options {
        let default = option.default.map_or_else(|| "(none)".to_owned(), default_cell);
        let (meaning, values) = (cell(option.meaning), cell(option.values));
        table.push_str(&format!("| `{}` | {meaning} | {values} | {default} |\n", option.name));
    }
    table
}

/// A value stands as code, words stand as they are.
fn default_cell(default: &str) -> String {
    match default.contains([' ', '`']) {
        true => cell(default),
        false => format!("`{}`", cell(default)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_values_as_code_and_words_as_words() {
        let option = |name, default| EventOption { name, meaning: "what it does", values: "`a` | `b`", default };
        let table = options_table(&[
            option("strategy", Some("a")),
            option("target", Some("table property `x`, else 5")),
            option("limit", None),
        ]);
        assert_eq!(
            table,
            "| option | meaning | values | default |\n|---|---|---|---|\n\
             | `strategy` | what it does | `a` \\| `b` | `a` |\n\
             | `target` | what it does | `a` \\| `b` | table property `x`, else 5 |\n\
             | `limit` | what it does | `a` \\| `b` | (none) |\n"
        );
    }
}
