//! A catalog between whose read and swap something happens: another engine is quicker.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use iceberg::TableIdent;
use iceberg::spec::TableMetadata;
use tributary_table::{Catalog, CatalogError, Pointer, Swap};

type Deed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Decorates a catalog so that a deed is done right before the next swap reaches it.
pub struct MeddlingCatalog {
    inner: Arc<dyn Catalog>,
    deed: Mutex<Option<Deed>>,
}

impl MeddlingCatalog {
    /// A catalog with nothing to do yet.
    pub fn new(inner: Arc<dyn Catalog>) -> Self {
        Self { inner, deed: Mutex::default() }
    }

    /// What happens before the next swap, once. It needs a table handle of its own.
    pub fn before_next_swap(&self, deed: impl Future<Output = ()> + Send + 'static) {
        *self.deed.lock().unwrap() = Some(Box::pin(deed));
    }

    /// Whether the deed was done.
    pub fn is_done(&self) -> bool {
        self.deed.lock().unwrap().is_none()
    }
}

impl fmt::Debug for MeddlingCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeddlingCatalog").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[async_trait]
impl Catalog for MeddlingCatalog {
    async fn pointer(&self, table: &TableIdent) -> Result<Pointer, CatalogError> {
        self.inner.pointer(table).await
    }

    async fn swap(
        &self,
        table: &TableIdent,
        base: &Pointer,
        metadata_location: &str,
        metadata: &TableMetadata,
    ) -> Result<Swap, CatalogError> {
        let deed = self.deed.lock().unwrap().take();
        if let Some(deed) = deed {
            deed.await;
        }
        self.inner.swap(table, base, metadata_location, metadata).await
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
