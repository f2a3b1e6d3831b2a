//! Which files in storage nothing needs; pure.
//!
//! A wrong answer here would delete a table, so that the survey stops at every sign that listing and metadata speak of different
//! things, rather than conclude from it:
//!
//! | sign | it may mean |
//! |---|---|
//! | a file that the table needed before the listing began is not in it | the listing is short, or of another place |
//! | the table names files below the folder, of some kind, and the listing has none of that kind | the same |
//! | a file is named under another spelling of a location in the folder (`s3a://`, `//`, `%20`, another bucket's alias) | files that are in use look unused |
//! | a metadata file lies in a folder that is not this table's | another table lies below this one |

use std::collections::{BTreeMap, HashMap};

use tributary_table::StoredFile;

use crate::file_removal::{Kind, PathSet, canonical, is_below};

/// Age in milliseconds below which no file is an orphan, whatever the options say: a commit under way, of whichever engine, has
/// files that no metadata names yet, and a commit that was overwritten is put back from its files (INV-7).
pub const YOUNGEST_MS: i64 = 24 * 60 * 60 * 1000;

/// Why orphans can't be told. Nothing was deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrphanStop {
    /// A file in use is not in storage.
    #[error(
        "look for {kind} file `{location}` and restore it, or repair the table with another engine: expected every file the table \
         needs below `{folder}` in the listing, found that one missing"
    )]
    Missing {
        /// What the file is to the table.
        kind: &'static str,
        /// The file.
        location: String,
        /// The folder listed.
        folder: String,
    },
    /// No file of a kind, although the table names some.
    #[error("check the location `{folder}` and the right to list it: expected {kind} files below it, found none")]
    NoneOfKind {
        /// The kind.
        kind: &'static str,
        /// The folder listed.
        folder: String,
    },
    /// One place under two names.
    #[error(
        "rewrite the table's metadata so that it names its files in one way: expected every file below `{folder}` to be named as it \
         is there, found `{location}`"
    )]
    Spelling {
        /// What metadata names.
        location: String,
        /// The folder listed.
        folder: String,
    },
    /// Another table's metadata.
    #[error(
        "give each table a folder of its own, or name this table's own folder by option `location`: expected metadata files of this \
         table alone below `{folder}`, found `{location}`"
    )]
    AnotherTable {
        /// The metadata file.
        location: String,
        /// The folder listed.
        folder: String,
    },
    /// The table moved while it was listed.
    #[error("run again: expected the table to stay at `{folder}`, found that it was replaced or moved meanwhile")]
    Moved {
        /// The folder listed.
        folder: String,
    },
}

/// Where a file that metadata names lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Below,
    Elsewhere,
}

/// A listed file.
#[derive(Debug, Clone, Copy)]
struct Listed {
    size_bytes: u64,
    modified_ms: i64,
    is_needed: bool,
}

/// What is in storage, struck off as metadata names it.
#[derive(Debug)]
pub(super) struct Survey {
    /// Ends in `/`, and is spelled as the locations listed are.
    folder: String,
    canonical_folder: String,
    metadata_folders: Vec<String>,
    files: HashMap<String, Listed>,
    /// How many files of a kind were named below the folder, and how many of them listed.
    named: BTreeMap<Kind, (u64, u64)>,
    elsewhere: PathSet,
    /// Everything named.
    reached: PathSet,
    old_metadata_missing: u64,
}

/// What a survey found.
#[derive(Debug)]
pub(super) struct OrphanPlan {
    /// By location.
    pub(super) orphans: Vec<StoredFile>,
    pub(super) reached: PathSet,
    pub(super) listed: u64,
    pub(super) listed_bytes: u64,
    pub(super) needed: u64,
    pub(super) too_young: u64,
    pub(super) passed_over: u64,
    pub(super) old_metadata_missing: u64,
}

impl Survey {
    /// Of a folder, for a table whose metadata files may be in `metadata_folders`.
    pub(super) fn new(folder: &str, metadata_folders: impl IntoIterator<Item = String>) -> Self {
        let folder = format!("{}/", folder.trim_end_matches('/'));
        Self {
            canonical_folder: canonical(&folder),
            folder,
            metadata_folders: metadata_folders.into_iter().map(|folder| canonical(&folder)).collect(),
            files: HashMap::new(),
            named: BTreeMap::new(),
            elsewhere: PathSet::default(),
            reached: PathSet::default(),
            old_metadata_missing: 0,
        }
    }

    /// Adds a listed file.
    pub(super) fn list(&mut self, file: StoredFile) -> Result<(), OrphanStop> {
        let StoredFile { location, size_bytes, modified_ms } = file;
        if is_metadata_file(&location) {
            let parent = location.rsplit_once('/').map_or("", |(parent, _)| parent);
            if !self.metadata_folders.contains(&canonical(parent)) {
                return Err(OrphanStop::AnotherTable { location, folder: self.folder.clone() });
            }
        }
        self.files.insert(location, Listed { size_bytes, modified_ms, is_needed: false });
        Ok(())
    }

