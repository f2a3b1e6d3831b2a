//! Object storage behind iceberg's open [`Storage`](iceberg::io::Storage) trait: local files and S3.

mod captured;
mod s3;

use std::sync::Arc;

use iceberg::io::{FileIO, FileIOBuilder, LocalFsStorageFactory};

pub(crate) use captured::Captured;
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
        let scheme = location.split_once(':').map_or("file", |(scheme, _)| scheme);
        match scheme {
            "file" => Ok(FileIOBuilder::new(Arc::new(LocalFsStorageFactory)).build()),
            "s3" | "s3a" => {
                let client =
                    self.s3.clone().ok_or_else(|| LocationError::NoS3Client { location: location.to_owned() })?;
                Ok(FileIOBuilder::new(Arc::new(S3StorageFactory::new(client))).build())
            }
            other => Err(LocationError::Scheme { location: location.to_owned(), scheme: other.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_no_store_serves_is_refused_by_name() {
        let error = ObjectStore::local().file_io("gs://bucket/table").unwrap_err();
        assert!(error.to_string().contains("`gs`"), "{error}");
        let error = ObjectStore::local().file_io("s3://bucket/table").unwrap_err();
        assert!(error.to_string().contains("credentials"), "{error}");
    }
}
