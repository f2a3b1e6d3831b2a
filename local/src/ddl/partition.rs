//! Partitioning: terms as written, then bound to a schema's columns.

use std::str::FromStr;

use iceberg::spec::{Schema, Transform, UnboundPartitionSpec};

use super::lexer::Token;
use super::parser::Parser;
use super::{DdlError, type_text};

/// The partition spec of a new table as written, not yet bound to its columns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartitionTerms {
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    transform: Transform,
    /// The source column; names separated by dots.
    path: String,
    /// Where the path begins: character of the text, from 1.
    at: usize,
}

impl FromStr for PartitionTerms {
    type Err = DdlError;

    /// Reads the terms.
    ///
    /// # Errors
    /// [`DdlError`] with the character that is wrong.
    fn from_str(text: &str) -> Result<Self, DdlError> {
        let mut parser = Parser::of(text)?;
        let mut terms = vec![term(&mut parser)?];
        while parser.take(',') {
            terms.push(term(&mut parser)?);
        }
        parser.end("`,` and another term, or the end")?;
        Ok(Self { terms })
    }
}

impl PartitionTerms {
    /// The spec over the schema's columns, by their field ids. Its fields are named as Iceberg's
    /// own builder names them (`ts_day`, `id_bucket`, `city_trunc`).
    ///
    /// # Errors
    /// [`DdlError`] if a column does not exist, or the transform does not take its type.
    pub fn bind(&self, schema: &Schema) -> Result<UnboundPartitionSpec, DdlError> {
        let mut builder = UnboundPartitionSpec::builder().with_spec_id(0);
        for term in &self.terms {
            let source_id = term.source_id(schema)?;
            let name = format!("{}{}", term.path, name_suffix(term.transform));
            let added = builder.add_partition_field(source_id, name, term.transform);
            builder = added.map_err(|error| DdlError {
                at: term.at,
                expected: "each column and transform once".to_owned(),
                found: error.message().to_owned(),
            })?;
        }
        Ok(builder.build())
    }
}

impl Term {
    fn source_id(&self, schema: &Schema) -> Result<i32, DdlError> {
        let wrong = |expected: &str, found: String| DdlError { at: self.at, expected: expected.to_owned(), found };
        let field = schema.field_by_name(&self.path);
        let field = field.ok_or_else(|| wrong("a column of the table", format!("`{}`", self.path)))?;
        if self.transform.result_type(&field.field_type).is_err() {
            let expected = format!("a column whose type `{}` takes", self.transform);
            let found = format!("`{}` of type {}", self.path, type_text(&field.field_type));
            return Err(wrong(&expected, found));
        }
        Ok(field.id)
    }
}

fn term(parser: &mut Parser) -> Result<Term, DdlError> {
    let Token::Word(word) = parser.peek() else {
        // A quoted name is a column, whatever it says.
        return identity(parser);
    };
    let word = word.to_lowercase();
    let is_call = *parser.peek_second() == Token::Symbol('(');
    match word.as_str() {
        "identity" if matches!(parser.peek_second(), Token::Word(_) | Token::Name(_)) => {
            parser.advance();
            identity(parser)
        }
        _ if is_call => call(parser, &word),
        _ => identity(parser),
    }
}

fn identity(parser: &mut Parser) -> Result<Term, DdlError> {
    let at = parser.at();
    Ok(Term { transform: Transform::Identity, path: parser.path()?, at })
}

/// `word(...)`.
fn call(parser: &mut Parser, word: &str) -> Result<Term, DdlError> {
    let known = ["identity", "bucket", "truncate", "year", "month", "day", "hour", "void"];
    if !known.contains(&word) {
        return Err(parser.error("a transform (identity, bucket, truncate, year, month, day, hour or void)"));
    }
    parser.advance();
    parser.expect('(')?;
    let transform = match word {
        "bucket" => Transform::Bucket(parameter(parser, "a number of buckets")?),
        "truncate" => Transform::Truncate(parameter(parser, "a width")?),
        "year" => Transform::Year,
        "month" => Transform::Month,
        "day" => Transform::Day,
        "hour" => Transform::Hour,
        "void" => Transform::Void,
        _ => Transform::Identity,
    };
    let at = parser.at();
    let path = parser.path()?;
    parser.expect(')')?;
    Ok(Term { transform, path, at })
}