    /// Strikes off a file that metadata names. `is_old`: whether it did so before the listing began.
    pub(super) fn name(&mut self, kind: Kind, location: &str, is_old: bool) -> Result<Place, OrphanStop> {
        self.reached.insert(location);
        if !location.starts_with(&self.folder) {
            self.elsewhere.insert(location);
            return match is_below(&canonical(location), &self.canonical_folder) {
                true => Err(self.spelling(location)),
                false => Ok(Place::Elsewhere),
            };
        }
        let (named, listed) = self.named.entry(kind).or_default();
        *named += 1;
        match self.files.get_mut(location) {
            Some(file) => {
                *listed += 1;
                file.is_needed = true;
            }
            None if is_old => {
                let folder = self.folder.clone();
                return Err(OrphanStop::Missing { kind: kind.as_str(), location: location.to_owned(), folder });
            }
            // It came after the listing.
            None => {}
        }
        Ok(Place::Below)
    }

    /// Strikes off an older metadata file of the metadata log. No reader needs it, and others delete such files without
    /// telling the table, so that it may be missing.
    pub(super) fn name_old_metadata(&mut self, location: &str) -> Result<Place, OrphanStop> {
        let place = self.name(Kind::Metadata, location, false)?;
        self.old_metadata_missing += u64::from(place == Place::Below && !self.files.contains_key(location));
        Ok(place)
    }

    pub(super) fn spelling(&self, location: &str) -> OrphanStop {
        OrphanStop::Spelling { location: location.to_owned(), folder: self.folder.clone() }
    }

    /// What nothing named and was last written before `cutoff_ms`.
    pub(super) fn orphans(self, cutoff_ms: i64) -> Result<OrphanPlan, OrphanStop> {
        if let Some((kind, _)) = self.named.iter().find(|(_, (named, listed))| *named > 0 && *listed == 0) {
            return Err(OrphanStop::NoneOfKind { kind: kind.as_str(), folder: self.folder });
        }
        let (listed, listed_bytes) = (self.files.len() as u64, self.files.values().map(|file| file.size_bytes).sum());
        let mut plan = OrphanPlan {
            orphans: Vec::new(),
            reached: self.reached,
            listed,
            listed_bytes,
            needed: 0,
            too_young: 0,
            passed_over: 0,
            old_metadata_missing: self.old_metadata_missing,
        };
        for (location, file) in self.files {
            if file.is_needed {
                plan.needed += 1;
            } else if self.elsewhere.contains(&location) {
                // The same path in another bucket or scheme: perhaps this very file.
                return Err(OrphanStop::Spelling { location, folder: self.folder });
            } else if is_passed_over(&location[self.folder.len()..]) {
                plan.passed_over += 1;
            } else if file.modified_ms >= cutoff_ms {
                plan.too_young += 1;
            } else {
                let Listed { size_bytes, modified_ms, .. } = file;
                plan.orphans.push(StoredFile { location, size_bytes, modified_ms });
            }
        }
        plan.orphans.sort_unstable_by(|one, other| one.location.cmp(&other.location));
        Ok(plan)
    }
}

/// Whether a location is named as metadata files are, compressed or not.
pub(super) fn is_metadata_file(location: &str) -> bool {
    location.strip_suffix(".gz").unwrap_or(location).ends_with(".metadata.json")
}

