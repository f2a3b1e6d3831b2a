//! INV-5: after each compaction both readers find the same rows, whatever was in the way.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on has failed")]

mod basics;
mod conflicts;
mod deletes;
mod foreign;
mod foreign_data;
mod ground;
mod limits;
mod object_storage;
mod samples;
mod schemas;
mod specs;
mod types;
