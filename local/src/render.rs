//! Everything that is printed goes through here: lines, headings, tables and the JSON line.

use std::io::{self, Write};

use comfy_table::{CellAlignment, Table, presets};

/// Longer cells are cut: a table must stay readable on a terminal.
const CELL_CHARS_MAX: usize = 48;

/// Where the program's answers go; never its logs or errors.
pub struct Out<'a> {
    writer: &'a mut (dyn Write + 'a),
}

impl std::fmt::Debug for Out<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Out").finish_non_exhaustive()
    }
}

impl<'a> Out<'a> {
    /// Prints to `writer`: standard output, or a test's buffer.
    pub fn new(writer: &'a mut (dyn Write + 'a)) -> Self {
        Self { writer }
    }

    /// One line.
    ///
    /// # Errors
    /// The writer's own, as for all that follows.
    pub fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        writeln!(self.writer, "{}", text.as_ref())
    }

    /// A numbered step and the sentence that says what it proves.
    ///
    /// # Errors
    /// The writer's own.
    pub fn step(&mut self, number: usize, title: &str, proves: &str) -> io::Result<()> {
        writeln!(self.writer, "\n{number}. {title}\n   {proves}")?;
        // A step may take a moment: its heading is there while it runs, also in a pipe.
        self.writer.flush()
    }

    /// A table below its title, which stands apart from what was printed before.
    ///
    /// # Errors
    /// The writer's own.
    pub fn grid(&mut self, title: &str, grid: &Grid) -> io::Result<()> {
        writeln!(self.writer, "\n{title}\n{}", grid.to_text())
    }

    /// One JSON object on a line of its own.
    ///
    /// # Errors
    /// The writer's own.
    pub fn json(&mut self, value: &impl serde::Serialize) -> io::Result<()> {
        let text = serde_json::to_string(value).map_err(io::Error::other)?;
        writeln!(self.writer, "{text}")?;
        self.writer.flush()
    }
}

/// Rows of text under a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    header: Vec<String>,
    /// By column: whether its cells are aligned to the right.
    numeric: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    /// A table without rows. A header that ends in `#` is that of a numeric column, aligned to the
    /// right; the `#` is not shown.
    pub fn new<T: AsRef<str>>(header: &[T]) -> Self {
        let numeric = header.iter().map(|name| name.as_ref().ends_with('#')).collect();
        let header = header.iter().map(|name| printable(name.as_ref().trim_end_matches('#'))).collect();
        Self { header, numeric, rows: Vec::new() }
    }

    /// A table of data: columns by name, and whether each is numeric.
    pub fn of_columns(columns: Vec<(String, bool)>) -> Self {
        let (header, numeric): (Vec<String>, Vec<bool>) = columns.into_iter().unzip();
        Self { header: header.iter().map(|name| printable(name)).collect(), numeric, rows: Vec::new() }
    }

    /// Adds a row, a cell for each column.
    pub fn push<T: AsRef<str>>(&mut self, row: &[T]) {
        self.rows.push(row.iter().map(|cell| printable(cell.as_ref())).collect());
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn to_text(&self) -> String {
        if self.rows.is_empty() {
            return "(none)".to_owned();
        }
        let mut table = Table::new();
        table.load_preset(presets::UTF8_FULL_CONDENSED).set_header(&self.header).add_rows(&self.rows);
        for (column, numeric) in table.column_iter_mut().zip(&self.numeric) {
            if *numeric {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.to_string()
    }
}

/// A cell's text on one line, cut, and without control characters: data must not steer a terminal.
fn printable(text: &str) -> String {
    let mut shown = String::new();
    for (index, next) in text.chars().enumerate() {
        if index == CELL_CHARS_MAX {
            shown.push('…');
            break;
        }
        if next.is_control() {
            shown.extend(next.escape_default());
        } else {
            shown.push(next);
        }
    }
    shown
}

/// A time as text: UTC, with milliseconds; the bare number where it is out of the calendar.
pub fn time_text(time_ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(time_ms)
        .map_or_else(|| time_ms.to_string(), |time| time.format("%Y-%m-%d %H:%M:%S%.3f").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_long_cells_are_cut() {
        assert_eq!(printable("a\n\u{1b}[31mb"), "a\\n\\u{1b}[31mb");
        let long = printable(&"é".repeat(49));
        assert_eq!((long.chars().count(), long.ends_with('…')), (49, true));
        assert_eq!(printable(&"é".repeat(48)), "é".repeat(48));
    }

    #[test]
    fn a_grid_shows_its_header_and_rows_with_numbers_to_the_right() {
        let mut grid = Grid::new(&["name", "count#"]);
        grid.push(&["a", "7"]);
        let mut bytes = Vec::new();
        Out::new(&mut bytes).grid("Things", &grid).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with("\nThings\n┌"), "{text}");
        assert!(text.contains("│ name ┆ count │"), "{text}");
        assert!(text.contains("│ a    ┆     7 │"), "{text}");
        assert_eq!(Grid::new(&["a"]).to_text(), "(none)");
    }

    #[test]
    fn times_are_shown_in_utc() {
        assert_eq!(time_text(1_763_000_000_123), "2025-11-13 02:13:20.123");
        assert_eq!(time_text(i64::MAX), i64::MAX.to_string());
    }
}
