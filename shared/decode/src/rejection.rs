//! Why one record was refused, in words that a producer's owner can act on.

use std::fmt;

/// Longest excerpt of a record's own text in a message, in characters, the ellipsis included.
pub const FOUND_CHARS_MAX: usize = 64;

/// One record's refusal: where, what was expected, what stood there.
///
/// The same record is refused by the same words each time, so a repeated dead letter can be recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    column: Option<String>,
    expected: String,
    found: String,
}

impl Rejection {
    pub(crate) fn new(column: Option<String>, expected: String, found: String) -> Self {
        Self { column, expected, found }
    }

    /// Path of the column, as `address.zip`, `tags[3]` or `attrs["k"]`; `None` when the record as a whole is at fault.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        self.column.as_deref()
    }

    /// What the schema allows there, as `int` or `date (a day of that month)`.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// What the record holds there, as `string "x"`; excerpts are escaped and end after [`FOUND_CHARS_MAX`] characters.
    #[must_use]
    pub fn found(&self) -> &str {
        &self.found
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "column `{column}`: ")?,
            None => write!(f, "record: ")?,
        }
        write!(f, "expected {}, found {}", self.expected, self.found)
    }
}

impl std::error::Error for Rejection {}

/// `text` on one printable line of at most [`FOUND_CHARS_MAX`] characters: a hostile value can neither flood nor forge
/// a log line. No escape sequence is cut in half.
pub(crate) fn excerpt(text: &str) -> String {
    let mut shown = String::new();
    let mut shown_chars = 0;
    let mut rest = text.chars();
    while let Some(char) = rest.next() {
        let escaped: String = if char == '\'' { char.into() } else { char.escape_debug().collect() };
        let room = FOUND_CHARS_MAX - usize::from(!rest.as_str().is_empty());
        shown_chars += escaped.chars().count();
        if shown_chars > room {
            shown.push('…');
            break;
        }
        shown.push_str(&escaped);
    }
    shown
}

/// How a message shows a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    format!("string \"{}\"", excerpt(text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_text_is_shown_whole() {
        assert_eq!(quoted("it's"), r#"string "it's""#);
        assert_eq!(excerpt(&"x".repeat(FOUND_CHARS_MAX)), "x".repeat(FOUND_CHARS_MAX));
    }

    #[test]
    fn a_long_text_ends_in_an_ellipsis_at_the_bound() {
        let shown = excerpt(&"é".repeat(FOUND_CHARS_MAX + 1));
        assert_eq!(shown, format!("{}…", "é".repeat(FOUND_CHARS_MAX - 1)));
    }

    #[test]
    fn line_breaks_quotes_and_terminal_escapes_are_made_visible() {
        assert_eq!(excerpt("a\n\"\u{1b}["), r#"a\n\"\u{1b}["#);
    }

    proptest! {
        #[test]
        fn an_excerpt_is_bounded_and_printable(text in any::<String>()) {
            let shown = excerpt(&text);
            prop_assert!(shown.chars().count() <= FOUND_CHARS_MAX);
            prop_assert!(!shown.chars().any(char::is_control));
        }
    }
}
