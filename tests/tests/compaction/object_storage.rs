//! The same in S3 and Glue, with answers lost on the wire.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use serde_json::json;
use tributary_ingest::Context;
use tributary_table::{CatalogSettings, CatalogUri, Table, TableDefinition, connect, parse_table_name};
use tributary_testkit::aws::{Fault, FaultMode};
use tributary_testkit::{AwsServer, TableAt, read_both};
use tributary_tests::{Batch, TABLE, compact_with, definition, deliver, events_schema, ids};

struct Lake {
    server: AwsServer,
    aws: SdkConfig,
}

impl Lake {
    /// A table of five files of two rows each.
    async fn fed() -> Self {
        let server = AwsServer::start().unwrap();
        server.create_bucket("lake").unwrap();
        let credentials = aws_sdk_glue::config::Credentials::new("test", "test", None, None, "test");
        let config = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(server.endpoint())
            .region(Region::new("us-east-1"))
            .credentials_provider(credentials);
        let lake = Self { aws: config.load().await, server };
        let location = Some("s3://lake/test/events".to_owned());
        lake.table().create(TableDefinition { location, ..definition(events_schema()) }).await.unwrap();
        let context = Context::new(lake.table(), None);
        for file in 0..5 {
            deliver(&Batch::new().rows(0, 2 * file..2 * file + 2).event(), &context).await.unwrap();
        }
        lake
    }

    fn table(&self) -> Table {
        let settings = CatalogSettings {
            catalog: CatalogUri::Glue { catalog_id: None },
            name: "unused".to_owned(),
            warehouse: None,
            s3_path_style: true,
        };
        let connection = connect(&settings, Some(&self.aws)).unwrap();
        Table::new(parse_table_name(TABLE).unwrap(), connection.catalog, connection.store)
    }

    fn rows(&self) -> Vec<i64> {
        let at = TableAt::Glue { endpoint: self.server.endpoint().to_owned(), table: TABLE.to_owned() };
        ids(&read_both(&at).unwrap().rows)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_in_s3_are_read_by_one_request_each_and_committed_once() {
    let lake = Lake::fed().await;
    lake.server.reset_calls().unwrap();
    let report = compact_with(&lake.table(), json!({})).await.unwrap();
    assert_eq!((report.files_rewritten, report.files_added, report.commits), (5, 1, 1));
    let calls = lake.server.calls().unwrap();
    // Metadata, list, five manifests and five data files.
    assert_eq!((calls["GetObject"], calls["UpdateTable"]), (12, 1), "{calls:?}");
    // Data file, manifest, list and metadata.
    assert_eq!(calls["PutObject"], 4, "{calls:?}");
    assert_eq!(lake.rows(), (0..10).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_lost_on_the_wire_rewrites_once() {
    for mode in [FaultMode::LostReply, FaultMode::DroppedReply, FaultMode::Conflict, FaultMode::Unavailable] {
        let lake = Lake::fed().await;
        lake.server.inject(&Fault::once("UpdateTable", mode)).unwrap();
        let report = compact_with(&lake.table(), json!({})).await.unwrap();
        assert_eq!((report.groups_committed, report.commits), (1, 1), "{mode:?}");
        assert_eq!(lake.rows(), (0..10).collect::<Vec<_>>(), "{mode:?}");
    }
}
