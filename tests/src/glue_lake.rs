//! A table in Glue and S3, at an endpoint of its own.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_glue::config::Credentials;
use serde_json::{Value, json};
use tributary_ingest::Context;
use tributary_table::{
    CatalogSettings, CatalogUri, Connection, Table, TableDefinition, connect, format_table_name, parse_table_name,
};
use tributary_testkit::{AwsServer, TableAt};

use crate::{TABLE, definition, events_schema};

/// The table of most tests, at `s3://lake/test/events`. It ends with its endpoint.
pub struct GlueLake {
    /// The endpoint.
    pub server: AwsServer,
    /// The clients' configuration.
    pub aws: SdkConfig,
}

impl GlueLake {
    /// An endpoint with bucket `lake`, and the table, empty.
    pub async fn new() -> Self {
        let server = AwsServer::start().unwrap();
        server.create_bucket("lake").unwrap();
        let aws = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(server.endpoint())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .load()
            .await;
        let lake = Self { server, aws };
        let location = Some("s3://lake/test/events".to_owned());
        lake.table().create(TableDefinition { location, ..definition(events_schema()) }).await.unwrap();
        lake
    }

    /// Settings that reach it.
    pub fn settings(&self) -> CatalogSettings {
        CatalogSettings {
            catalog: CatalogUri::Glue { catalog_id: None },
            name: "unused".to_owned(),
            warehouse: None,
            s3_path_style: true,
        }
    }

    /// Catalog and store.
    pub fn connection(&self) -> Connection {
        connect(&self.settings(), Some(&self.aws)).unwrap()
    }

    /// A handle of its own (as another function instance has) of any table there.
    pub fn table_named(&self, name: &str) -> Table {
        let connection = self.connection();
        Table::new(parse_table_name(name).unwrap(), connection.catalog, connection.store)
    }

    /// A handle of its own of the table.
    pub fn table(&self) -> Table {
        self.table_named(TABLE)
    }

    /// An instance of the ingest function, cold.
    pub fn context(&self) -> Context {
        Context::new(self.table(), None)
    }

    /// Where the readers find the table.
    pub fn at(&self) -> TableAt {
        let table = format_table_name(self.table().ident());
        TableAt::Glue { endpoint: self.server.endpoint().to_owned(), table }
    }

    /// The table's entry in Glue.
    pub fn entry(&self) -> Value {
        self.server.glue("GetTable", &json!({"DatabaseName": "test", "Name": "events"})).unwrap()["Table"].clone()
    }
}
