//! Columns whose values are hard to bound, and the order in which Iceberg compares them.

use std::cmp::Ordering;

use serde_json::{Value, json};

/// A value as Iceberg orders it within its column.
#[derive(Debug, Clone, PartialEq)]
pub enum Key {
    /// Integers, booleans, dates, times, and decimals by their unscaled value.
    Int(i128),
    /// Floating point numbers.
    Float(f64),
    /// Text, binary, fixed and uuids, by their bytes, unsigned.
    Bytes(Vec<u8>),
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(one), Self::Int(two)) => one.partial_cmp(two),
            (Self::Float(one), Self::Float(two)) => one.partial_cmp(two),
            (Self::Bytes(one), Self::Bytes(two)) => one.partial_cmp(two),
            _ => None,
        }
    }
}

/// One optional column and values that its rows are drawn from.
#[derive(Debug)]
pub struct BoundedColumn {
    /// The field id; `id` itself has 1.
    pub field_id: i32,
    /// The column's name.
    pub name: &'static str,
    /// Its type, as the Iceberg spec writes it.
    pub kind: &'static str,
    /// What its rows may hold, as JSON and by order. Empty: NULL in every row.
    pub pool: Vec<(Value, Key)>,
    /// Whether both readers take a literal of this type in a filter, quoted or not.
    pub literal: Literal,
}

/// How a column's values are written in a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Literal {
    /// Not at all: PyIceberg compares no uuids and reads no binary literals.
    None,
    /// As they are.
    Bare,
    /// In single quotes.
    Quoted,
}

impl BoundedColumn {
    /// A bound as PyIceberg shows it, by order.
    pub fn key(&self, bound: &Value) -> Key {
        match (self.kind, bound) {
            (kind, Value::String(text)) if kind.starts_with("decimal") => {
                Key::Int(text.replace('.', "").parse().unwrap())
            }
            ("uuid" | "binary", Value::String(text)) => Key::Bytes(unhex(&text.replace('-', ""))),
            (kind, Value::String(text)) if kind.starts_with("fixed") => Key::Bytes(unhex(text)),
            (_, Value::String(text)) => Key::Bytes(text.clone().into_bytes()),
            (_, Value::Bool(flag)) => Key::Int(i128::from(*flag)),
            ("double", Value::Number(number)) => Key::Float(number.as_f64().unwrap()),
            (_, bound) => Key::Int(i128::from(bound.as_i64().unwrap())),
        }
    }

