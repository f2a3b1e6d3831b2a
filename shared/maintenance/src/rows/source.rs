//! A Parquet file in the table's storage, as the asynchronous Parquet reader wants it.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use iceberg::io::{FileIO, FileRead};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

/// Files up to this length are read whole by one request: below it a request costs more than the bytes it saves.
const WHOLE_BYTES_MAX: u64 = 16 << 20;
/// Gaps up to this length between two column chunks are read with them.
const GAP_BYTES_MAX: u64 = 1 << 20;
/// Bytes of one request at most, so that no single chunk of memory is much larger than a column needs.
const REQUEST_BYTES_MAX: u64 = 64 << 20;

/// The bytes of one file.
pub(super) enum Source {
    Whole(Bytes),
    Ranged { reader: Box<dyn FileRead>, bytes: u64 },
}

impl Source {
    /// Opens a file whose length the manifest says.
    pub(super) async fn open(file_io: &FileIO, path: &str, bytes: u64) -> iceberg::Result<Self> {
        let input = file_io.new_input(path)?;
        match bytes <= WHOLE_BYTES_MAX {
            true => Ok(Self::Whole(input.read().await?)),
            false => Ok(Self::Ranged { reader: input.reader().await?, bytes }),
        }
    }

    fn length(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Ranged { bytes, .. } => *bytes,
        }
    }

    async fn range(&self, range: Range<u64>) -> Result<Bytes> {
        match self {
            Self::Whole(bytes) => {
                let inside = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
                let inside = inside.filter(|(start, end)| start <= end && *end <= bytes.len());
                let (start, end) = inside.ok_or_else(|| {
                    ParquetError::General(format!("expected bytes {range:?}, found a file of {} bytes", bytes.len()))
                })?;
                Ok(bytes.slice(start..end))
            }
            Self::Ranged { reader, .. } => {
                reader.read(range).await.map_err(|error| ParquetError::External(Box::new(error)))
            }
        }
    }
}

impl AsyncFileReader for Source {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        self.range(range).boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        async move {
            let mut taken = Vec::with_capacity(ranges.len());
            for request in joined(&ranges) {
                let bytes = self.range(request.clone()).await?;
                let inside = |range: &&Range<u64>| request.start <= range.start && range.end <= request.end;
                for range in ranges.iter().skip(taken.len()).take_while(inside) {
                    // Within `bytes`, whose length is a usize.
                    let start = usize::try_from(range.start - request.start).unwrap_or(usize::MAX);
                    let end = usize::try_from(range.end - request.start).unwrap_or(usize::MAX);
                    taken.push(bytes.slice(start..end));
                }
            }
            Ok(taken)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        async move {
            let length = self.length();
            let policy = options.map(ArrowReaderOptions::metadata_options).cloned();
            let reader = ParquetMetaDataReader::new().with_metadata_options(policy);
            Ok(Arc::new(reader.load_and_finish(self, length).await?))
        }
        .boxed()
    }
}

/// Ranges that lie close together become one, in their order.
fn joined(ranges: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut requests: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match requests.last_mut() {
            Some(last)
                if range.start >= last.end
                    && range.start - last.end <= GAP_BYTES_MAX
                    && range.end - last.start <= REQUEST_BYTES_MAX =>
            {
                last.end = range.end;
            }
            _ => requests.push(range.clone()),
        }
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_ranges_are_one_request_and_far_or_backward_ones_are_not() {
        let mib = 1 << 20;
        assert_eq!(joined(&[0..10, 10..20, 30..40]), vec![0..40; 1]);
        assert_eq!(joined(&[0..10, 10 + mib + 1..20 + mib]), [0..10, 10 + mib + 1..20 + mib]);
        assert_eq!(joined(&[50..60, 0..10]), [50..60, 0..10]);
        assert_eq!(joined(&[0..40 * mib, 40 * mib..80 * mib]), [0..40 * mib, 40 * mib..80 * mib]);
    }
}
