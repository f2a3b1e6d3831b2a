//! Object storage behind iceberg's open [`Storage`](iceberg::io::Storage) trait: local files and S3.

mod captured;
mod listing;
mod s3;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use futures::stream::BoxStream;
use iceberg::io::{FileIO, FileIOBuilder, LocalFsStorageFactory};

pub(crate) use captured::Captured;
pub use listing::{Deletion, StoredFile};
pub use s3::S3StorageFactory;

/// Where tables' files live: chosen by the scheme of a location.
#[derive(Debug, Clone, Default)]
pub struct ObjectStore {
    s3: Option<aws_sdk_s3::Client>,
}

/// A location no configured store serves.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LocationError {
    /// An S3 location without an S3 client.
    #[error("configure AWS credentials and a region: location `{location}`: expected an S3 client, found none")]
    NoS3Client {
        /// The location asked for.
        location: String,
    },
    /// A scheme that is neither files nor S3.
    #[error(
        "move the table to S3 or to local files: location `{location}`: expected scheme `s3`, `s3a` or `file`, found `{scheme}`"
    )]
    Scheme {
        /// The location asked for.
        location: String,
        /// Its scheme.
        scheme: String,
    },
}

impl ObjectStore {
    /// Local files only.
    pub fn local() -> Self {
        Self::default()
    }

    /// Local files, and S3 by this client (the one credential chain and HTTP stack of the function).
    pub fn with_s3(client: aws_sdk_s3::Client) -> Self {
        Self { s3: Some(client) }
    }

    /// File access for everything below `location`.
    pub fn file_io(&self, location: &str) -> Result<FileIO, LocationError> {
        match self.place(location)? {
            Place::Local => Ok(FileIOBuilder::new(Arc::new(LocalFsStorageFactory)).build()),
            Place::S3(client) => Ok(FileIOBuilder::new(Arc::new(S3StorageFactory::new(client.clone()))).build()),
        }
    }

    /// Every file below `folder`, in pages of up to about 1000, each location spelled as `folder` is. On S3 a key of the
    /// folder's own (ending in `/`) is a file too.
    ///
    /// # Errors
    /// No store serves the location. A page that can't be read is an error in the stream, which ends there.
    pub fn list(&self, folder: &str) -> Result<BoxStream<'static, iceberg::Result<Vec<StoredFile>>>, LocationError> {
        Ok(match self.place(folder)? {
            Place::Local => listing::list_local(folder),
            Place::S3(client) => s3::list(client.clone(), folder),
        })
    }

    /// Whether a file is there. On S3 by listing its key: asking for an object that is not there is answered as denied, not as
    /// missing, to a caller who may list only below some folders.
    ///
    /// # Errors
    /// Storage did not answer, or no store serves the location.
    pub async fn exists(&self, location: &str) -> iceberg::Result<bool> {
        let unserved = |error: LocationError| {
            iceberg::Error::new(iceberg::ErrorKind::FeatureUnsupported, error.to_string()).with_source(error)
        };
        match self.place(location).map_err(unserved)? {
            Place::Local => Ok(listing::local_path(location).exists()),
            Place::S3(client) => s3::is_listed(client, location).await,
        }
    }

    /// Deletes files, on S3 up to 1000 a request, and says of each what became of it. A file that is not there is gone.
    pub async fn delete(&self, locations: &[String]) -> Vec<Deletion> {
        let mut outcomes = Vec::with_capacity(locations.len());
        let (mut local, mut by_bucket) = (Vec::new(), BTreeMap::<&str, Vec<(&str, &str)>>::new());
        let mut s3 = None;
        for location in locations.iter().map(String::as_str) {
            match self.place(location) {
                Ok(Place::Local) => local.push(location),
                Ok(Place::S3(client)) => match s3::bucket_and_key(location) {
                    Ok((bucket, key)) => {
                        s3 = Some(client);
                        by_bucket.entry(bucket).or_default().push((location, key));
                    }
                    Err(error) => outcomes.push(Deletion::of(location, Err(error.to_string()))),
                },
                Err(error) => outcomes.push(Deletion::of(location, Err(error.to_string()))),
            }
        }
        outcomes.extend(listing::delete_local(&local));
        if let Some(client) = s3 {
            let requests = by_bucket.iter().flat_map(|(bucket, files)| {
                files.chunks(s3::DELETE_KEYS_MAX).map(|files| s3::delete_files(client, bucket, files))
            });
            outcomes.extend(join_all(requests).await.into_iter().flatten());
        }
        outcomes
    }

    fn place(&self, location: &str) -> Result<Place<'_>, LocationError> {
        let scheme = location.split_once(':').map_or("file", |(scheme, _)| scheme);
        match (scheme, &self.s3) {
            ("file", _) => Ok(Place::Local),
            ("s3" | "s3a", Some(client)) => Ok(Place::S3(client)),
            ("s3" | "s3a", None) => Err(LocationError::NoS3Client { location: location.to_owned() }),
            (other, _) => Err(LocationError::Scheme { location: location.to_owned(), scheme: other.to_owned() }),
        }
    }
}

