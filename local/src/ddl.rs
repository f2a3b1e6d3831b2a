//! A table's columns and partitioning as text: `id long not null, tags list<string>` and
//! `day(ts), bucket(16, id)`.
//!
//! Types have the names of the Iceberg specification ("Schemas and Data Types"), transforms those
//! of its section "Partition Transforms". Keywords are taken in any case; a name with other
//! characters than letters, digits and `_` stands in backticks or double quotes.
//!
//! ```text
//! columns   = column { "," column }
//! column    = name type [ "not" "null" ] [ "comment" 'text' ]
//! type      = primitive | "list" "<" element ">" | "map" "<" type "," element ">"
//!           | "struct" "<" field { "," field } ">"
//! element   = type [ "not" "null" ]
//! field     = name [ ":" ] type [ "not" "null" ] [ "comment" 'text' ]
//! partition = term { "," term }
//! term      = ( "bucket" | "truncate" ) "(" number "," path ")"
//!           | ( "year" | "month" | "day" | "hour" | "void" | "identity" ) "(" path ")"
//!           | "identity" path | path
//! path      = name { "." name }
//! ```

mod lexer;
mod parser;
mod partition;
mod text;

use std::str::FromStr;

use iceberg::spec::{Schema, Type};

use parser::Parser;
pub use partition::PartitionTerms;
pub use text::{columns_text, type_text};

/// Text that is no column list, type or partitioning.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("correct the text at character {at}: expected {expected}, found {found}")]
pub struct DdlError {
    /// Character of the text, from 1.
    at: usize,
    expected: String,
    found: String,
}

/// The columns of a new table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnList {
    /// The columns with field ids from 1 on, and schema id 0.
    pub schema: Schema,
}

impl FromStr for ColumnList {
    type Err = DdlError;

    /// Reads a column list.
    ///
    /// # Errors
    /// [`DdlError`] with the character that is wrong.
    fn from_str(text: &str) -> Result<Self, DdlError> {
        let mut parser = Parser::of(text)?;
        let fields = parser.columns()?;
        parser.end("`,` and another column, or the end")?;
        let schema = Schema::builder().with_fields(fields).build();
        let invalid = |error: iceberg::Error| DdlError {
            at: 1,
            expected: "columns of a valid schema".to_owned(),
            found: error.message().to_owned(),
        };
        Ok(Self { schema: schema.map_err(invalid)? })
    }
}

/// The type of a new column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnType {
    /// The type; nested fields have ids from 1 on.
    pub field_type: Type,
}

impl FromStr for ColumnType {
    type Err = DdlError;

