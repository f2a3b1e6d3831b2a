//! The options of a compaction, under Iceberg's own names, and the limits they come to on one table.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tributary_runtime::EventOption;

pub(crate) const TARGET_PROPERTY: &str = "write.target-file-size-bytes";
/// Less than Java's 512 MiB: a file being written is in a Lambda function's memory.
pub(crate) const TARGET_BYTES_DEFAULT: u64 = 128 << 20;
/// Two files of this length at the same time still fit a Lambda function's memory.
const TARGET_BYTES_MAX: u64 = 1 << 30;
const MIN_RATIO: f64 = 0.75;
const MAX_RATIO: f64 = 1.8;
const CONCURRENCY_MAX: u32 = 16;

/// How files are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// In the order in which they are.
    Binpack,
    /// By the table's sort order: not served.
    Sort,
}

/// Which groups come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobOrder {
    /// Fewest bytes first.
    BytesAsc,
    /// Most bytes first.
    BytesDesc,
    /// Fewest files first.
    FilesAsc,
    /// Most files first.
    FilesDesc,
    /// The partition with the oldest files first.
    None,
}

/// What an event asks of a compaction; what it leaves out is the default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "`COMPACTION_OPTIONS` documents each")]
pub struct CompactionOptions {
    pub strategy: Strategy,
    pub target_file_size_bytes: Option<u64>,
    pub min_file_size_bytes: Option<u64>,
    pub max_file_size_bytes: Option<u64>,
    pub min_input_files: u32,
    pub max_file_group_size_bytes: u64,
    pub max_file_group_input_files: u32,
    pub max_files_to_rewrite: Option<u64>,
    pub max_rewrite_bytes: Option<u64>,
    pub rewrite_job_order: JobOrder,
    #[serde(rename = "partial-progress.enabled")]
    pub partial_progress: bool,
    #[serde(rename = "partial-progress.max-commits")]
    pub max_commits: u32,
    pub max_concurrent_file_group_rewrites: u32,
    pub use_starting_sequence_number: bool,
    pub delete_file_threshold: Option<u64>,
    pub delete_ratio_threshold: f64,
    pub rewrite_all: bool,
    pub skip_newest_partitions: u32,
    pub deadline_margin_ms: u64,
    pub dry_run: bool,
}

impl Default for CompactionOptions {
    fn default() -> Self {
        Self {
            strategy: Strategy::Binpack,
            target_file_size_bytes: None,
            min_file_size_bytes: None,
            max_file_size_bytes: None,
            min_input_files: 5,
            max_file_group_size_bytes: 1 << 30,
            max_file_group_input_files: 500,
            max_files_to_rewrite: None,
            max_rewrite_bytes: None,
            rewrite_job_order: JobOrder::FilesDesc,
            partial_progress: true,
            max_commits: 10,
            max_concurrent_file_group_rewrites: 2,
            use_starting_sequence_number: true,
            delete_file_threshold: None,
            delete_ratio_threshold: 0.3,
            rewrite_all: false,
            skip_newest_partitions: 0,
            deadline_margin_ms: 30_000,
            dry_run: false,
        }
    }
}

const fn option(
    name: &'static str,
    meaning: &'static str,
    values: &'static str,
    default: Option<&'static str>,
) -> EventOption {
    EventOption { name, meaning, values, default }
}