/// Which store serves a location.
enum Place<'a> {
    Local,
    S3(&'a aws_sdk_s3::Client),
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;

    #[test]
    fn a_location_no_store_serves_is_refused_by_name() {
        let error = ObjectStore::local().file_io("gs://bucket/table").unwrap_err();
        assert!(error.to_string().contains("`gs`"), "{error}");
        let error = ObjectStore::local().file_io("s3://bucket/table").unwrap_err();
        assert!(error.to_string().contains("credentials"), "{error}");
    }

    fn lake() -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        for index in 0..2500 {
            let below = folder.path().join(format!("t/data/day={}", index % 3));
            std::fs::create_dir_all(&below).unwrap();
            std::fs::write(below.join(format!("{index}.parquet")), "12345").unwrap();
        }
        let location = format!("file://{}/t", folder.path().display());
        (folder, location)
    }

    async fn listed(location: &str) -> Vec<StoredFile> {
        let pages = ObjectStore::local().list(location).unwrap();
        let pages: Vec<Vec<StoredFile>> = pages.try_collect().await.unwrap();
        assert!(pages.iter().all(|page| page.len() <= 1000), "a page is bounded");
        pages.into_iter().flatten().collect()
    }

    #[tokio::test]
    async fn a_listing_has_every_file_below_with_size_and_age_spelled_as_asked() {
        let (folder, location) = lake();
        std::fs::write(folder.path().join("beside.parquet"), "").unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("t/around")).unwrap();
        let files = listed(&format!("{location}/")).await;
        assert_eq!(files.len(), 2500, "neither what lies beside nor what is behind a link");
        assert!(files.iter().all(|file| file.location.starts_with(&format!("{location}/data/day="))));
        assert!(files.iter().all(|file| file.size_bytes == 5 && file.modified_ms > 1_600_000_000_000));
        assert_eq!(listed(&format!("{location}/nowhere")).await, []);
    }

    #[tokio::test]
    async fn each_file_has_an_outcome_and_one_that_is_gone_counts_as_deleted() {
        let (folder, location) = lake();
        let file = |name: &str| format!("{location}/data/{name}");
        let locations = ["day=0/0.parquet", "day=9/none.parquet", "day=1"].map(file);
        let outcomes = ObjectStore::local().delete(&[&locations[..], &["s3://b/key".to_owned()]].concat()).await;
        let refused = |location: &str| {
            let outcome = outcomes.iter().find(|outcome| outcome.location == location).unwrap();
            outcome.refused.clone()
        };
        assert_eq!((refused(&locations[0]), refused(&locations[1])), (None, None));
        assert!(refused(&locations[2]).is_some(), "a folder is no file");
        assert!(refused("s3://b/key").unwrap().contains("credentials"));
        assert!(!folder.path().join("t/data/day=0/0.parquet").exists());
    }
}