/// The number that comes before the column; Iceberg's are positive 32-bit integers.
fn parameter(parser: &mut Parser, what: &str) -> Result<u32, DdlError> {
    let number = parser.number(what, 1..=i32::MAX.unsigned_abs())?;
    parser.expect(',')?;
    Ok(number)
}

fn name_suffix(transform: Transform) -> &'static str {
    match transform {
        Transform::Bucket(_) => "_bucket",
        Transform::Truncate(_) => "_trunc",
        Transform::Year => "_year",
        Transform::Month => "_month",
        Transform::Day => "_day",
        Transform::Hour => "_hour",
        Transform::Void => "_null",
        Transform::Identity | Transform::Unknown => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ddl::ColumnList;

    fn bind(text: &str) -> Result<Vec<(String, Transform, i32)>, String> {
        let columns: ColumnList =
            "id long, ts timestamptz, `identity` string, day date, address struct<city: string>, ok boolean"
                .parse()
                .unwrap();
        let terms: PartitionTerms = text.parse().map_err(|error: DdlError| error.to_string())?;
        let spec = terms.bind(&columns.schema).map_err(|error| error.to_string())?;
        let fields = spec.fields().iter();
        Ok(fields.map(|field| (field.name.clone(), field.transform, field.source_id)).collect())
    }

    #[test]
    fn every_transform_is_read_and_named_as_iceberg_names_it() {
        let fields =
            bind("day(ts), Bucket(16, id), truncate(4, address.city), void(ok), identity ok, month(day)").unwrap();
        let expected = [
            ("ts_day", Transform::Day, 2),
            ("id_bucket", Transform::Bucket(16), 1),
            ("address.city_trunc", Transform::Truncate(4), 6),
            ("ok_null", Transform::Void, 7),
            ("ok", Transform::Identity, 7),
            ("day_month", Transform::Month, 4),
        ];
        assert_eq!(fields, expected.map(|(name, transform, id)| (name.to_owned(), transform, id)));
        for (text, transform) in [("year(ts)", Transform::Year), ("hour(ts)", Transform::Hour)] {
            assert_eq!(bind(text).unwrap()[0].1, transform);
        }
    }

    #[test]
    fn identity_is_written_in_three_ways_and_takes_columns_named_like_transforms() {
        for text in ["identity id", "identity(id)", "id"] {
            assert_eq!(bind(text).unwrap(), [("id".to_owned(), Transform::Identity, 1)], "{text}");
        }
        for text in ["identity identity", "identity", "`identity`", "identity(identity)"] {
            assert_eq!(bind(text).unwrap(), [("identity".to_owned(), Transform::Identity, 3)], "{text}");
        }
        assert_eq!(bind("day").unwrap()[0].2, 4);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_character() {
        for (text, error) in [
            ("", "at character 1: expected a column name, found the end"),
            ("dya(ts)", "at character 1: expected a transform (identity,"),
            ("day(tz)", "at character 5: expected a column of the table, found `tz`"),
            ("day(id)", "at character 5: expected a column whose type `day` takes, found `id` of type long"),
            ("hour(day)", "at character 6: expected a column whose type `hour` takes, found `day` of type date"),
            (
                "id, address",
                "at character 5: expected a column whose type `identity` takes, found `address` of type struct<city: string>",
            ),
            ("bucket(id, 16)", "at character 8: expected a number of buckets from 1 to 2147483647, found `id`"),
            ("bucket(0, id)", "at character 8: expected a number of buckets from 1"),
            ("bucket(3 id)", "at character 10: expected `,`, found `id`"),
            ("day(ts", "at character 7: expected `)`, found the end"),
            ("day(ts) id", "at character 9: expected `,` and another term, or the end, found `id`"),
            ("day(ts), month(ts)", "at character 16: expected each column and transform once, found"),
        ] {
            let found = bind(text).unwrap_err();
            assert!(found.contains(error), "{text}: {found}");
        }
    }
}