/// What is no file of Iceberg's: hidden files and folders of other tools (`_SUCCESS`, `.hoodie`; a partition folder may begin so
/// too), S3's marks for folders, and the file by which Hadoop catalogs find the metadata.
fn is_passed_over(path: &str) -> bool {
    let is_hidden = |part: &str| part.starts_with(['_', '.']) && !part.contains('=');
    path.is_empty() || path.ends_with('/') || path.ends_with("/version-hint.text") || path.split('/').any(is_hidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUTOFF_MS: i64 = 1000;

    fn survey(files: &[(&str, i64)]) -> Survey {
        let mut survey = Survey::new("s3://b/t", ["s3://b/t/metadata".to_owned()]);
        for (path, modified_ms) in files {
            let location = format!("s3://b/t/{path}");
            survey.list(StoredFile { location, size_bytes: 7, modified_ms: *modified_ms }).unwrap();
        }
        survey
    }

    fn orphans(survey: Survey) -> Vec<String> {
        let plan = survey.orphans(CUTOFF_MS).unwrap();
        plan.orphans.iter().map(|file| file.location.trim_start_matches("s3://b/t/").to_owned()).collect()
    }

    #[test]
    fn an_orphan_is_old_and_named_by_nothing() {
        let mut survey =
            survey(&[("data/a", 1), ("data/b", 1), ("data/c", CUTOFF_MS), ("data/c2", 999), ("data/d", 1)]);
        survey.name(Kind::Data, "s3://b/t/data/a", true).unwrap();
        survey.name(Kind::Data, "s3://b/t/data/d", false).unwrap();
        survey.name(Kind::Data, "s3://b/t/data/came-since", false).unwrap();
        let plan = survey.orphans(CUTOFF_MS).unwrap();
        assert_eq!((plan.listed, plan.listed_bytes, plan.needed, plan.too_young), (5, 35, 2, 1));
        let found: Vec<&str> = plan.orphans.iter().map(|file| file.location.as_str()).collect();
        assert_eq!(found, ["s3://b/t/data/b", "s3://b/t/data/c2"]);
        assert!(plan.reached.contains("s3://b/t/data/came-since"));
    }

    #[test]
    fn other_tools_files_are_passed_over() {
        let survey = survey(&[
            ("_SUCCESS", 1),
            ("data/.part-1.crc", 1),
            ("_temporary/0/x", 1),
            ("data/", 1),
            ("metadata/version-hint.text", 1),
            ("data/_day=1/x", 1),
        ]);
        assert_eq!(orphans(survey), ["data/_day=1/x"]);
    }

    #[test]
    fn a_needed_file_that_is_not_listed_stops_and_is_named() {
        let stop = survey(&[("data/a", 1)]).name(Kind::ManifestList, "s3://b/t/metadata/snap", true).unwrap_err();
        assert!(matches!(&stop, OrphanStop::Missing { location, .. } if location.ends_with("snap")), "{stop}");
    }

    #[test]
    fn a_kind_that_is_named_and_not_listed_at_all_stops() {
        let mut survey = survey(&[("data/a", 1)]);
        survey.name(Kind::Data, "s3://b/t/data/a", true).unwrap();
        survey.name(Kind::Manifest, "s3://b/t/metadata/m0", false).unwrap();
        let stop = survey.orphans(CUTOFF_MS).unwrap_err();
        assert!(matches!(stop, OrphanStop::NoneOfKind { kind: "manifest", .. }), "{stop}");
    }

    #[test]
    fn another_spelling_of_a_place_in_the_folder_stops() {
        for location in
            ["s3a://b/t/data/a", "S3://b/t/data/a", "s3://b//t/data/a", "s3://b/u/../t/data/a", "s3://b/%74/data/a"]
        {
            let stop = survey(&[("data/a", 1)]).name(Kind::Data, location, true).unwrap_err();
            assert!(matches!(stop, OrphanStop::Spelling { .. }), "{location}: {stop}");
        }
        let stop = survey(&[("data/a", 1)]).name(Kind::Data, "s3://b/t//data/a", true).unwrap_err();
        assert!(matches!(stop, OrphanStop::Missing { .. }), "{stop}");
    }

    #[test]
    fn the_same_path_in_another_bucket_stops_and_other_paths_there_do_not() {
        let mut aliased = survey(&[("data/a", 1)]);
        assert_eq!(aliased.name(Kind::Data, "s3://alias/t/data/a", true), Ok(Place::Elsewhere));
        assert!(matches!(aliased.orphans(CUTOFF_MS).unwrap_err(), OrphanStop::Spelling { .. }));
        let mut foreign = survey(&[("data/a", 1)]);
        assert_eq!(foreign.name(Kind::Data, "s3://b/t2/data/a", true), Ok(Place::Elsewhere));
        assert_eq!(orphans(foreign), ["data/a"]);
    }

    #[test]
    fn metadata_of_another_table_below_stops() {
        let mut survey = survey(&[("metadata/00000-a.metadata.json", 1)]);
        for name in ["00000-b.metadata.json", "00000-b.gz.metadata.json", "v1.metadata.json.gz"] {
            let location = format!("s3://b/t/nested/metadata/{name}");
            let stop = survey.list(StoredFile { location, size_bytes: 1, modified_ms: 1 }).unwrap_err();
            assert!(matches!(stop, OrphanStop::AnotherTable { .. }), "{stop}");
        }
    }

    #[test]
    fn an_old_metadata_file_may_be_missing() {
        let mut survey = survey(&[("metadata/2.metadata.json", 1), ("metadata/0.metadata.json", 1)]);
        survey.name(Kind::Metadata, "s3://b/t/metadata/2.metadata.json", true).unwrap();
        survey.name_old_metadata("s3://b/t/metadata/1.metadata.json").unwrap();
        let plan = survey.orphans(CUTOFF_MS).unwrap();
        assert_eq!((plan.old_metadata_missing, plan.orphans.len()), (1, 1));
    }
}
