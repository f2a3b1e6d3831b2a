//! Spark and Trino beside ours, on one Glue and S3 endpoint: they read what our functions write and maintain, and write and maintain in
//! between.
//!
//! Run by `make interop`, which installs both engines; see the feature `interop` in this package's manifest.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod foreign_deletes;
mod foreign_maintenance;
mod foreign_tables;
mod ground;
mod jobs;
mod maintained;
mod metadata_tables;
mod reading;
mod refs;
mod spark_writes;
mod taking_turns;
mod trino_alters;
mod trino_writes;
mod version_3;
