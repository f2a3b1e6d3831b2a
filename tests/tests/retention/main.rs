//! Retention end to end: which files leave the table, what stays, and what two independent readers then read.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod concurrent;
mod deletes;
mod ground;
mod guards;
mod levels;
mod samples;
mod types;
