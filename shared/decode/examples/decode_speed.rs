//! How fast records become rows, beside a plain `serde_json::Value` parse of the same bytes in the same run.
//!
//! `cargo run --release -p tributary-decode --example decode_speed`. The best of several rounds is shown: the rest is the
//! machine's noise. Megabytes are 1,000,000 bytes of JSON.

use std::error::Error;
use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use iceberg::spec::{NestedField, PrimitiveType, Schema, Type};
use tributary_decode::Decoder;

const ROWS: usize = 20_000;
const ROUNDS: usize = 25;

type AnyResult<T> = Result<T, Box<dyn Error>>;

fn main() -> AnyResult<()> {
    let decoder = Decoder::try_new(&schema()?)?;
    let good: Vec<String> = (0..ROWS).map(record).collect();
    let shuffled: Vec<String> = good.iter().map(|record| reordered(record)).collect::<AnyResult<_>>()?;
    let one_bad_in_a_hundred: Vec<String> = good
        .iter()
        .enumerate()
        .map(|(row, record)| if row.is_multiple_of(100) { record.replace("12.", "12.x") } else { record.clone() })
        .collect();
    let mut out = std::io::stdout().lock();
    let row_bytes = good.iter().map(String::len).sum::<usize>() / ROWS;
    writeln!(out, "{ROWS} rows of {row_bytes} bytes, 10 columns, best of {ROUNDS} rounds")?;
    let cases = [("schema order", &good), ("another order", &shuffled), ("1 bad in 100", &one_bad_in_a_hundred)];
    for (name, records) in cases {
        let decode = best(records, |records| {
            let mut batch = decoder.batch(records.len());
            let rejected = records.iter().filter(|record| batch.push(record.as_bytes()).is_err()).count();
            Ok((batch.finish()?.num_rows(), rejected))
        })?;
        writeln!(out, "{name:>14}: decoder {decode:5.0} MB/s")?;
    }
    let dom = best(&good, |records| {
        let parse = |record: &String| serde_json::from_slice::<serde_json::Value>(record.as_bytes());
        Ok(records.iter().filter_map(|record| parse(record).ok()).map(black_box).count())
    })?;
    writeln!(out, "{:>14}: parse only {dom:5.0} MB/s", "serde_json DOM")?;
    Ok(())
}

/// The fastest round, in MB/s.
fn best<T>(records: &[String], run: impl Fn(&[String]) -> AnyResult<T>) -> AnyResult<f64> {
    let mut fastest = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        black_box(run(records)?);
        fastest = fastest.min(start.elapsed());
    }
    let bytes: usize = records.iter().map(String::len).sum();
    Ok(bytes as f64 / fastest.as_secs_f64() / 1e6)
}

fn schema() -> Result<Schema, iceberg::Error> {
    let columns = [
        ("event_id", PrimitiveType::String),
        ("user_id", PrimitiveType::Long),
        ("kind", PrimitiveType::String),
        ("at", PrimitiveType::Timestamptz),
        ("price", PrimitiveType::Decimal { precision: 12, scale: 2 }),
        ("quantity", PrimitiveType::Int),
        ("weight", PrimitiveType::Double),
        ("gift", PrimitiveType::Boolean),
        ("country", PrimitiveType::String),
        ("note", PrimitiveType::String),
    ];
    let fields = columns.into_iter().zip(1..).map(|((name, primitive), id)| {
        let field = NestedField::new(id, name, Type::Primitive(primitive), id == 1);
        Arc::new(field)
    });
    Schema::builder().with_fields(fields).build()
}

fn record(row: usize) -> String {
    format!(
        concat!(
            "{{\"event_id\":\"evt-{:012}\",\"user_id\":{},\"kind\":\"order_placed\",\"at\":\"2024-05-{:02}T12:{:02}:07.{:06}Z\",",
            "\"price\":12.{:02},\"quantity\":{},\"weight\":{}.625,\"gift\":{},\"country\":\"NL\",",
            "\"note\":\"leave the parcel with a neighbour, please {}\"}}"
        ),
        row,
        7_000_000_000 + row * 31,
        row % 28 + 1,
        row % 60,
        row % 1_000_000,
        row % 100,
        row % 9 + 1,
        row % 50,
        row.is_multiple_of(2),
        row % 1_000,
    )
}

/// The same record with its keys from Z to A.
fn reordered(record: &str) -> AnyResult<String> {
    let object: std::collections::BTreeMap<String, &serde_json::value::RawValue> = serde_json::from_str(record)?;
    let parts: Vec<_> = object.iter().rev().map(|(key, value)| format!("\"{key}\":{}", value.get())).collect();
    Ok(format!("{{{}}}", parts.join(",")))
}
