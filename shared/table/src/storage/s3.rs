//! S3 by `aws-sdk-s3`.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::BoxStream;
use iceberg::io::{FileMetadata, FileRead, FileWrite, InputFile, OutputFile, Storage, StorageConfig, StorageFactory};
use iceberg::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::listing::{Deletion, Pages, StoredFile};

/// Bytes of one part of a multipart upload; S3 takes 5 MiB or more but for the last part.
const PART_BYTES: usize = 8 << 20;
/// Keys of one DeleteObjects request (S3's own bound).
pub(super) const DELETE_KEYS_MAX: usize = 1000;

/// Builds S3 storage over one client.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct S3StorageFactory {
    storage: S3Storage,
}

impl S3StorageFactory {
    /// A factory whose storages all use `client`.
    pub fn new(client: Client) -> Self {
        Self { storage: S3Storage { client: Some(client) } }
    }
}

#[typetag::serde(name = "TributaryS3Factory")]
impl StorageFactory for S3StorageFactory {
    fn build(&self, _config: &StorageConfig) -> Result<Arc<dyn Storage>> {
        Ok(Arc::new(self.storage.clone()))
    }
}

/// `s3://bucket/key` (and `s3a://`) paths. The client does not travel through serde: a deserialised storage answers an error.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct S3Storage {
    #[serde(skip)]
    client: Option<Client>,
}

/// A parsed S3 path.
struct Object<'a> {
    client: &'a Client,
    bucket: &'a str,
    key: &'a str,
}

impl S3Storage {
    fn object<'a>(&'a self, path: &'a str) -> Result<Object<'a>> {
        let client = self.client.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Unexpected, format!("`{path}`: expected an S3 client, found storage without one"))
        })?;
        let (bucket, key) = bucket_and_key(path)?;
        Ok(Object { client, bucket, key })
    }
}

/// Bucket and key of `s3://bucket/key` or `s3a://bucket/key`.
pub(super) fn bucket_and_key(path: &str) -> Result<(&str, &str)> {
    let rest = path.strip_prefix("s3://").or_else(|| path.strip_prefix("s3a://"));
    rest.and_then(|rest| rest.split_once('/'))
        .ok_or_else(|| Error::new(ErrorKind::DataInvalid, format!("expected a path `s3://bucket/key`, found `{path}`")))
}

/// The SDK's error with its whole chain: its own Display says only "service error".
fn failed<E>(operation: &str, path: &str, error: E) -> Error
where
    E: std::error::Error + Send + Sync + 'static,
{
    let message = format!("{operation} `{path}`: {}", DisplayErrorContext(&error));
    Error::new(ErrorKind::Unexpected, message).with_source(error)
}

async fn get(object: &Object<'_>, path: &str, range: Option<Range<u64>>) -> Result<Bytes> {
    // An HTTP range is inclusive at both ends.
    let range = range.map(|range| format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
    let request = object.client.get_object().bucket(object.bucket).key(object.key).set_range(range);
    let answer = request.send().await.map_err(|error| failed("get", path, error))?;
    let body = answer.body.collect().await.map_err(|error| failed("read the body of", path, error))?;
    Ok(body.into_bytes())
}

async fn put(object: &Object<'_>, path: &str, bytes: Bytes) -> Result<()> {
    let request = object.client.put_object().bucket(object.bucket).key(object.key).body(ByteStream::from(bytes));
    request.send().await.map_err(|error| failed("put", path, error))?;
    Ok(())
}

#[async_trait]
#[typetag::serde(name = "TributaryS3")]
impl Storage for S3Storage {
    async fn exists(&self, path: &str) -> Result<bool> {
        let object = self.object(path)?;
        match object.client.head_object().bucket(object.bucket).key(object.key).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|service| service.is_not_found()) => Ok(false),
            Err(error) => Err(failed("head", path, error)),
        }
    }

    async fn metadata(&self, path: &str) -> Result<FileMetadata> {
        let object = self.object(path)?;
        let head = object.client.head_object().bucket(object.bucket).key(object.key);
        let answer = head.send().await.map_err(|error| failed("head", path, error))?;
        let size = answer.content_length().and_then(|length| u64::try_from(length).ok());
        let size = size.ok_or_else(|| {
            Error::new(ErrorKind::Unexpected, format!("head `{path}`: expected a content length, found none"))
        })?;
        Ok(FileMetadata { size })
    }

    async fn read(&self, path: &str) -> Result<Bytes> {
        get(&self.object(path)?, path, None).await
    }

    async fn reader(&self, path: &str) -> Result<Box<dyn FileRead>> {
        self.object(path)?;
        Ok(Box::new(S3Reader { storage: self.clone(), path: path.to_owned() }))
    }

    async fn write(&self, path: &str, bytes: Bytes) -> Result<()> {
        put(&self.object(path)?, path, bytes).await
    }

    async fn writer(&self, path: &str) -> Result<Box<dyn FileWrite>> {
        self.object(path)?;
        let writer = S3Writer {
            storage: self.clone(),
            path: path.to_owned(),
            pending: BytesMut::new(),
            upload: None,
            parts: Vec::new(),
        };
        Ok(Box::new(writer))
    }

    async fn delete(&self, path: &str) -> Result<()> {
        let object = self.object(path)?;
        let request = object.client.delete_object().bucket(object.bucket).key(object.key);
        request.send().await.map_err(|error| failed("delete", path, error))?;
        Ok(())
    }

    async fn delete_prefix(&self, path: &str) -> Result<()> {
        let object = self.object(path)?;
        let prefix = if object.key.ends_with('/') { object.key.to_owned() } else { format!("{}/", object.key) };
        let listing = object.client.list_objects_v2().bucket(object.bucket).prefix(prefix);
        let mut pages = listing.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed("list", path, error))?;
            let keys: Vec<&str> = page.contents().iter().filter_map(|entry| entry.key()).collect();
            delete_keys(object.client, object.bucket, &keys).await?;
        }
        Ok(())
    }

    async fn delete_stream(&self, paths: BoxStream<'static, String>) -> Result<()> {
        let mut chunks = paths.chunks(DELETE_KEYS_MAX);
        while let Some(chunk) = chunks.next().await {
            let objects = chunk.iter().map(|path| self.object(path)).collect::<Result<Vec<_>>>()?;
            // One request serves one bucket; a table's files may lie in two (`write.data.path`).
            let mut by_bucket: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for object in &objects {
                by_bucket.entry(object.bucket).or_default().push(object.key);
            }
            let Some(client) = &self.client else { continue };
            for (bucket, keys) in by_bucket {
                delete_keys(client, bucket, &keys).await?;
            }
        }
        Ok(())
    }

    fn new_input(&self, path: &str) -> Result<InputFile> {
        Ok(InputFile::new(Arc::new(self.clone()), path.to_owned()))
    }

    fn new_output(&self, path: &str) -> Result<OutputFile> {
        Ok(OutputFile::new(Arc::new(self.clone()), path.to_owned()))
    }
}

