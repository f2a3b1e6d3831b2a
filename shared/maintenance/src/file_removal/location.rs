//! Locations as they compare: one file may be spelled in several ways, and what is deleted must not be one that is reached under
//! another spelling.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use iceberg::spec::TableMetadata;

/// The path of a location without scheme and bucket, its repeated slashes taken as one.
///
/// What compares equal is taken for the same file. Two files in different buckets may, too: then one of them is kept without
/// need, which does no harm.
pub(crate) fn path_key(location: &str) -> Cow<'_, str> {
    let path = match location.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => location.strip_prefix("file:").unwrap_or(location),
    };
    match path.contains("//") {
        false => Cow::Borrowed(path),
        true => Cow::Owned(
            path.split('/').filter(|part| !part.is_empty()).fold(String::new(), |key, part| key + "/" + part),
        ),
    }
}

/// A location in the one spelling that other spellings of it have in common: scheme `s3` or `file`, no repeated slashes, no `.`
/// or `..`, no percent-encoding. Only for comparing: storage may know the file by another name.
pub(crate) fn canonical(location: &str) -> String {
    let (scheme, authority) = match location.split_once("://") {
        Some((scheme, rest)) => (scheme, rest.split('/').next().unwrap_or_default()),
        None => ("file", ""),
    };
    let scheme = match scheme.to_ascii_lowercase() {
        scheme if scheme == "s3a" || scheme == "s3n" => "s3".to_owned(),
        scheme => scheme,
    };
    let decoded = percent_decoded(&path_key(location));
    let mut parts: Vec<&str> = Vec::new();
    for part in decoded.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("{scheme}://{authority}/{}", parts.join("/"))
}

/// The path of a local location; `None` of one elsewhere.
pub(crate) fn local_path(location: &str) -> Option<&str> {
    let path = location.strip_prefix("file://").or_else(|| location.strip_prefix("file:")).unwrap_or(location);
    path.starts_with('/').then_some(path)
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).filter(|_| *first == b'%').and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A set of files, in 16 bytes each, so that millions fit into a function's memory.
///
/// A fingerprint that two files share by chance makes one of them count as held: that keeps a file, and deletes none.
#[derive(Debug, Default)]
pub(crate) struct PathSet {
    fingerprints: HashSet<u128>,
}

impl PathSet {
    /// Adds a file; whether it is new.
    pub(crate) fn insert(&mut self, location: &str) -> bool {
        self.fingerprints.insert(fingerprint(location))
    }

    pub(crate) fn contains(&self, location: &str) -> bool {
        self.fingerprints.contains(&fingerprint(location))
    }
}

fn fingerprint(location: &str) -> u128 {
    let key = path_key(location);
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, &key).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

/// The folders whose files are the table's own to delete.
#[derive(Debug, Clone)]
pub(crate) struct Folders(Vec<String>);

const DATA_PATH: &str = "write.data.path";
const METADATA_PATH: &str = "write.metadata.path";

impl Folders {
    /// The table's location, and where its properties send data and metadata.
    pub(crate) fn of(metadata: &TableMetadata) -> Self {
        let configured = [DATA_PATH, METADATA_PATH].iter().filter_map(|name| metadata.properties().get(*name));
        let all = [metadata.location()].into_iter().chain(configured.map(String::as_str));
        Self(all.map(canonical).collect())
    }

    /// One folder.
    pub(crate) fn only(folder: &str) -> Self {
        Self(vec![canonical(folder)])
    }

    /// Their canonical locations.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &String> {
        self.0.iter()
    }

    /// Whether a location lies below one of them (or is one, where it is a folder).
    pub(crate) fn hold(&self, location: &str) -> bool {
        let location = canonical(location);
        self.0.iter().any(|folder| is_below(&location, folder))
    }
}

/// Whether a canonical location is a canonical folder or lies below it.
pub(crate) fn is_below(location: &str, folder: &str) -> bool {
    location.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || folder.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_file_are_one_path() {
        for location in [
            "s3://b/t/data/x",
            "s3a://b/t/data/x",
            "s3://other/t/data/x",
            "s3://b/t//data/x",
            "file:/t/data/x",
            "/t/data/x",
        ] {
            assert_eq!(path_key(location), "/t/data/x", "{location}");
        }
        assert_eq!(path_key("s3://bucket"), "");
    }

    #[test]
    fn a_canonical_location_keeps_bucket_and_path_alone() {
        for location in ["s3a://b/t/a b", "S3://b//t/./a%20b", "s3://b/t/x/../a b/"] {
            assert_eq!(canonical(location), "s3://b/t/a b", "{location}");
        }
        for location in ["/t/x", "file:/t/x", "file:///t/x"] {
            assert_eq!(canonical(location), "file:///t/x");
        }
        assert_eq!(canonical("s3://b/100%"), "s3://b/100%");
    }

    #[test]
    fn a_folder_holds_what_is_below_it_and_no_neighbour() {
        let folders = Folders(vec![canonical("s3://b/t/"), canonical("s3://data")]);
        for location in ["s3://b/t/data/x", "s3a://b/t/x", "s3://data/x"] {
            assert!(folders.hold(location), "{location}");
        }
        for location in ["s3://b/t2/x", "s3://c/t/x", "file:///t/x", "s3://b/t/../u/x", "s3://data2/x"] {
            assert!(!folders.hold(location), "{location}");
        }
    }

    #[test]
    fn a_set_knows_a_file_under_each_of_its_spellings() {
        let mut set = PathSet::default();
        assert!(set.insert("s3://b/t/data/x"));
        assert!(!set.insert("s3a://b/t/data/x"));
        assert!(set.contains("s3://b/t//data/x") && !set.contains("s3://b/t/data/y"));
    }
}