/// Documentation of every option.
pub const COMPACTION_OPTIONS: &[EventOption] = &[
    option("strategy", "how files are put together", "`binpack`; `sort` is not served", Some("binpack")),
    option(
        "target-file-size-bytes",
        "how long files should be; one that is being written is in memory, times `max-concurrent-file-group-rewrites`",
        "bytes, 1 to 1073741824",
        Some("table property `write.target-file-size-bytes`, else 134217728"),
    ),
    option(
        "min-file-size-bytes",
        "files shorter than this are rewritten",
        "bytes, less than the target",
        Some("0.75 of the target"),
    ),
    option(
        "max-file-size-bytes",
        "files longer than this are rewritten",
        "bytes, more than the target",
        Some("1.8 of the target"),
    ),
    option(
        "min-input-files",
        "a group of so many files is rewritten; a smaller one only if it has more bytes than the target, or a file that is too long or has too many deletes",
        "a number of 1 or more",
        Some("5"),
    ),
    option(
        "max-file-group-size-bytes",
        "bytes of a group at most: what is rewritten and committed as one",
        "bytes, 1 or more",
        Some("1073741824"),
    ),
    option("max-file-group-input-files", "files of a group at most", "a number of 1 or more", Some("500")),
    option(
        "max-files-to-rewrite",
        "files of an invocation at most; a group that does not fit is skipped, smaller ones go on",
        "a number of 1 or more",
        None,
    ),
    option(
        "max-rewrite-bytes",
        "bytes of an invocation at most; a group that does not fit is skipped, smaller ones go on",
        "bytes, 1 or more",
        None,
    ),
    option(
        "rewrite-job-order",
        "which groups come first",
        "`files-desc`, `files-asc`, `bytes-desc`, `bytes-asc` or `none` (oldest files first)",
        Some("files-desc"),
    ),
    option(
        "partial-progress.enabled",
        "whether groups are committed as they are done; if not, all are committed at once or none is",
        "`true` or `false`",
        Some("true"),
    ),
    option(
        "partial-progress.max-commits",
        "commits of an invocation at most, when groups are committed as they are done",
        "a number of 1 or more",
        Some("10"),
    ),
    option(
        "max-concurrent-file-group-rewrites",
        "groups that are rewritten at the same time",
        "a number, 1 to 16",
        Some("2"),
    ),
    option(
        "use-starting-sequence-number",
        "whether new files keep the sequence number the table had, so that equality deletes which arrive meanwhile apply to them",
        "`true`; `false` is not served",
        Some("true"),
    ),
    option(
        "delete-file-threshold",
        "a file to which so many delete files apply is rewritten",
        "a number of 1 or more",
        None,
    ),
    option(
        "delete-ratio-threshold",
        "a file of whose rows this part is known to be deleted is rewritten",
        "a ratio, above 0 and up to 1",
        Some("0.3"),
    ),
    option("rewrite-all", "whether every file is rewritten, whatever its length", "`true` or `false`", Some("false")),
    option(
        "skip-newest-partitions",
        "how many of the newest partitions are left alone, by the first partition field that is a time",
        "a number",
        Some("0"),
    ),
    option(
        "deadline-margin-ms",
        "how long before the invocation's limit rewriting stops, to commit what is done",
        "milliseconds",
        Some("30000"),
    ),
    option("dry-run", "whether to plan and report only", "`true` or `false`", Some("false")),
];

/// An option or table property that a compaction can't go by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("correct {what}: expected {expected}, found `{found}`")]
pub struct OptionError {
    what: String,
    expected: String,
    found: String,
}

fn wrong(name: &str, expected: impl Into<String>, found: impl ToString) -> OptionError {
    OptionError { what: format!("option `{name}`"), expected: expected.into(), found: found.to_string() }
}

/// What a compaction goes by, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Limits {
    pub(crate) target_bytes: u64,
    pub(crate) file_bytes_min: u64,
    pub(crate) file_bytes_max: u64,
    pub(crate) input_files_min: usize,
    pub(crate) group_bytes_max: u64,
    pub(crate) group_files_max: usize,
    pub(crate) files_max: u64,
    pub(crate) bytes_max: u64,
    pub(crate) order: JobOrder,
    /// Commits at most; `None`: one, for all or nothing.
    pub(crate) commits_max: Option<usize>,
    pub(crate) concurrency: usize,
    pub(crate) delete_files_max: u64,
    pub(crate) delete_ratio_max: f64,
    pub(crate) everything: bool,
    pub(crate) newest_skipped: usize,
    pub(crate) margin: Duration,
    pub(crate) dry_run: bool,
}

