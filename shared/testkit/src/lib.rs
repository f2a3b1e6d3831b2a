//! Dev only: servers, builders, faulty decorators and the oracle.
//!
//! The test ground starts real parts on loopback, each ended with the value that stands for it, and also when the test
//! that holds it panics or is killed:
//!
//! - [`AwsServer`]: S3, Glue and the rest, with faults on demand and a count of the calls;
//! - [`KafkaBroker`]: one Apache Kafka node;
//! - [`readers`]: two independent Iceberg readers, PyIceberg and DuckDB, which must agree;
//! - [`SqlEngine`]: Spark and Trino, which also write, for `make interop` alone.
//!
//! They come from `tests/tools/setup`, which `make test` runs first.

pub mod aws;
pub mod engines;
pub mod faults;
mod http;
pub mod kafka;
mod process;
pub mod readers;
pub mod tools;

pub use aws::{AwsServer, SubscribedTopic};
pub use engines::SqlEngine;
pub use faults::{FaultyCatalog, SwapFault};
pub use kafka::KafkaBroker;
pub use readers::{
    IdCount, TableAt, TableRows, count_ids, inspect, read_both, read_where, read_with_duckdb, read_with_pyiceberg,
};
pub use tools::{GroundError, repo_root, tools_dir};