async fn delete_keys(client: &Client, bucket: &str, keys: &[&str]) -> Result<()> {
    let errors = refused_keys(client, bucket, keys).await?;
    match errors.first() {
        None => Ok(()),
        Some(refused) => Err(Error::new(
            ErrorKind::Unexpected,
            format!(
                "delete `s3://{bucket}/{}`: expected success, found {} ({} of {} keys refused)",
                refused.key().unwrap_or_default(),
                refused.code().unwrap_or("an error"),
                errors.len(),
                keys.len()
            ),
        )),
    }
}

/// One DeleteObjects request. It answers 200 even where single keys were refused: these.
async fn refused_keys(client: &Client, bucket: &str, keys: &[&str]) -> Result<Vec<aws_sdk_s3::types::Error>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let at = format!("s3://{bucket}");
    let identifiers = keys.iter().map(|key| ObjectIdentifier::builder().key(*key).build());
    let identifiers =
        identifiers.collect::<std::result::Result<Vec<_>, _>>().map_err(|error| failed("delete below", &at, error))?;
    let delete = Delete::builder().quiet(true).set_objects(Some(identifiers)).build();
    let delete = delete.map_err(|error| failed("delete below", &at, error))?;
    let answer = client.delete_objects().bucket(bucket).delete(delete).send().await;
    Ok(answer.map_err(|error| failed("delete below", &at, error))?.errors.unwrap_or_default())
}

/// Deletes up to [`DELETE_KEYS_MAX`] files, given as location and key, of one bucket by one request.
pub(super) async fn delete_files(client: &Client, bucket: &str, files: &[(&str, &str)]) -> Vec<Deletion> {
    let keys: Vec<&str> = files.iter().map(|(_, key)| *key).collect();
    let refused: HashMap<String, String> = match refused_keys(client, bucket, &keys).await {
        Ok(errors) => errors.into_iter().map(refusal).collect(),
        Err(error) => {
            let reason = error.to_string();
            return files.iter().map(|(location, _)| Deletion::of(location, Err(reason.clone()))).collect();
        }
    };
    let outcome = |key: &str| refused.get(key).map_or(Ok(()), |reason| Err(reason.clone()));
    files.iter().map(|(location, key)| Deletion::of(location, outcome(key))).collect()
}

fn refusal(error: aws_sdk_s3::types::Error) -> (String, String) {
    let (code, message) = (error.code.unwrap_or_default(), error.message.unwrap_or_default());
    (error.key.unwrap_or_default(), format!("{code}: {message}"))
}

/// Every object below `folder` (`s3://bucket/prefix`), by pages of one ListObjectsV2 each.
pub(super) fn list(client: Client, folder: &str) -> Pages {
    let folder = format!("{}/", folder.trim_end_matches('/'));
    let next = |cursor: Option<Cursor>| async move {
        match cursor {
            Some(cursor) => cursor.page().await.map(Some),
            None => Ok(None),
        }
    };
    futures::stream::try_unfold(Some(Cursor { client, folder, token: None }), next).boxed()
}

