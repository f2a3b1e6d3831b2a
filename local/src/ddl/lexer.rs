//! Text to tokens.

use std::iter::Peekable;
use std::str::Chars;

use super::DdlError;

/// A word, number, quoted text or symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// Letters, digits and `_`, not beginning with a digit.
    Word(String),
    /// A name in backticks or double quotes.
    Name(String),
    /// Text in single quotes.
    Text(String),
    Number(u32),
    Symbol(char),
    End,
}

impl Token {
    /// For the `found` of an error.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Word(text) | Self::Name(text) | Self::Text(text) => format!("`{text}`"),
            Self::Number(number) => format!("`{number}`"),
            Self::Symbol(symbol) => format!("`{symbol}`"),
            Self::End => "the end".to_owned(),
        }
    }
}

/// A token and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) token: Token,
    /// Character of the text, from 1.
    pub(super) at: usize,
}

const SYMBOLS: &str = ",:.<>()[]";

/// The text's tokens; the last is always [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, DdlError> {
    let mut lexer = Lexer { rest: text.chars().peekable(), at: 1 };
    let mut tokens = Vec::new();
    // Ends: every turn but the last consumes a character.
    loop {
        lexer.word_of(char::is_whitespace);
        let at = lexer.at;
        let token = lexer.token()?;
        let last = token == Token::End;
        tokens.push(Placed { token, at });
        if last {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    rest: Peekable<Chars<'a>>,
    at: usize,
}

impl Lexer<'_> {
    fn token(&mut self) -> Result<Token, DdlError> {
        let Some(&first) = self.rest.peek() else { return Ok(Token::End) };
        match first {
            '`' | '"' => self.quoted().map(Token::Name),
            '\'' => self.quoted().map(Token::Text),
            _ if first.is_ascii_digit() => self.number(),
            _ if first.is_alphabetic() || first == '_' => {
                Ok(Token::Word(self.word_of(|other| other.is_alphanumeric() || other == '_')))
            }
            _ if SYMBOLS.contains(first) => Ok(Token::Symbol(self.next().unwrap_or(first))),
            _ => Err(DdlError {
                at: self.at,
                expected: "a letter, a digit, a quoted name or one of `, : . < > ( ) [ ]`".to_owned(),
                found: format!("`{first}`"),
            }),
        }
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.next();
        self.at += usize::from(next.is_some());
        next
    }

    /// The characters from here on for which `belongs` holds; may be none.
    fn word_of(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let mut word = String::new();
        while let Some(next) = self.rest.next_if(|&next| belongs(next)) {
            self.at += 1;
            word.push(next);
        }
        word
    }

    fn number(&mut self) -> Result<Token, DdlError> {
        let at = self.at;
        let digits = self.word_of(|next| next.is_ascii_digit());
        let number = digits.parse().map_err(|_| DdlError {
            at,
            expected: "a number below 2^32".to_owned(),
            found: format!("`{digits}`"),
        });
        number.map(Token::Number)
    }

    /// What stands between two quotes; the quote itself is written twice within them.
    fn quoted(&mut self) -> Result<String, DdlError> {
        let at = self.at;
        let quote = self.next();
        let mut text = String::new();
        while let Some(next) = self.next() {
            if Some(next) != quote {
                text.push(next);
            } else if self.rest.peek().copied() == quote {
                text.extend(self.next());
            } else {
                return Ok(text);
            }
        }
        let expected = format!("a closing {}", quote.unwrap_or_default());
        Err(DdlError { at, expected, found: "the end".to_owned() })
    }
}
