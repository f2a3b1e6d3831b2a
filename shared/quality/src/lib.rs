//! Data quality: rules in YAML, checked against a table, from its metadata first (design D7).
//!
//! rules ([`Rules`]) -> what is known of earlier runs ([`Memory`]) -> results ([`check`]) -> what is new about them ([`plan_alerts`])
//! -> a notice ([`Notice`]) -> the results table ([`ResultsTable`]).
//!
//! Freshness, heartbeat, row counts and missing values are told by snapshots, counts and bounds; data files are read only
//! where these do not decide, and then only the columns in question. A result is `exact` or a `bound`, never silently wrong.
//!
//! A crate of its own beside `maintenance`: it changes nothing of the table it checks, and needs a YAML reader, patterns
//! and the decoder, which no maintenance job does.

mod alert;
mod check;
mod counted;
mod facts;
mod files;
mod freshness;
mod heartbeat;
mod judge;
mod last_results;
mod measure;
mod new_files;
mod notice;
mod read;
mod result;
mod results_table;
mod rules;
mod tally;
mod valid;

pub use alert::{Alert, Cause, plan_alerts};
pub use check::{CheckRequest, CheckRun, check, unreadable};
pub use notice::Notice;
pub use result::{CheckResult, Exactness, Status};
pub use results_table::{LastResult, Memory, ResultsError, ResultsTable};
pub use rules::{Check, CheckKind, Level, Limit, Rules, RulesError, Tolerance, ValidValues, Window};