    /// Reads a type.
    ///
    /// # Errors
    /// [`DdlError`] with the character that is wrong.
    fn from_str(text: &str) -> Result<Self, DdlError> {
        let mut parser = Parser::of(text)?;
        let field_type = parser.field_type(0)?;
        parser.end("the end of the type")?;
        Ok(Self { field_type })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(text: &str) -> Schema {
        text.parse::<ColumnList>().unwrap().schema
    }

    fn column_error(text: &str) -> String {
        text.parse::<ColumnList>().unwrap_err().to_string()
    }

    #[test]
    fn every_type_reads_back_what_it_prints() {
        for text in [
            "a boolean, b int, c long not null, d float, e double",
            "a decimal(12, 2), b decimal(38, 38), c fixed(16), d binary, e uuid, f string",
            "a date, b time, c timestamp, d timestamptz, e timestamp_ns, f timestamptz_ns",
            "a list<string not null>, b map<string, long not null>, c map<int, list<double>> not null",
            "a struct<city: string not null, at: struct<lat: double, lon: double>>, b long",
            "`user-id` long not null, `a``b` struct<`x.y`: int comment 'it''s x'> comment 'odd, names'",
        ] {
            let schema = columns(text);
            assert_eq!(columns_text(&schema), text);
            assert_eq!(columns(&columns_text(&schema)), schema);
        }
    }

    #[test]
    fn synonyms_spacing_and_case_make_no_difference() {
        let usual = columns("a long not null, b timestamptz, c timestamp, d list<int>, e fixed(3)");
        let other = columns(
            "A0 BIGINT NOT NULL ,b Timestamp WITH time zone, c timestamp without time zone,\n d array< integer >, e fixed[3]",
        );
        assert_eq!(columns_text(&other), columns_text(&usual).replacen('a', "A0", 1));
        assert_eq!(columns("a struct<b int, c: int>"), columns("a struct<b: int, c int>"));
        assert_eq!(columns("\"a b\" int"), columns("`a b` int"));
    }

    #[test]
    fn columns_may_be_named_like_types_and_keywords() {
        let schema = columns("list list<int>, not int not null, comment string comment 'c'");
        assert_eq!(columns_text(&schema), "list list<int>, not int not null, comment string comment 'c'");
    }

    #[test]
    fn field_ids_differ_and_start_at_1() {
        let schema = columns("a map<string, list<int>>, b struct<c: int>, d int");
        let mut ids: Vec<i32> = schema.field_id_to_fields().keys().copied().collect();
        ids.sort_unstable();
        assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn errors_name_the_character_what_was_expected_and_what_was_found() {
        for (text, error) in [
            ("", "at character 1: expected a column name, found the end"),
            ("id lng", "at character 4: expected a type (boolean, int,"),
            ("id lng", "found `lng`"),
            ("id long not", "at character 12: expected `null`, found the end"),
            ("id long, ", "at character 10: expected a column name, found the end"),
            ("id long name string", "at character 9: expected `,` and another column, or the end, found `name`"),
            ("id decimal(39, 2)", "at character 12: expected a precision from 1 to 38, found `39`"),
            ("id decimal(9, 10)", "at character 15: expected a scale from 0 to 9, found `10`"),
            ("id decimal(9)", "at character 13: expected `,`, found `)`"),
            ("id fixed(0)", "at character 10: expected a length from 1 to"),
            ("tags list<string", "at character 17: expected `>`, found the end"),
            ("tags list string", "at character 11: expected `<`, found `string`"),
            ("m map<string>", "at character 13: expected `,`, found `>`"),
            ("s struct<>", "at character 10: expected a field name, found `>`"),
            ("a int, b int, a long", "at character 15: expected a name no other column has, found `a`"),
            ("s struct<x: int, x: int>", "at character 18: expected a name no other field has, found `x`"),
            ("id long default 3", "at character 9: expected `,` and another column, or the end, found `default`"),
            (
                "a$ int",
                "at character 2: expected a letter, a digit, a quoted name or one of `, : . < > ( ) [ ]`, found `$`",
            ),
            ("`a int", "at character 1: expected a closing `, found the end"),
            ("é 'x'", "at character 3: expected a type"),
            ("id long comment c", "at character 17: expected a comment in single quotes, found `c`"),
            ("a fixed(99999999999)", "at character 9: expected a number below 2^32, found `99999999999`"),
        ] {
            let found = column_error(text);
            assert!(found.contains(error), "{text}: {found}");
            assert!(found.starts_with("correct the text at character "), "{found}");
        }
    }

    #[test]
    fn types_nested_too_deep_are_refused_and_not_followed() {
        let text = format!("a {}int{}", "list<".repeat(10_000), ">".repeat(10_000));
        assert!(column_error(&text).contains("expected at most 32 levels of nesting"));
    }

    #[test]
    fn a_type_stands_alone() {
        let column: ColumnType = "struct<a: list<int>>".parse().unwrap();
        assert_eq!(type_text(&column.field_type), "struct<a: list<int>>");
        let error = "int not null".parse::<ColumnType>().unwrap_err().to_string();
        assert!(error.contains("at character 5: expected the end of the type, found `not`"), "{error}");
    }
}
