//! The next metadata file of a table: its name, its bytes, and what falls off the metadata log.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use iceberg::compression::CompressionCodec;
use iceberg::spec::{TableMetadata, TableMetadataBuilder};
use iceberg::{Error, ErrorKind, Result};
use uuid::Uuid;

const METADATA_PATH: &str = "write.metadata.path";
const DELETE_AFTER_COMMIT: &str = "write.metadata.delete-after-commit.enabled";

/// Metadata ready to be put and swapped in.
pub(crate) struct NewMetadata {
    pub(crate) metadata: TableMetadata,
    pub(crate) location: String,
    pub(crate) bytes: Bytes,
    /// Older metadata files to delete after the swap, where the table asks for that.
    pub(crate) expired: Vec<String>,
}

impl NewMetadata {
    /// Builds the metadata that follows the file at `current`.
    pub(crate) fn build(builder: TableMetadataBuilder, current: &str) -> Result<Self> {
        let built = builder.build()?;
        let metadata = built.metadata;
        let wanted =
            metadata.properties().get(DELETE_AFTER_COMMIT).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let expired = match wanted {
            true => built.expired_metadata_logs.into_iter().map(|log| log.metadata_file).collect(),
            false => Vec::new(),
        };
        Self::named(metadata, version_of(current).map_or(0, |version| version + 1), expired)
    }

    /// The first metadata of a new table.
    pub(crate) fn first(metadata: TableMetadata) -> Result<Self> {
        Self::named(metadata, 0, Vec::new())
    }

    fn named(metadata: TableMetadata, version: u64, expired: Vec<String>) -> Result<Self> {
        let json = serde_json::to_vec(&metadata).map_err(|error| {
            Error::new(ErrorKind::DataInvalid, "expected metadata that serialises as JSON").with_source(error)
        })?;
        let codec = metadata.metadata_compression_codec()?;
        let (suffix, bytes) = match codec {
            CompressionCodec::None => ("", json),
            _ => (".gz", gzip(&json)?),
        };
        let location = format!("{}/{version:05}-{}{suffix}.metadata.json", folder(&metadata), Uuid::new_v4());
        Ok(Self { metadata, location, bytes: Bytes::from(bytes), expired })
    }
}

/// Reads metadata.json bytes, gzip-compressed or not (told by gzip's magic number, as names vary between writers).
pub(crate) fn parse(bytes: &[u8]) -> Result<TableMetadata> {
    let invalid = |error: serde_json::Error| {
        Error::new(ErrorKind::DataInvalid, "expected table metadata as JSON").with_source(error)
    };
    match bytes {
        [0x1F, 0x8B, ..] => {
            let mut json = Vec::new();
            GzDecoder::new(bytes).read_to_end(&mut json).map_err(not_gzip)?;
            serde_json::from_slice(&json).map_err(invalid)
        }
        json => serde_json::from_slice(json).map_err(invalid),
    }
}

fn gzip(json: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(json).map_err(not_gzip)?;
    encoder.finish().map_err(not_gzip)
}

fn not_gzip(error: std::io::Error) -> Error {
    Error::new(ErrorKind::DataInvalid, "expected gzip-compressed metadata").with_source(error)
}

/// Where a table's metadata files go.
pub(crate) fn folder(metadata: &TableMetadata) -> String {
    let configured = metadata.properties().get(METADATA_PATH);
    configured.map_or_else(|| format!("{}/metadata", metadata.location()), |path| path.trim_end_matches('/').to_owned())
}

/// The number in `00012-<uuid>.metadata.json` or, as Hadoop tables have it, `v12.metadata.json`.
fn version_of(location: &str) -> Option<u64> {
    let name = location.rsplit('/').next()?;
    let digits = name.strip_prefix('v').and_then(|rest| rest.split('.').next()).or_else(|| name.split('-').next())?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_bytes_read_back_and_broken_ones_are_an_error() {
        let packed = gzip(b"{}").unwrap();
        assert_eq!(packed[..2], [0x1F, 0x8B]);
        assert!(parse(&packed).unwrap_err().to_string().contains("table metadata"));
        assert!(parse(&packed[..10]).unwrap_err().to_string().contains("gzip"));
    }

    #[test]
    fn the_version_is_read_from_either_naming() {
        assert_eq!(version_of("s3://b/t/metadata/00012-aa-bb.metadata.json"), Some(12));
        assert_eq!(version_of("/t/metadata/v7.metadata.json"), Some(7));
        assert_eq!(version_of("/t/metadata/v7.gz.metadata.json"), Some(7));
        assert_eq!(version_of("/t/metadata/other.json"), None);
    }
}
