//! INV-4: snapshot expiry and orphan removal delete what nothing reaches, and nothing else. Checked by a reader of raw files that
//! knows nothing of our code, and by PyIceberg and DuckDB.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test that can't go on has failed")]

mod checkpoint;
mod expiry;
mod faults;
mod ground;
mod orphans;
mod remote;
mod samples;
