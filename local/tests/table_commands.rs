//! `tributary table ...` on a SQLite catalog, and on records of a real broker.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in test functions, but does not see that their helpers are tests as well"
)]

use clap::Parser;
use tempfile::TempDir;
use tributary_local::{Cli, CliError, Out, run};
use tributary_testkit::{KafkaBroker, TableAt, readers};

/// A catalog of its own.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    async fn run(&self, arguments: &[&str]) -> Result<String, CliError> {
        let folder = self.folder.path().display();
        let (catalog, warehouse) = (format!("sqlite:{folder}/catalog.db"), format!("file://{folder}/lake"));
        let options = ["tributary", "--catalog", &catalog, "--warehouse", &warehouse, "--catalog-name", "local"];
        let cli = Cli::try_parse_from(options.iter().chain(arguments)).unwrap();
        let mut bytes = Vec::new();
        run(cli, &mut Out::new(&mut bytes)).await?;
        Ok(String::from_utf8(bytes).unwrap())
    }

    fn table(&self, table: &str) -> TableAt {
        let catalog_db = self.folder.path().join("catalog.db");
        TableAt::Sqlite { catalog_db, catalog_name: "local".to_owned(), table: table.to_owned() }
    }
}

fn assert_shows(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_made_from_a_column_list_shows_what_it_was_made_of() {
    let place = Place::new();
    let columns = "id long not null, ts timestamptz, address struct<city: string, zip: string>, n map<string, long>";
    let created = place
        .run(&[
            "table",
            "create",
            "shop.orders",
            "--ddl",
            columns,
            "--partition",
            "day(ts), bucket(4, id)",
            "--property",
            "write.parquet.compression-codec=zstd",
            "--property",
            "note=a=b",
        ])
        .await
        .unwrap();
    assert_shows(&created, &["created table `shop.orders` at file:///", "/lake/shop/orders"]);
    let shown = place.run(&["table", "show", "shop.orders"]).await.unwrap();
    assert_shows(
        &shown,
        &[
            "struct<city: string, zip: string>",
            "map<string, long>",
            "ts_day",
            "bucket[4]",
            "zstd",
            "a=b",
            "Snapshots (0 of 0)\n(none)",
            "Checkpoint\n(none)",
        ],
    );
    let again = place.run(&["table", "create", "shop.orders", "--ddl", columns]).await.unwrap_err();
    assert!(again.to_string().starts_with("choose another name, or drop the table"), "{again}");
    // Both engines open it, so the layout is that of Iceberg's own catalogs.
    assert_eq!(readers::read_both(&place.table("shop.orders")).unwrap().columns, ["id", "ts", "address", "n"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_made_from_icebergs_json_has_its_columns_at_the_location_asked_for() {
    let place = Place::new();
    let file = place.folder.path().join("schema.json");
    let schema = r#"{"type":"struct","schema-id":0,"fields":[
        {"id":7,"name":"id","required":true,"type":"long"},
        {"id":9,"name":"tags","required":false,"type":{"type":"list","element-id":11,"element":"string","element-required":false}}]}"#;
    std::fs::write(&file, schema).unwrap();
    let location = format!("file://{}/elsewhere", place.folder.path().display());
    let arguments = [
        "table",
        "create",
        "a.b",
        "--schema",
        file.to_str().unwrap(),
        "--location",
        &location,
        "--partition",
        "identity id",
    ];
    let created = place.run(&arguments).await.unwrap();
    assert_shows(&created, &[&location, "list<string>", "identity"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partitioning_that_does_not_fit_the_columns_is_told_with_its_place() {
    let place = Place::new();
    let refused =
        place.run(&["table", "create", "a.b", "--ddl", "id long", "--partition", "day(id)"]).await.unwrap_err();
    assert_eq!(
        refused.report(),
        "error: correct `--partition`\n  because: correct the text at character 5: expected a column whose type \
         `day` takes, found `id` of type long"
    );
    let missing = place.run(&["table", "show", "a.b"]).await.unwrap_err();
    assert!(missing.to_string().starts_with("create the table first"), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_come_and_go() {
    let place = Place::new();
    place.run(&["table", "create", "a.b", "--ddl", "id long not null"]).await.unwrap();
    place.run(&["table", "add-column", "a.b", "tags", "list<struct<k: string, v: long not null>>"]).await.unwrap();
    let twice = place.run(&["table", "add-column", "a.b", "tags", "int"]).await.unwrap_err();
    assert!(twice.to_string().contains("found `tags`"), "{twice}");
    let shown = place.run(&["table", "show", "a.b"]).await.unwrap();
    assert_shows(&shown, &["list<struct<k: string, v: long not null>>"]);
    place.run(&["table", "drop-column", "a.b", "tags"]).await.unwrap();
    assert!(!place.run(&["table", "show", "a.b"]).await.unwrap().contains("tags"));
    assert_shows(&place.run(&["table", "head", "a.b"]).await.unwrap(), &["Newest rows of a.b\n(none)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_is_set_and_forgotten_by_hand() {
    let place = Place::new();
    place.run(&["table", "create", "a.b", "--ddl", "id long"]).await.unwrap();
    let set = ["table", "set-checkpoint", "a.b", "--topic", "t", "--partition", "3"];
    let unclear = place.run(&[&set[..], &["--next-offset", "17"]].concat()).await.unwrap_err();
    assert!(unclear.to_string().starts_with("name the cluster with `--cluster`"), "{unclear}");
    let done = place.run(&[&set[..], &["--next-offset", "17", "--cluster", "c1"]].concat()).await.unwrap();
    assert_shows(&done, &["partition 3 of `t` of cluster `c1`: next offset (none) -> 17"]);
    let done = place.run(&[&set[..], &["--next-offset", "5"]].concat()).await.unwrap();
    assert_shows(&done, &["next offset 17 -> 5"]);
    assert_shows(&place.run(&[&set[..], &["--forget"]].concat()).await.unwrap(), &["next offset 5 -> (none)"]);
    let nothing = place.run(&[&set[..], &["--forget", "--cluster", "c1"]].concat()).await.unwrap_err();
    assert!(nothing.to_string().starts_with("correct the partition"), "{nothing}");
}

const SAMPLE_COLUMNS: &str = "id long not null, event_time timestamptz, account_id string, kind string, \
    amount decimal(12, 2), tags list<string>, address struct<city: string, zip: string>";

#[tokio::test(flavor = "multi_thread")]
async fn published_rows_are_polled_into_the_table_once() {
    let broker = KafkaBroker::shared().unwrap().bootstrap();
    let place = Place::new();
    place.run(&["table", "create", "a.b", "--ddl", SAMPLE_COLUMNS, "--partition", "day(event_time)"]).await.unwrap();
    let publish = [
        "publish",
        "--bootstrap-servers",
        broker,
        "--topic",
        "sample",
        "--create-topic",
        "3",
        "--count",
        "250",
        "--rate",
        "10000",
    ];
    assert_shows(&place.run(&publish).await.unwrap(), &["published 250 row(s) to `sample`"]);
    let poll = [
        "poll",
        "--bootstrap-servers",
        broker,
        "--topic",
        "sample",
        "--until-idle-ms",
        "2000",
        "--table",
        "a.b",
        "--cluster",
        "test-cluster",
    ];
    let first = place.run(&[&poll[..], &["--group", "one"]].concat()).await.unwrap();
    assert_shows(&first, &["delivered 250 record(s)"]);
    // Another group gets every record once more; the table has them already.
    let second = place.run(&[&poll[..], &["--group", "two"]].concat()).await.unwrap();
    assert_shows(&second, &["delivered 250 record(s)", "\"rows_committed\":0"]);

    let ids = readers::count_ids(&place.table("a.b"), "id").unwrap();
    assert_eq!((ids.rows, ids.distinct), (250, 250));
    // Each run without a count publishes exactly one new row.
    for _ in 0..2 {
        let one = place.run(&["publish", "--bootstrap-servers", broker, "--topic", "sample"]).await.unwrap();
        assert_shows(&one, &["published 1 row(s) to `sample`"]);
    }
    let third = place.run(&[&poll[..], &["--group", "one"]].concat()).await.unwrap();
    assert_shows(&third, &["delivered 2 record(s)"]);
    let ids = readers::count_ids(&place.table("a.b"), "id").unwrap();
    assert_eq!((ids.rows, ids.distinct), (252, 252));

    let shown = place.run(&["table", "show", "a.b"]).await.unwrap();
    assert_shows(&shown, &["sample 0: 0-", "test-cluster"]);
    let head = place.run(&["table", "head", "a.b", "--rows", "4"]).await.unwrap();
    assert_eq!(head.matches("account-").count(), 4, "{head}");
}
