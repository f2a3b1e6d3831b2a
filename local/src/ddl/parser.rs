//! Tokens to columns and types, by recursive descent.

use std::ops::RangeInclusive;
use std::sync::Arc;

use iceberg::spec::{ListType, MapType, NestedField, NestedFieldRef, PrimitiveType, StructType, Type};

use super::DdlError;
use super::lexer::{Placed, Token, tokens};

/// How deep types may nest: far deeper than a table anybody reads, far from the end of the stack.
const DEPTH_MAX: usize = 32;
/// Greatest precision of a decimal in Iceberg.
const PRECISION_MAX: u32 = 38;
/// Most bytes of a fixed: Parquet's and Arrow's own limit.
const FIXED_BYTES_MAX: u32 = i32::MAX.unsigned_abs();

const TYPES: &str = "a type (boolean, int, long, float, double, decimal(p, s), date, time, timestamp, timestamptz, \
    timestamp_ns, timestamptz_ns, string, uuid, fixed(n), binary, list<...>, map<..., ...> or struct<...>)";

/// Reads tokens from left to right.
pub(super) struct Parser {
    tokens: Vec<Placed>,
    next: usize,
    last_id: i32,
}

impl Parser {
    pub(super) fn of(text: &str) -> Result<Self, DdlError> {
        Ok(Self { tokens: tokens(text)?, next: 0, last_id: 0 })
    }

    /// A whole column list.
    pub(super) fn columns(&mut self) -> Result<Vec<NestedFieldRef>, DdlError> {
        self.fields("column", 0)
    }

    /// Fields separated by commas; `what` is a `column` or a `field`.
    fn fields(&mut self, what: &str, depth: usize) -> Result<Vec<NestedFieldRef>, DdlError> {
        let mut fields: Vec<NestedFieldRef> = Vec::new();
        // Ends: every turn consumes at least a name.
        loop {
            let at = self.at();
            let name = self.name(&format!("a {what} name"))?;
            if fields.iter().any(|field| field.name == name) {
                let expected = format!("a name no other {what} has");
                return Err(DdlError { at, expected, found: format!("`{name}`") });
            }
            let id = self.fresh_id();
            if depth > 0 {
                self.take(':');
            }
            let field_type = self.field_type(depth)?;
            let required = self.required()?;
            let mut field = NestedField::new(id, name, field_type, required);
            field.doc = self.comment()?;
            fields.push(Arc::new(field));
            if !self.take(',') {
                return Ok(fields);
            }
        }
    }

    /// A type at this depth of nesting.
    pub(super) fn field_type(&mut self, depth: usize) -> Result<Type, DdlError> {
        if depth > DEPTH_MAX {
            return Err(self.error(&format!("at most {DEPTH_MAX} levels of nesting")));
        }
        let Token::Word(word) = self.peek() else { return Err(self.error(TYPES)) };
        let word = word.to_lowercase();
        if let Some(primitive) = simple(&word) {
            self.advance();
            return Ok(Type::Primitive(self.with_zone(primitive)?));
        }
        let read = match word.as_str() {
            "decimal" => Self::decimal,
            "fixed" => Self::fixed,
            "list" | "array" => Self::list,
            "map" => Self::map,
            "struct" => Self::structure,
            _ => return Err(self.error(TYPES)),
        };
        self.advance();
        read(self, depth + 1)
    }

    /// `timestamp with time zone`, in SQL's own words.
    fn with_zone(&mut self, primitive: PrimitiveType) -> Result<PrimitiveType, DdlError> {
        if primitive != PrimitiveType::Timestamp {
            return Ok(primitive);
        }
        let zoned = self.take_word("with");
        if zoned || self.take_word("without") {
            self.expect_word("time")?;
            self.expect_word("zone")?;
        }
        Ok(if zoned { PrimitiveType::Timestamptz } else { primitive })
    }

    fn decimal(&mut self, _depth: usize) -> Result<Type, DdlError> {
        self.expect('(')?;
        let precision = self.number("a precision", 1..=PRECISION_MAX)?;
        self.expect(',')?;
        let scale = self.number("a scale", 0..=precision)?;
        self.expect(')')?;
        Ok(Type::Primitive(PrimitiveType::Decimal { precision, scale }))
    }

    /// `fixed(n)`, and `fixed[n]` as the specification writes it.
    fn fixed(&mut self, _depth: usize) -> Result<Type, DdlError> {
        let close = if self.take('[') { ']' } else { ')' };
        if close == ')' {
            self.expect('(')?;
        }
        let length = self.number("a length", 1..=FIXED_BYTES_MAX)?;
        self.expect(close)?;
        Ok(Type::Primitive(PrimitiveType::Fixed(u64::from(length))))
    }

    fn list(&mut self, depth: usize) -> Result<Type, DdlError> {
        self.expect('<')?;
        let id = self.fresh_id();
        let element = self.field_type(depth)?;
        let required = self.required()?;
        self.expect('>')?;
        Ok(Type::List(ListType::new(Arc::new(NestedField::list_element(id, element, required)))))
    }