    /// Whether a value cut to `length` characters or bytes can't be rounded up, so that it has no upper bound.
    pub fn has_no_upper(&self, key: &Key, length: usize) -> bool {
        let Key::Bytes(bytes) = key else { return false };
        match self.kind {
            "string" => {
                let text = std::str::from_utf8(bytes).unwrap();
                text.chars().count() > length && text.chars().take(length).all(|character| character == char::MAX)
            }
            "binary" => bytes.len() > length && bytes[..length].iter().all(|byte| *byte == 0xFF),
            _ => false,
        }
    }
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn texts(texts: impl IntoIterator<Item = String>) -> Vec<(Value, Key)> {
    texts.into_iter().map(|text| (json!(text), Key::Bytes(text.into_bytes()))).collect()
}

fn hexes(texts: &[&str]) -> Vec<(Value, Key)> {
    texts.iter().map(|text| (json!(text), Key::Bytes(unhex(&text.replace('-', ""))))).collect()
}

fn ordered<const N: usize>(pairs: [(Value, i128); N]) -> Vec<(Value, Key)> {
    pairs.map(|(value, order)| (value, Key::Int(order))).to_vec()
}

fn decimals(texts: &[&str]) -> Vec<(Value, Key)> {
    texts.iter().map(|text| (json!(text), Key::Int(text.replace('.', "").parse().unwrap()))).collect()
}

/// The columns, drawn with `random` where values are not chosen by hand.
pub fn bounded_columns(random: &mut fastrand::Rng) -> Vec<BoundedColumn> {
    let mut columns = Vec::new();
    let mut add = |name, kind, literal, pool| {
        let field_id = i32::try_from(columns.len()).unwrap() + 2;
        columns.push(BoundedColumn { field_id, name, kind, pool, literal });
    };
    // Longer than the 64 bytes to which Parquet's own statistics are cut, and alike in their first 80.
    let tail = |random: &mut fastrand::Rng| format!("{:04}{}", random.u16(0..2000), "z".repeat(random.usize(0..90)));
    let long: Vec<String> = (0..12).map(|_| format!("{}{}", "prefix/".repeat(12), tail(random))).collect();
    add("long_text", "string", Literal::Quoted, texts(long));
    let short: Vec<String> = (0..12).map(|_| short_text(random)).collect();
    add("short_text", "string", Literal::Quoted, texts(short));
    add("edge_text", "string", Literal::Quoted, texts(edge_texts()));
    let ff = "ff".repeat(40);
    add(
        "raw",
        "binary",
        Literal::None,
        hexes(&["", "00", "0000", &ff[..32], &ff[..34], &ff, "7fff", "80", &format!("{}00ff00ff", &ff[..30])]),
    );
    let keys = [
        "00000000-0000-0000-0000-000000000000",
        "7fffffff-ffff-ffff-ffff-ffffffffffff",
        "80000000-0000-0000-0000-000000000000",
        "f79c3e09-677c-4bbd-a479-3f349cb785e7",
    ];
    add("key", "uuid", Literal::None, hexes(&keys));
    add("code", "fixed[4]", Literal::None, hexes(&["00000000", "7fffffff", "80000000", "ffffffff"]));
    add("flag", "boolean", Literal::Bare, ordered([(json!(false), 0), (json!(true), 1)]));
    let small = |random: &mut fastrand::Rng| random.i32(-1000..1000);
    add(
        "small",
        "int",
        Literal::Bare,
        (0..12).map(|_| small(random)).map(|value| (json!(value), Key::Int(value.into()))).collect(),
    );
    let big = [i64::MIN, i64::MAX, -1, 0, 1, -5_000_000_000, 5_000_000_000];
    add("big", "long", Literal::Bare, big.map(|value| (json!(value), Key::Int(value.into()))).to_vec());
    let ratio = [-123_456_789_012.5, -1.5, -0.0625, 0.0, 0.1, 1.5, 123_456_789_012.5];
    add("ratio", "double", Literal::Bare, ratio.map(|value| (json!(value), Key::Float(value))).to_vec());
    add(
        "price",
        "decimal(9, 2)",
        Literal::Bare,
        decimals(&["-9999999.99", "-1.28", "-1.29", "-0.01", "0.00", "0.01", "1.27", "1.28", "9999999.99"]),
    );
    let wide = [
        "-9999999999999999999999999999.9999999999",
        "-0.0000000001",
        "0.0000000001",
        "9999999999999999999999999999.9999999999",
    ];
    add("wide", "decimal(38, 10)", Literal::None, decimals(&wide));
    add(
        "day",
        "date",
        Literal::Quoted,
        ordered([
            (json!("0001-01-01"), -719_162),
            (json!("1969-12-31"), -1),
            (json!("1970-01-01"), 0),
            (json!("2026-11-21"), 20_778),
            (json!("9999-12-31"), 2_932_896),
        ]),
    );
    add("wall", "timestamp", Literal::Quoted, times(""));
    add("instant", "timestamptz", Literal::Quoted, times("+00:00"));
    add("nothing", "string", Literal::Quoted, Vec::new());
    columns
}

fn short_text(random: &mut fastrand::Rng) -> String {
    let length = random.usize(0..30);
    (0..length).map(|_| ['a', 'b', 'é', '日', '😀'][random.usize(0..5)]).collect()
}

/// Texts whose sixteenth character is at a limit of the code points.
fn edge_texts() -> Vec<String> {
    let (top, below_surrogates) = ('\u{10FFFF}', '\u{D7FF}');
    let head = "a".repeat(15);
    let mut texts = vec![String::new(), "a".to_owned(), "\u{0}".to_owned(), head.clone()];
    for edge in [top, below_surrogates, '\u{FFFF}', '\u{7F}', '\u{7FF}'] {
        texts.extend([
            format!("{head}{edge}"),
            format!("{head}{edge}{edge}"),
            format!("{head}{edge}a"),
            edge.to_string().repeat(16),
            edge.to_string().repeat(17),
        ]);
    }
    texts
}

fn times(zone: &str) -> Vec<(Value, Key)> {
    [
        ("0001-01-01T00:00:00.000000", -62_135_596_800_000_000),
        ("1969-12-31T23:59:59.999999", -1),
        ("1970-01-01T00:00:00.000000", 0),
        ("1970-01-01T00:00:00.000001", 1),
        ("2026-11-21T10:00:00.000001", 1_795_255_200_000_001),
        ("9999-12-31T23:59:59.999999", 253_402_300_799_999_999),
    ]
    .map(|(text, micros)| (json!(format!("{text}{zone}")), Key::Int(micros)))
    .to_vec()
}
