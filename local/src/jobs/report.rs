//! A job's report as tables: its counts in one, each of its lists in one of its own; all in the order of its declaration.

use std::io;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tributary_function::Fields;

use crate::render::{Grid, Out};

type Row = Fields<Value>;

pub(crate) fn show(title: &str, report: &impl Serialize, out: &mut Out<'_>) -> io::Result<()> {
    let json = serde_json::to_string(report)?;
    let Fields(fields): Fields<Box<RawValue>> = serde_json::from_str(&json)?;
    let mut counts = Grid::new(&["", "value#"]);
    let mut lists = Vec::new();
    for (name, value) in &fields {
        match serde_json::from_str::<Vec<Row>>(value.get()) {
            Ok(rows) if !rows.is_empty() => lists.push((words(name), grid_of(&rows))),
            _ => counts.push(&[words(name), text(&serde_json::from_str(value.get())?)]),
        }
    }
    out.grid(title, &counts)?;
    for (name, grid) in lists {
        out.grid(&name, &grid)?;
    }
    Ok(())
}

/// Rows of one kind: each has the fields of the first.
fn grid_of(rows: &[Row]) -> Grid {
    let numeric =
        |column: usize| rows.iter().all(|Fields(row)| row.get(column).is_some_and(|(_, value)| value.is_number()));
    let first = rows.iter().take(1).flat_map(|Fields(row)| row);
    let columns = first.enumerate().map(|(column, (name, _))| (words(name), numeric(column)));
    let mut grid = Grid::of_columns(columns.collect());
    for Fields(row) in rows {
        grid.push(&row.iter().map(|(_, value)| text(value)).collect::<Vec<_>>());
    }
    grid
}

fn words(name: &str) -> String {
    name.replace(['_', '-'], " ")
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "none".to_owned(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Part {
        partition: &'static str,
        files: u64,
    }

    #[derive(Serialize)]
    struct Report {
        files_rewritten: u64,
        a_reason: Option<String>,
        names: Vec<&'static str>,
        skipped: Vec<Part>,
        remaining: Vec<Part>,
    }

    #[test]
    fn counts_stand_in_one_table_and_each_list_in_its_own() {
        let skipped = vec![Part { partition: "day=1", files: 2 }, Part { partition: "day=2", files: 10 }];
        let report =
            Report { files_rewritten: 7, a_reason: None, names: vec!["a", "b"], skipped, remaining: Vec::new() };
        let mut bytes = Vec::new();
        show("Compaction", &report, &mut Out::new(&mut bytes)).unwrap();
        let shown = String::from_utf8(bytes).unwrap();
        let mut rest = shown.as_str();
        let lines = [
            "Compaction",
            "│ files rewritten ┆     7 │",
            "│ a reason        ┆     - │",
            "│ names           ┆  a, b │",
            "│ remaining       ┆  none │",
            "skipped",
            "│ partition ┆ files │",
            "│ day=1     ┆     2 │",
        ];
        for line in lines {
            let at = rest.find(line).unwrap_or_else(|| panic!("`{line}` is not there, or not in its place:\n{shown}"));
            rest = &rest[at..];
        }
    }
}