    fn map(&mut self, depth: usize) -> Result<Type, DdlError> {
        self.expect('<')?;
        let (key_id, value_id) = (self.fresh_id(), self.fresh_id());
        let key = self.field_type(depth)?;
        self.expect(',')?;
        let value = self.field_type(depth)?;
        let required = self.required()?;
        self.expect('>')?;
        let key = Arc::new(NestedField::map_key_element(key_id, key));
        let value = Arc::new(NestedField::map_value_element(value_id, value, required));
        Ok(Type::Map(MapType::new(key, value)))
    }

    fn structure(&mut self, depth: usize) -> Result<Type, DdlError> {
        self.expect('<')?;
        let fields = self.fields("field", depth)?;
        self.expect('>')?;
        Ok(Type::Struct(StructType::new(fields)))
    }

    fn required(&mut self) -> Result<bool, DdlError> {
        let required = self.take_word("not");
        if required {
            self.expect_word("null")?;
        }
        Ok(required)
    }

    fn comment(&mut self) -> Result<Option<String>, DdlError> {
        if !self.take_word("comment") {
            return Ok(None);
        }
        let Token::Text(text) = self.peek().clone() else {
            return Err(self.error("a comment in single quotes"));
        };
        self.advance();
        Ok(Some(text))
    }

    fn fresh_id(&mut self) -> i32 {
        self.last_id += 1;
        self.last_id
    }

    /// Names separated by dots: a column, or a field within one.
    pub(super) fn path(&mut self) -> Result<String, DdlError> {
        let mut path = self.name("a column name")?;
        while self.take('.') {
            path.push('.');
            path.push_str(&self.name("a field name")?);
        }
        Ok(path)
    }

    pub(super) fn name(&mut self, expected: &str) -> Result<String, DdlError> {
        match self.peek().clone() {
            Token::Word(name) | Token::Name(name) if !name.is_empty() => {
                self.advance();
                Ok(name)
            }
            _ => Err(self.error(expected)),
        }
    }

    pub(super) fn number(&mut self, what: &str, allowed: RangeInclusive<u32>) -> Result<u32, DdlError> {
        match *self.peek() {
            Token::Number(number) if allowed.contains(&number) => {
                self.advance();
                Ok(number)
            }
            _ => Err(self.error(&format!("{what} from {} to {}", allowed.start(), allowed.end()))),
        }
    }

    /// Whether the symbol comes next; then it is consumed.
    pub(super) fn take(&mut self, symbol: char) -> bool {
        let found = *self.peek() == Token::Symbol(symbol);
        self.next += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, symbol: char) -> Result<(), DdlError> {
        if self.take(symbol) { Ok(()) } else { Err(self.error(&format!("`{symbol}`"))) }
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(found) if found.eq_ignore_ascii_case(word));
        self.next += usize::from(found);
        found
    }

    fn expect_word(&mut self, word: &str) -> Result<(), DdlError> {
        if self.take_word(word) { Ok(()) } else { Err(self.error(&format!("`{word}`"))) }
    }

    pub(super) fn end(&self, expected: &str) -> Result<(), DdlError> {
        if *self.peek() == Token::End { Ok(()) } else { Err(self.error(expected)) }
    }

    pub(super) fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |placed| &placed.token)
    }

    /// The token after the next one.
    pub(super) fn peek_second(&self) -> &Token {
        self.tokens.get(self.next + 1).map_or(&Token::End, |placed| &placed.token)
    }

    pub(super) fn advance(&mut self) {
        self.next += 1;
    }

    /// Where the next token begins.
    pub(super) fn at(&self) -> usize {
        self.tokens.get(self.next).or(self.tokens.last()).map_or(1, |placed| placed.at)
    }

    pub(super) fn error(&self, expected: &str) -> DdlError {
        DdlError { at: self.at(), expected: expected.to_owned(), found: self.peek().shown() }
    }
}

/// Types of one word.
fn simple(word: &str) -> Option<PrimitiveType> {
    let primitive = match word {
        "boolean" => PrimitiveType::Boolean,
        "int" | "integer" => PrimitiveType::Int,
        "long" | "bigint" => PrimitiveType::Long,
        "float" => PrimitiveType::Float,
        "double" => PrimitiveType::Double,
        "date" => PrimitiveType::Date,
        "time" => PrimitiveType::Time,
        "timestamp" => PrimitiveType::Timestamp,
        "timestamptz" => PrimitiveType::Timestamptz,
        "timestamp_ns" => PrimitiveType::TimestampNs,
        "timestamptz_ns" => PrimitiveType::TimestamptzNs,
        "string" => PrimitiveType::String,
        "uuid" => PrimitiveType::Uuid,
        "binary" => PrimitiveType::Binary,
        _ => return None,
    };
    Some(primitive)
}
