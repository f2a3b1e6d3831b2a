//! A job's report as tables: its counts in one, each of its lists in one of its own.

use std::io;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::render::{Grid, Out};

pub(crate) fn show(title: &str, report: &impl Serialize, out: &mut Out<'_>) -> io::Result<()> {
    let report = serde_json::to_value(report).map_err(io::Error::other)?;
    let Value::Object(fields) = report else { return out.line(format!("{title}: {report}")) };
    let (lists, counts): (Map<_, _>, Map<_, _>) = fields.into_iter().partition(|(_, value)| is_rows(value));
    let mut grid = Grid::new(&["", "value#"]);
    for (name, value) in &counts {
        grid.push(&[words(name), text(value)]);
    }
    out.grid(title, &grid)?;
    for (name, rows) in lists.iter().filter_map(|(name, value)| Some((name, value.as_array()?))) {
        out.grid(&words(name), &grid_of(rows))?;
    }
    Ok(())
}

fn is_rows(value: &Value) -> bool {
    value.as_array().is_some_and(|rows| !rows.is_empty() && rows.iter().all(Value::is_object))
}

fn grid_of(rows: &[Value]) -> Grid {
    let first = rows.first().and_then(Value::as_object);
    let columns: Vec<&String> = first.into_iter().flat_map(Map::keys).collect();
    let numeric = |name: &String| rows.iter().all(|row| row[name].is_number());
    let mut grid = Grid::of_columns(columns.iter().map(|name| (words(name), numeric(name))).collect());
    for row in rows {
        grid.push(&columns.iter().map(|name| text(&row[name.as_str()])).collect::<Vec<_>>());
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
    use serde_json::json;

    use super::*;

    #[test]
    fn counts_stand_in_one_table_and_each_list_in_its_own() {
        let report = json!({
            "files_rewritten": 7, "reason": null, "names": ["a", "b"],
            "skipped": [{"partition": "day=1", "files": 2}, {"partition": "day=2", "files": 10}],
        });
        let mut bytes = Vec::new();
        show("Compaction", &report, &mut Out::new(&mut bytes)).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        for shown in [
            "Compaction",
            "│ files rewritten ┆     7 │",
            "│ names           ┆  a, b │",
            "skipped",
            "│ day=1     ┆     2 │",
        ] {
            assert!(text.contains(shown), "`{shown}` is not in:\n{text}");
        }
    }
}
