//! Spark and Trino beside ours, on one Glue and S3 endpoint: they read what our functions write, and write in between.
//!
//! Run by `make interop`, which installs both engines; see the feature `interop` in this package's manifest.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod foreign_maintenance;
mod foreign_tables;
mod ground;
mod reading;
mod spark_writes;
mod trino_alters;
mod trino_writes;
mod version_3;
