//! A store that keeps what is written to it, so that a whole commit is known in memory before any of it
//! is sent, and all of it can be sent in one parallel wave (design D3).

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use iceberg::io::{
    FileIO, FileIOBuilder, FileMetadata, FileRead, FileWrite, InputFile, OutputFile, Storage, StorageConfig,
    StorageFactory,
};
use iceberg::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

type Files = Arc<Mutex<Vec<(String, Bytes)>>>;

/// Files written but not sent, in the order they were closed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Captured {
    #[serde(skip)]
    files: Files,
}

impl Captured {
    /// File access whose writes end here.
    pub(crate) fn file_io(&self) -> FileIO {
        FileIOBuilder::new(Arc::new(self.clone())).build()
    }

    /// Takes everything written so far.
    pub(crate) fn take(&self) -> Vec<(String, Bytes)> {
        std::mem::take(&mut *self.files.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn keep(&self, path: &str, bytes: Bytes) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).push((path.to_owned(), bytes));
    }
}

#[typetag::serde(name = "TributaryCapturedFactory")]
impl StorageFactory for Captured {
    fn build(&self, _config: &StorageConfig) -> Result<Arc<dyn Storage>> {
        Ok(Arc::new(self.clone()))
    }
}

fn write_only(path: &str) -> Error {
    Error::new(
        ErrorKind::FeatureUnsupported,
        format!("`{path}`: expected a write, found another operation on files not sent yet"),
    )
}

#[async_trait]
#[typetag::serde(name = "TributaryCaptured")]
impl Storage for Captured {
    async fn exists(&self, path: &str) -> Result<bool> {
        Err(write_only(path))
    }

    async fn metadata(&self, path: &str) -> Result<FileMetadata> {
        Err(write_only(path))
    }

    async fn read(&self, path: &str) -> Result<Bytes> {
        Err(write_only(path))
    }

    async fn reader(&self, path: &str) -> Result<Box<dyn FileRead>> {
        Err(write_only(path))
    }

    async fn write(&self, path: &str, bytes: Bytes) -> Result<()> {
        self.keep(path, bytes);
        Ok(())
    }

    async fn writer(&self, path: &str) -> Result<Box<dyn FileWrite>> {
        Ok(Box::new(CapturedWriter { store: self.clone(), path: path.to_owned(), bytes: BytesMut::new() }))
    }

    async fn delete(&self, path: &str) -> Result<()> {
        Err(write_only(path))
    }

    async fn delete_prefix(&self, path: &str) -> Result<()> {
        Err(write_only(path))
    }

    async fn delete_stream(&self, _paths: BoxStream<'static, String>) -> Result<()> {
        Err(write_only("a list of files"))
    }

    fn new_input(&self, path: &str) -> Result<InputFile> {
        Err(write_only(path))
    }

    fn new_output(&self, path: &str) -> Result<OutputFile> {
        Ok(OutputFile::new(Arc::new(self.clone()), path.to_owned()))
    }
}

struct CapturedWriter {
    store: Captured,
    path: String,
    bytes: BytesMut,
}

#[async_trait]
impl FileWrite for CapturedWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        self.store.keep(&self.path, self.bytes.split().freeze());
        Ok(())
    }
}
