//! What is in storage: listing below a folder, and deleting many files with an outcome for each.
//!
//! A location found is spelled as the folder asked for is, so that it compares with what metadata of that spelling names.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use futures::stream::{self, BoxStream, StreamExt};
use iceberg::{Error, ErrorKind, Result};

/// Files of one page of a local listing; S3 gives as many.
const PAGE_FILES_MAX: usize = 1000;

/// A file that a listing found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Where it is.
    pub location: String,
    /// Its size.
    pub size_bytes: u64,
    /// When it was last written, in milliseconds since the epoch, by the storage's clock.
    pub modified_ms: i64,
}

/// What became of one file that was to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// The file.
    pub location: String,
    /// The storage's words where it is still there; `None`: it is gone, or was so before.
    pub refused: Option<String>,
}

impl Deletion {
    pub(super) fn of(location: &str, done: std::result::Result<(), String>) -> Self {
        Self { location: location.to_owned(), refused: done.err() }
    }
}

/// Pages of files.
pub(super) type Pages = BoxStream<'static, Result<Vec<StoredFile>>>;

/// The path of a local location: `file:///a`, `file:/a` or `/a`.
pub(super) fn local_path(location: &str) -> PathBuf {
    let path = location.strip_prefix("file://").or_else(|| location.strip_prefix("file:")).unwrap_or(location);
    PathBuf::from(path)
}

/// Every file below a local folder, one folder after the other. Links are not followed: what is behind one is not below the
/// folder. A folder that is not there has no files.
pub(super) fn list_local(folder: &str) -> Pages {
    let folder = folder.trim_end_matches('/').to_owned();
    let walk = Walk { folders: vec![folder], found: Vec::new() };
    stream::try_unfold(walk, |walk| async move { walk.page() }).boxed()
}

struct Walk {
    folders: Vec<String>,
    found: Vec<StoredFile>,
}

impl Walk {
    fn page(mut self) -> Result<Option<(Vec<StoredFile>, Self)>> {
        while self.found.len() < PAGE_FILES_MAX
            && let Some(folder) = self.folders.pop()
        {
            self.read(&folder).map_err(|error| {
                Error::new(ErrorKind::Unexpected, format!("list `{folder}`: {error}")).with_source(error)
            })?;
        }
        if self.found.is_empty() {
            return Ok(None);
        }
        let rest = self.found.split_off(self.found.len().min(PAGE_FILES_MAX));
        let page = std::mem::replace(&mut self.found, rest);
        Ok(Some((page, self)))
    }

    fn read(&mut self, folder: &str) -> std::io::Result<()> {
        let entries = match fs::read_dir(local_path(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            let name = entry.file_name();
            let name = name.to_str().ok_or_else(|| std::io::Error::other("a file's name is no UTF-8"))?;
            let location = format!("{folder}/{name}");
            if kind.is_dir() {
                self.folders.push(location);
            } else if kind.is_file() {
                let (size_bytes, modified_ms) = match entry.metadata() {
                    Ok(metadata) => (metadata.len(), modified_ms(&metadata)?),
                    // Deleted since its folder was read.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                };
                self.found.push(StoredFile { location, size_bytes, modified_ms });
            }
        }
        Ok(())
    }
}

fn modified_ms(metadata: &fs::Metadata) -> std::io::Result<i64> {
    let since_epoch = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// Deletes local files; one that is not there counts as gone.
pub(super) fn delete_local(locations: &[&str]) -> Vec<Deletion> {
    locations.iter().map(|location| Deletion::of(location, delete_one(&local_path(location)))).collect()
}

fn delete_one(path: &Path) -> std::result::Result<(), String> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.to_string()),
        _ => Ok(()),
    }
}
