//! Where a record came from, and ranges of offsets.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A topic of one cluster: what offsets are relative to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Source {
    /// Identity of the cluster: the MSK cluster's ARN, the configured identity, or the
    /// normalised bootstrap servers (see [`crate::ClusterIdentity`]).
    pub cluster: String,
    /// Name of the topic.
    pub topic: String,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` of cluster `{}`", self.topic, self.cluster)
    }
}

/// One partition of a source; within it offsets only grow.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourcePartition {
    /// The topic and its cluster.
    pub source: Source,
    /// Number of the partition, 0 or greater.
    pub partition: i32,
}

impl fmt::Display for SourcePartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition {} of {}", self.partition, self.source)
    }
}

/// The offsets `first..=last` of one partition, never empty, both 0 or greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OffsetRange {
    first: i64,
    last: i64,
}

/// A pair of offsets that is no range.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected an offset range `first-last` with 0 <= first <= last, found `{found}`")]
pub struct OffsetRangeError {
    found: String,
}

impl OffsetRange {
    /// A range from two offsets, checked here once so that nothing below takes two bare integers.
    pub fn try_new(first: i64, last: i64) -> Result<Self, OffsetRangeError> {
        if first < 0 || last < first {
            return Err(OffsetRangeError { found: format!("{first}-{last}") });
        }
        Ok(Self { first, last })
    }

    /// The first offset in the range.
    pub fn first(self) -> i64 {
        self.first
    }

    /// The last offset in the range (inclusive).
    pub fn last(self) -> i64 {
        self.last
    }

    /// The offset after the last: where reading goes on.
    pub fn next(self) -> i64 {
        self.last.saturating_add(1)
    }
}

impl fmt::Display for OffsetRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl FromStr for OffsetRange {
    type Err = OffsetRangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || OffsetRangeError { found: text.to_owned() };
        let (first, last) = text.split_once('-').ok_or_else(error)?;
        let first = first.parse().map_err(|_| error())?;
        let last = last.parse().map_err(|_| error())?;
        Self::try_new(first, last).map_err(|_| error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_reads_back_what_it_prints() {
        let range = OffsetRange::try_new(3, 17).unwrap();
        assert_eq!(range.to_string(), "3-17");
        assert_eq!("3-17".parse::<OffsetRange>().unwrap(), range);
        assert_eq!(range.next(), 18);
    }

    #[test]
    fn an_empty_or_negative_range_is_refused() {
        for text in ["5-4", "-1-4", "x-1", "7", ""] {
            assert!(text.parse::<OffsetRange>().is_err(), "{text}");
        }
    }
}