impl CompactionOptions {
    /// The limits on a table with these properties.
    pub(crate) fn limits(&self, properties: &HashMap<String, String>) -> Result<Limits, OptionError> {
        self.refuse_what_is_not_served()?;
        let (target_bytes, file_bytes_min, file_bytes_max) = self.file_bytes(properties)?;
        let positive = |name, value: u64| match value {
            0 => Err(wrong(name, "a number of 1 or more", 0)),
            value => Ok(value),
        };
        let size =
            |name, value: u32| positive(name, value.into()).map(|value| usize::try_from(value).unwrap_or(usize::MAX));
        let optional = |name, value: Option<u64>| value.map_or(Ok(u64::MAX), |value| positive(name, value));
        let concurrency = self.max_concurrent_file_group_rewrites;
        if concurrency == 0 || concurrency > CONCURRENCY_MAX {
            let expected = format!("a number, 1 to {CONCURRENCY_MAX}");
            return Err(wrong("max-concurrent-file-group-rewrites", expected, concurrency));
        }
        if !(self.delete_ratio_threshold > 0.0 && self.delete_ratio_threshold <= 1.0) {
            return Err(wrong("delete-ratio-threshold", "a ratio, above 0 and up to 1", self.delete_ratio_threshold));
        }
        let commits = size("partial-progress.max-commits", self.max_commits)?;
        Ok(Limits {
            target_bytes,
            file_bytes_min,
            file_bytes_max,
            input_files_min: size("min-input-files", self.min_input_files)?,
            group_bytes_max: positive("max-file-group-size-bytes", self.max_file_group_size_bytes)?,
            group_files_max: size("max-file-group-input-files", self.max_file_group_input_files)?,
            files_max: optional("max-files-to-rewrite", self.max_files_to_rewrite)?,
            bytes_max: optional("max-rewrite-bytes", self.max_rewrite_bytes)?,
            order: self.rewrite_job_order,
            commits_max: self.partial_progress.then_some(commits),
            concurrency: size("max-concurrent-file-group-rewrites", concurrency)?,
            delete_files_max: optional("delete-file-threshold", self.delete_file_threshold)?,
            delete_ratio_max: self.delete_ratio_threshold,
            everything: self.rewrite_all,
            newest_skipped: usize::try_from(self.skip_newest_partitions).unwrap_or(usize::MAX),
            margin: Duration::from_millis(self.deadline_margin_ms),
            dry_run: self.dry_run,
        })
    }

    fn refuse_what_is_not_served(&self) -> Result<(), OptionError> {
        if self.strategy == Strategy::Sort {
            let expected = "`binpack`, since sorting is not served (use an engine that sorts, such as Spark's `rewrite_data_files`)";
            return Err(wrong("strategy", expected, "sort"));
        }
        if !self.use_starting_sequence_number {
            let expected =
                "`true`, since a rewrite under a new sequence number would take rows out of reach of equality deletes";
            return Err(wrong("use-starting-sequence-number", expected, false));
        }
        Ok(())
    }