/// Whether an object is in its bucket's listing. No key comes before the one it is a prefix of.
pub(super) async fn is_listed(client: &Client, location: &str) -> Result<bool> {
    let (bucket, key) = bucket_and_key(location)?;
    let answer = client.list_objects_v2().bucket(bucket).prefix(key).max_keys(1).send().await;
    let answer = answer.map_err(|error| failed("list", location, error))?;
    Ok(answer.contents().first().and_then(|object| object.key()) == Some(key))
}

/// Where a listing goes on.
struct Cursor {
    client: Client,
    folder: String,
    token: Option<String>,
}

impl Cursor {
    /// The next page, and the cursor after it if there are more.
    async fn page(self) -> Result<(Vec<StoredFile>, Option<Self>)> {
        let (bucket, prefix) = bucket_and_key(&self.folder)?;
        let request = self.client.list_objects_v2().bucket(bucket).prefix(prefix);
        let answer = request.set_continuation_token(self.token.clone()).send().await;
        let answer = answer.map_err(|error| failed("list", &self.folder, error))?;
        // As asked for, so that what is found compares with what metadata names.
        let root = self.folder.strip_suffix(prefix).unwrap_or(&self.folder);
        let files = answer.contents().iter().map(|object| stored(root, object)).collect::<Result<Vec<_>>>()?;
        let token = answer.next_continuation_token.filter(|_| answer.is_truncated == Some(true));
        let after =
            token.map(|token| Self { token: Some(token), client: self.client.clone(), folder: self.folder.clone() });
        Ok((files, after))
    }
}

fn stored(root: &str, object: &aws_sdk_s3::types::Object) -> Result<StoredFile> {
    let lacks = |what: &str| {
        let key = object.key().unwrap_or_default();
        Error::new(ErrorKind::Unexpected, format!("list `{root}{key}`: expected {what} of the object, found none"))
    };
    let key = object.key().ok_or_else(|| lacks("the key"))?;
    let size_bytes = object.size().and_then(|size| u64::try_from(size).ok()).ok_or_else(|| lacks("the size"))?;
    let modified = object.last_modified().and_then(|time| time.to_millis().ok());
    let modified_ms = modified.ok_or_else(|| lacks("the time of the last change"))?;
    Ok(StoredFile { location: format!("{root}{key}"), size_bytes, modified_ms })
}

struct S3Reader {
    storage: S3Storage,
    path: String,
}

#[async_trait]
impl FileRead for S3Reader {
    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        get(&self.storage.object(&self.path)?, &self.path, Some(range)).await
    }
}

/// Small files go as one PutObject, larger ones as a multipart upload.
struct S3Writer {
    storage: S3Storage,
    path: String,
    pending: BytesMut,
    upload: Option<String>,
    parts: Vec<CompletedPart>,
}

impl S3Writer {
    async fn send_part(&mut self, bytes: Bytes) -> Result<()> {
        let path = self.path.clone();
        let object = self.storage.object(&path)?;
        if self.upload.is_none() {
            let create = object.client.create_multipart_upload().bucket(object.bucket).key(object.key);
            self.upload = create.send().await.map_err(|error| failed("begin the upload of", &path, error))?.upload_id;
        }
        // S3 bounds an upload at 10,000 parts, far below i32.
        let number = i32::try_from(self.parts.len() + 1).unwrap_or(i32::MAX);
        let request = object
            .client
            .upload_part()
            .bucket(object.bucket)
            .key(object.key)
            .set_upload_id(self.upload.clone())
            .part_number(number)
            .body(ByteStream::from(bytes));
        let answer = request.send().await.map_err(|error| failed("upload a part of", &path, error))?;
        self.parts.push(CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag).build());
        Ok(())
    }
}

#[async_trait]
impl FileWrite for S3Writer {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.pending.extend_from_slice(&bytes);
        while self.pending.len() >= PART_BYTES {
            let part = self.pending.split_to(PART_BYTES).freeze();
            self.send_part(part).await?;
        }
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        let rest = self.pending.split().freeze();
        if self.upload.is_none() {
            return put(&self.storage.object(&self.path)?, &self.path, rest).await;
        }
        if !rest.is_empty() {
            self.send_part(rest).await?;
        }
        let object = self.storage.object(&self.path)?;
        let parts = CompletedMultipartUpload::builder().set_parts(Some(std::mem::take(&mut self.parts))).build();
        let request = object
            .client
            .complete_multipart_upload()
            .bucket(object.bucket)
            .key(object.key)
            .set_upload_id(self.upload.take())
            .multipart_upload(parts);
        request.send().await.map_err(|error| failed("complete the upload of", &self.path, error))?;
        Ok(())
    }
}
