//! The options of an event.

use std::num::{NonZeroU32, NonZeroUsize};

use serde::{Deserialize, Serialize};
use tributary_function::{AgeOrInstant, JobError};
use tributary_maintenance::expiry::ExpiryOptions;
use tributary_maintenance::orphans::OrphansOptions;
use tributary_runtime::EventOption;

/// Requests of 1000 files each: S3 takes 3500 deletions a second below one prefix.
const MAX_CONCURRENT_DELETES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);
/// What a batch of deletions and its answer may take.
const DEADLINE_MARGIN_MS: u64 = 10_000;

/// What an event may ask for, in the order its documentation shows.
pub const OPTIONS: &[EventOption] = &[
    EventOption {
        name: "mode",
        meaning: "whether old snapshots go with the files that only they reach, or files in storage that nothing reaches",
        values: "`expire` or `orphans`",
        default: Some("expire"),
    },
    EventOption {
        name: "older-than",
        meaning: "snapshots committed before then go, or files last written before then can be orphans; for snapshots, naming it also \
                  lifts the rule that none younger than an hour goes: mind rewrites under way",
        values: AgeOrInstant::FORM,
        default: Some(
            "expire: table property `history.expire.max-snapshot-age-ms`, else `5d`; orphans: `3d`, never less than `24h`",
        ),
    },
    EventOption {
        name: "retain-last",
        meaning: "expire: how many snapshots of a branch stay, however old; a branch's own rule goes first",
        values: "a number of 1 or more",
        default: Some("table property `history.expire.min-snapshots-to-keep`, else 1"),
    },
    EventOption {
        name: "clean-expired-metadata",
        meaning: "expire: whether schemas and partition specs go too that no snapshot uses any more",
        values: "`true` or `false`",
        default: Some("false"),
    },
    EventOption {
        name: "min-snapshots-to-expire",
        meaning: "expire: fewer snapshots are not worth a commit; a branch or tag past its age always is",
        values: "a number of 0 or more; 0 commits for unused schemas and specs alone",
        default: Some("20"),
    },
    EventOption {
        name: "location",
        meaning: "orphans: the folder to look in; one that lies outside the table's location must be the table's alone",
        values: "a location at or below the table's, or its `write.data.path` or `write.metadata.path`",
        default: Some("the table's location"),
    },
    EventOption {
        name: "max-concurrent-deletes",
        meaning: "delete requests under way at the same time, of up to 1000 files each",
        values: "a number of 1 or more",
        default: Some("4"),
    },
    EventOption {
        name: "deadline-margin-ms",
        meaning: "no request begins in the last part of the invocation's time",
        values: "milliseconds, 0 or more",
        default: Some("10000"),
    },
    EventOption {
        name: "dry-run",
        meaning: "whether nothing is changed and the report says what would be",
        values: "`true` or `false`",
        default: Some("`false` to expire, `true` for orphans"),
    },
];

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Expire snapshots.
    #[default]
    Expire,
    /// Look for orphan files.
    Orphans,
}

/// The options as an event has them; [`OPTIONS`] says what they mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "`OPTIONS` documents each")]
pub struct Options {
    pub mode: Mode,
    pub older_than: Option<AgeOrInstant>,
    pub retain_last: Option<NonZeroU32>,
    pub clean_expired_metadata: bool,
    pub min_snapshots_to_expire: u32,
    pub location: Option<String>,
    pub max_concurrent_deletes: NonZeroUsize,
    pub deadline_margin_ms: u64,
    pub dry_run: Option<bool>,
}

impl Default for Options {
    fn default() -> Self {
        let expiry = ExpiryOptions::default();
        Self {
            mode: Mode::default(),
            older_than: None,
            retain_last: None,
            clean_expired_metadata: expiry.clean_expired_metadata,
            min_snapshots_to_expire: expiry.min_snapshots_to_expire,
            location: None,
            max_concurrent_deletes: MAX_CONCURRENT_DELETES,
            deadline_margin_ms: DEADLINE_MARGIN_MS,
            dry_run: None,
        }
    }
}

impl Options {
    /// What to expire, at a time in milliseconds since the epoch.
    ///
    /// # Errors
    /// An option of the other mode.
    pub fn expiry(&self, now_ms: i64) -> Result<ExpiryOptions, JobError> {
        refuse("location", self.location.is_some(), "orphans")?;
        Ok(ExpiryOptions {
            older_than_ms: self.older_than.map(|older_than| older_than.at_ms(now_ms)),
            retain_last: self.retain_last,
            clean_expired_metadata: self.clean_expired_metadata,
            min_snapshots_to_expire: self.min_snapshots_to_expire,
            max_concurrent_deletes: self.max_concurrent_deletes,
            dry_run: self.dry_run.unwrap_or(false),
        })
    }

    /// What to look for, at a time in milliseconds since the epoch.
    ///
    /// # Errors
    /// An option of the other mode.
    pub fn orphans(&self, now_ms: i64) -> Result<OrphansOptions, JobError> {
        let defaults = Self::default();
        refuse("retain-last", self.retain_last.is_some(), "expire")?;
        refuse("clean-expired-metadata", self.clean_expired_metadata, "expire")?;
        let has_minimum = self.min_snapshots_to_expire != defaults.min_snapshots_to_expire;
        refuse("min-snapshots-to-expire", has_minimum, "expire")?;
        Ok(OrphansOptions {
            older_than_ms: self.older_than.map(|older_than| older_than.at_ms(now_ms)),
            location: self.location.clone(),
            max_concurrent_deletes: self.max_concurrent_deletes,
            dry_run: self.dry_run.unwrap_or(true),
        })
    }
}

/// An option that would be ignored is refused: whoever set it expects something of it.
fn refuse(option: &'static str, is_set: bool, mode: &'static str) -> Result<(), JobError> {
    match is_set {
        true => Err(JobError::reject(format!(
            "remove option `{option}`, or set option `mode` to `{mode}`: expected only options of the mode, found `{option}`"
        ))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use tributary_function::{Age, JobErrorKind, check_options};

    use super::*;
    use crate::SnapshotExpiry;

    #[test]
    fn what_is_declared_is_what_is_read() {
        check_options::<SnapshotExpiry>().unwrap();
    }

    #[test]
    fn the_defaults_are_those_of_the_jobs() {
        assert_eq!(Options::default().expiry(0).unwrap(), ExpiryOptions::default());
        assert_eq!(Options::default().orphans(0).unwrap(), OrphansOptions::default());
    }

    #[test]
    fn an_age_counts_back_from_now() {
        let options = Options { older_than: Some(AgeOrInstant::Age(Age::days(1))), ..Options::default() };
        assert_eq!(options.expiry(86_400_123).unwrap().older_than_ms, Some(123));
        assert_eq!(options.orphans(86_400_123).unwrap().older_than_ms, Some(123));
    }

    #[test]
    fn an_option_of_the_other_mode_is_refused() {
        let located = Options { location: Some("s3://b/t".to_owned()), ..Options::default() };
        let error = located.expiry(0).unwrap_err();
        assert_eq!(error.kind(), JobErrorKind::Reject);
        assert!(error.to_string().contains("set option `mode` to `orphans`"), "{error}");
        let retaining = Options { retain_last: NonZeroU32::new(3), ..Options::default() };
        assert!(retaining.orphans(0).unwrap_err().to_string().contains("`retain-last`"));
    }
}
