//! A lakehouse at the S3 and Glue endpoint, as it is in production.

use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_glue::config::Credentials;
use tributary_ingest::Context;
use tributary_table::{CatalogSettings, CatalogUri, Connection, Table, TableDefinition, connect, parse_table_name};
use tributary_testkit::aws::{KEY, REGION};
use tributary_testkit::{AwsServer, TableAt};

use crate::Reachability;

/// The bucket of every [`GlueLake`].
pub const BUCKET: &str = "lake";

/// A view of an endpoint with one bucket, [`BUCKET`]. Tables are named `namespace.name`.
#[derive(Debug)]
pub struct GlueLake {
    server: Arc<AwsServer>,
    aws: SdkConfig,
}

impl GlueLake {
    /// An endpoint of its own, without a table yet.
    pub async fn new() -> Self {
        let server = AwsServer::start().unwrap();
        server.create_bucket(BUCKET).unwrap();
        Self::on(Arc::new(server)).await
    }

    /// An endpoint that has the bucket already and is shared with other tests. Each test needs a view of its own, since the
    /// connections of one end with that test's runtime.
    pub async fn on(server: Arc<AwsServer>) -> Self {
        let aws = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(server.endpoint())
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new(KEY, KEY, None, None, "test"))
            .load()
            .await;
        Self { server, aws }
    }

    /// Its endpoint.
    pub fn server(&self) -> &AwsServer {
        &self.server
    }

    /// A connection of its own, as another process has.
    pub fn connection(&self) -> Connection {
        let settings = CatalogSettings {
            catalog: CatalogUri::Glue { catalog_id: None },
            name: "unused".to_owned(),
            warehouse: None,
            s3_path_style: true,
        };
        connect(&settings, Some(&self.aws)).unwrap()
    }

    /// A table handle of its own, over a connection of its own, as another function instance has.
    pub fn table(&self, name: &str) -> Table {
        let Connection { catalog, store } = self.connection();
        Table::new(parse_table_name(name).unwrap(), catalog, store)
    }

    /// Makes a table at `s3://lake/<namespace>/<name>`.
    pub async fn create(&self, name: &str, definition: TableDefinition) {
        let location = Some(format!("s3://{BUCKET}/{}", name.replace('.', "/")));
        self.table(name).create(TableDefinition { location, ..definition }).await.unwrap();
    }

    /// A cold function instance that feeds the table.
    pub fn context(&self, name: &str) -> Context {
        Context::new(self.table(name), None)
    }

    /// What the table needs now, by a reader of raw files.
    pub async fn reachable(&self, name: &str) -> Reachability {
        let state = self.table(name).refresh().await.unwrap();
        Reachability::of(state.metadata_location(), Some(self.server.endpoint()))
    }

    /// Where the readers find the table.
    pub fn at(&self, name: &str) -> TableAt {
        TableAt::Glue { endpoint: self.server.endpoint().to_owned(), table: name.to_owned() }
    }
}
