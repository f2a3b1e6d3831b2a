//! A catalog that fails on command: the decorator under which the commit must stay exactly once.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use iceberg::TableIdent;
use iceberg::spec::TableMetadata;
use tributary_table::{Catalog, CatalogError, Pointer, Swap};

/// How a swap goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwapFault {
    /// Nothing goes wrong.
    None,
    /// Applied, but the answer never comes.
    LostReply,
    /// Never arrives, and neither does an answer.
    LostRequest,
    /// Applied, and answered as a conflict: what a resent request looks like.
    FalseConflict,
    /// Refused as a conflict without another writer.
    Conflict,
    /// Refused for good.
    Refuse,
}

/// What another engine does between a read and a swap.
type Deed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Decorates a catalog with faults, each for one swap, in their order; without any left it behaves.
pub struct FaultyCatalog {
    inner: Arc<dyn Catalog>,
    deed: Mutex<Option<Deed>>,
    swaps: Mutex<VecDeque<SwapFault>>,
    reads_to_fail: AtomicU64,
}

impl FaultyCatalog {
    /// A catalog without faults yet.
    pub fn new(inner: Arc<dyn Catalog>) -> Self {
        Self { inner, deed: Mutex::default(), swaps: Mutex::default(), reads_to_fail: AtomicU64::new(0) }
    }

    /// What the next swaps meet.
    pub fn inject(&self, faults: impl IntoIterator<Item = SwapFault>) {
        self.swaps.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
    }

    /// What happens right before the next swap, once: another engine is quicker. It needs a table handle of its own.
    pub fn before_next_swap(&self, deed: impl Future<Output = ()> + Send + 'static) {
        *self.deed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::pin(deed));
    }

    /// Whether nothing waits for the next swap.
    pub fn deed_is_done(&self) -> bool {
        self.deed.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// How many of the next reads of the pointer fail.
    pub fn fail_reads(&self, count: u64) {
        self.reads_to_fail.store(count, Ordering::SeqCst);
    }

    /// How many injected faults no swap has met yet.
    pub fn faults_left(&self) -> usize {
        self.swaps.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn next_fault(&self) -> SwapFault {
        self.swaps.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or(SwapFault::None)
    }
}

impl fmt::Debug for FaultyCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyCatalog").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[async_trait]
impl Catalog for FaultyCatalog {
    async fn pointer(&self, table: &TableIdent) -> Result<Pointer, CatalogError> {
        let take_one = |left: u64| left.checked_sub(1);
        if self.reads_to_fail.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take_one).is_ok() {
            return Err(CatalogError::Unavailable {
                operation: "load",
                table: table.to_string(),
                catalog: "the faulty catalog".to_owned(),
                reason: "an injected fault".to_owned(),
            });
        }
        self.inner.pointer(table).await
    }

    async fn swap(
        &self,
        table: &TableIdent,
        base: &Pointer,
        metadata_location: &str,
        metadata: &TableMetadata,
    ) -> Result<Swap, CatalogError> {
        let deed = self.deed.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(deed) = deed {
            deed.await;
        }
        let lost = || Swap::Unknown { reason: "an injected fault".to_owned() };
        match self.next_fault() {
            SwapFault::None => self.inner.swap(table, base, metadata_location, metadata).await,
            SwapFault::Conflict => Ok(Swap::Conflict),
            SwapFault::LostRequest => Ok(lost()),
            SwapFault::LostReply => self.inner.swap(table, base, metadata_location, metadata).await.map(|_| lost()),
            SwapFault::FalseConflict => {
                self.inner.swap(table, base, metadata_location, metadata).await.map(|_| Swap::Conflict)
            }
            SwapFault::Refuse => Err(CatalogError::Refused {
                operation: "swap",
                table: table.to_string(),
                catalog: "the faulty catalog".to_owned(),
                reason: "an injected fault".to_owned(),
            }),
        }
    }

    async fn create(
        &self,
        table: &TableIdent,
        metadata_location: &str,
        metadata: &TableMetadata,
    ) -> Result<(), CatalogError> {
        self.inner.create(table, metadata_location, metadata).await
    }

    async fn ensure_namespace(&self, table: &TableIdent) -> Result<(), CatalogError> {
        self.inner.ensure_namespace(table).await
    }

    async fn default_location(&self, table: &TableIdent) -> Result<Option<String>, CatalogError> {
        self.inner.default_location(table).await
    }
}