    /// Target, minimum and maximum of a file's length.
    fn file_bytes(&self, properties: &HashMap<String, String>) -> Result<(u64, u64, u64), OptionError> {
        let (what, target) = match (self.target_file_size_bytes, properties.get(TARGET_PROPERTY)) {
            (Some(bytes), _) => ("option `target-file-size-bytes`".to_owned(), bytes.to_string()),
            (None, Some(text)) => (format!("table property `{TARGET_PROPERTY}`"), text.clone()),
            (None, None) => (String::new(), TARGET_BYTES_DEFAULT.to_string()),
        };
        let parsed = target.parse().ok().filter(|bytes| (1..=TARGET_BYTES_MAX).contains(bytes));
        let expected = format!("bytes, 1 to {TARGET_BYTES_MAX}");
        let bytes: u64 = parsed.ok_or(OptionError { what, expected, found: target })?;
        // Rounded, and sizes are far below 2^53.
        let part = |ratio: f64| (bytes as f64 * ratio) as u64;
        let min = self.min_file_size_bytes.unwrap_or(part(MIN_RATIO));
        let max = self.max_file_size_bytes.unwrap_or(part(MAX_RATIO).max(bytes + 1));
        if min >= bytes {
            return Err(wrong("min-file-size-bytes", format!("less than the target of {bytes}"), min));
        }
        if max <= bytes {
            return Err(wrong("max-file-size-bytes", format!("more than the target of {bytes}"), max));
        }
        Ok((bytes, min, max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(options: CompactionOptions) -> Result<Limits, OptionError> {
        options.limits(&HashMap::new())
    }

    #[test]
    fn the_defaults_are_those_of_the_documentation() {
        let limits = limits(CompactionOptions::default()).unwrap();
        assert_eq!((limits.target_bytes, limits.file_bytes_min), (128 << 20, 96 << 20));
        assert_eq!(limits.file_bytes_max, 241_591_910);
        assert_eq!((limits.commits_max, limits.files_max), (Some(10), u64::MAX));
    }

    #[test]
    fn the_target_is_the_options_else_the_tables() {
        let properties = HashMap::from([(TARGET_PROPERTY.to_owned(), "1000".to_owned())]);
        assert_eq!(CompactionOptions::default().limits(&properties).unwrap().target_bytes, 1000);
        let options = CompactionOptions { target_file_size_bytes: Some(2000), ..CompactionOptions::default() };
        assert_eq!(options.limits(&properties).unwrap().target_bytes, 2000);
        let properties = HashMap::from([(TARGET_PROPERTY.to_owned(), "512MB".to_owned())]);
        assert_eq!(
            CompactionOptions::default().limits(&properties).unwrap_err().to_string(),
            "correct table property `write.target-file-size-bytes`: expected bytes, 1 to 1073741824, found `512MB`"
        );
    }

    #[test]
    fn what_is_not_served_or_makes_no_sense_is_refused_by_name() {
        let base = CompactionOptions::default;
        for (options, name) in [
            (CompactionOptions { strategy: Strategy::Sort, ..base() }, "strategy"),
            (CompactionOptions { use_starting_sequence_number: false, ..base() }, "use-starting-sequence-number"),
            (CompactionOptions { target_file_size_bytes: Some(0), ..base() }, "target-file-size-bytes"),
            (CompactionOptions { min_file_size_bytes: Some(128 << 20), ..base() }, "min-file-size-bytes"),
            (CompactionOptions { max_file_size_bytes: Some(128 << 20), ..base() }, "max-file-size-bytes"),
            (CompactionOptions { min_input_files: 0, ..base() }, "min-input-files"),
            (CompactionOptions { max_rewrite_bytes: Some(0), ..base() }, "max-rewrite-bytes"),
            (CompactionOptions { max_commits: 0, ..base() }, "partial-progress.max-commits"),
            (
                CompactionOptions { max_concurrent_file_group_rewrites: 17, ..base() },
                "max-concurrent-file-group-rewrites",
            ),
            (CompactionOptions { delete_ratio_threshold: f64::NAN, ..base() }, "delete-ratio-threshold"),
        ] {
            let error = limits(options).unwrap_err().to_string();
            assert!(error.starts_with(&format!("correct option `{name}`: expected ")), "{error}");
        }
    }

    #[test]
    fn a_target_of_one_byte_has_room_on_both_sides() {
        let options = CompactionOptions { target_file_size_bytes: Some(1), ..CompactionOptions::default() };
        let limits = limits(options).unwrap();
        assert_eq!((limits.file_bytes_min, limits.file_bytes_max), (0, 2));
    }
}
