//! The data-quality function end to end: every rule with exact values, what is read and what is not, memory, alerts.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on has failed")]

mod alerts;
mod cases;
mod ground;
mod reading;
mod sources;
