//! What a table needs, by a reader that knows nothing of our code (`tests/tools/reachability.py`).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use tributary_testkit::tools::script;

/// The files that one metadata file's snapshots, refs and statistics reach.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Reachability {
    /// By kind: `metadata`, `metadata-log`, `manifest-list`, `manifest`, `data`, `delete`, `statistics`.
    pub needed: BTreeMap<String, BTreeSet<String>>,
    /// Needed, and not in storage; files of the metadata log are not needed in this sense.
    pub missing: Vec<String>,
}

impl Reachability {
    /// Of a metadata file; `endpoint` is S3's, where the table is there.
    pub fn of(metadata_location: &str, endpoint: Option<&str>) -> Self {
        let done = script("reachability.py").unwrap().arg(metadata_location).args(endpoint).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).unwrap()
    }

    /// Every file, of whichever kind.
    pub fn all(&self) -> BTreeSet<String> {
        self.needed.values().flatten().cloned().collect()
    }

    /// Those of one kind.
    pub fn of_kind(&self, kind: &str) -> BTreeSet<String> {
        self.needed.get(kind).cloned().unwrap_or_default()
    }
}
