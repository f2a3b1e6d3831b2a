//! The same promises over the network: Glue and S3 by the AWS SDK, with replies lost on the wire.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::sync::Arc;

use iceberg::spec::Type;
use serde_json::{Value, json};
use tributary_table::TableDefinition;
use tributary_testkit::aws::{Fault, FaultMode};
use tributary_testkit::{inspect, read_both};
use tributary_tests::{Batch, GlueLake, TABLE, definition, deliver, events_schema, far, id, ids};

/// A lake with the table of most tests in it.
async fn lake() -> GlueLake {
    let lake = GlueLake::new().await;
    lake.create(TABLE, definition(events_schema())).await;
    lake
}

fn entry(lake: &GlueLake) -> Value {
    lake.server().glue("GetTable", &json!({"DatabaseName": "test", "Name": "events"})).unwrap()["Table"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_arrive_once_and_every_engine_reads_them() {
    let lake = lake().await;
    let context = lake.context(TABLE);
    let event = Batch::new().rows(0, 0..5).rows(1, 0..3).event();
    assert_eq!(deliver(&event, &context).await.unwrap().rows_committed, 8);
    assert_eq!(deliver(&event, &context).await.unwrap().rows_redelivered, 8);
    assert_eq!(read_both(&lake.at(TABLE)).unwrap().rows.len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_commit_takes_one_wave_of_puts_between_two_catalog_calls() {
    let lake = lake().await;
    let context = lake.context(TABLE);
    deliver(&Batch::new().rows(0, 0..5).event(), &context).await.unwrap();
    lake.server().reset_calls().unwrap();
    deliver(&Batch::new().rows(0, 5..9).event(), &context).await.unwrap();
    let calls = lake.server().calls().unwrap();
    let expected = [("GetTable", 1), ("PutObject", 4), ("UpdateTable", 1)];
    assert_eq!(calls, expected.map(|(name, count)| (name.to_owned(), count)).into());
    let log = lake.server().call_log().unwrap();
    let order: Vec<&str> = log.iter().map(|call| call.operation.as_str()).collect();
    assert_eq!(order, ["GetTable", "PutObject", "PutObject", "PutObject", "PutObject", "UpdateTable"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_lost_on_the_wire_commits_once() {
    for mode in [FaultMode::LostReply, FaultMode::DroppedReply] {
        let lake = lake().await;
        let context = lake.context(TABLE);
        lake.server().inject(&Fault::once("UpdateTable", mode)).unwrap();
        let report = deliver(&Batch::new().rows(0, 0..4).event(), &context).await.unwrap();
        assert_eq!((report.rows_committed, report.commit_attempts), (4, 1), "{mode:?}");
        assert_eq!(
            lake.server().calls().unwrap()["UpdateTable"],
            1,
            "{mode:?}: the SDK must not send the update again"
        );
        deliver(&Batch::new().rows(0, 2..6).event(), &context).await.unwrap();
        assert_eq!(ids(&read_both(&lake.at(TABLE)).unwrap().rows), (0..6).collect::<Vec<_>>(), "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_arrives_after_it_was_given_up_changes_nothing() {
    let lake = lake().await;
    let context = lake.context(TABLE);
    // Longer than the function waits for the answer: it reads the table, finds nothing and tries again, and wins.
    lake.server().inject(&Fault::once("UpdateTable", FaultMode::Delay).delayed(13_000)).unwrap();
    let report = deliver(&Batch::new().rows(0, 0..4).event(), &context).await.unwrap();
    assert_eq!((report.rows_committed, report.commit_attempts), (4, 2));
    deliver(&Batch::new().rows(0, 2..6).event(), &context).await.unwrap();
    let updates = || lake.server().call_log().unwrap().into_iter().filter(|call| call.operation == "UpdateTable");
    while updates().any(|call| call.ended_us.is_none()) {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let answers: Vec<Option<u16>> = updates().map(|call| call.status).collect();
    assert_eq!(answers, [Some(400), Some(200), Some(200)], "the late update must have been refused");
    assert_eq!(ids(&read_both(&lake.at(TABLE)).unwrap().rows), (0..6).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_was_not_applied_is_tried_again() {
    for mode in [FaultMode::Unavailable, FaultMode::Throttle, FaultMode::Conflict] {
        let lake = lake().await;
        lake.server().inject(&Fault::once("UpdateTable", mode).times(2)).unwrap();
        let report = deliver(&Batch::new().rows(0, 0..4).event(), &lake.context(TABLE)).await.unwrap();
        assert_eq!((report.rows_committed, report.commit_attempts), (4, 3), "{mode:?}");
        assert_eq!(ids(&read_both(&lake.at(TABLE)).unwrap().rows), (0..4).collect::<Vec<_>>(), "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_fails_for_good_fails_the_batch_and_leaves_nothing() {
    let lake = lake().await;
    let context = lake.context(TABLE);
    lake.table(TABLE).refresh().await.unwrap();
    let before = lake.server().objects("lake", "").unwrap();
    // More often than the SDK tries again by itself.
    lake.server().inject(&Fault::once("PutObject", FaultMode::Throttle).times(20).matching(".parquet")).unwrap();
    let event = Batch::new().rows(0, 0..4).event();
    let error = deliver(&event, &context).await.unwrap_err();
    assert_eq!(error.kind(), "Retry", "{error}");
    lake.server().clear_faults().unwrap();
    assert_eq!(lake.server().objects("lake", "").unwrap(), before);
    assert_eq!(deliver(&event, &context).await.unwrap().rows_committed, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_race_for_the_glue_version_lose_nothing() {
    const INSTANCES: i32 = 4;
    const BATCHES: i64 = 6;
    let lake = Arc::new(lake().await);
    let mut tasks = Vec::new();
    for partition in 0..INSTANCES {
        let lake = Arc::clone(&lake);
        tasks.push(tokio::spawn(async move {
            let context = lake.context(TABLE);
            let mut attempts = 0;
            for batch in 0..BATCHES {
                let event = Batch::new().rows(partition, batch * 5..batch * 5 + 5).event();
                attempts += deliver(&event, &context).await.unwrap().commit_attempts;
            }
            attempts
        }));
    }
    let mut attempts = 0;
    for task in tasks {
        attempts += task.await.unwrap();
    }
    assert!(attempts > (INSTANCES as u32) * (BATCHES as u32), "a race without a conflict has shown nothing");
    let expected: Vec<i64> =
        (0..INSTANCES).flat_map(|partition| (0..BATCHES * 5).map(move |offset| id(partition, offset))).collect();
    assert_eq!(ids(&read_both(&lake.at(TABLE)).unwrap().rows), expected);
    let files = inspect(&lake.at(TABLE)).unwrap()["files"].as_array().unwrap().len();
    let stored = lake.server().objects("lake", "test/events/data").unwrap().len();
    assert_eq!(stored, files, "a lost attempt left a data file behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_whose_creation_was_not_answered_is_there_and_whole() {
    for mode in [FaultMode::LostReply, FaultMode::DroppedReply] {
        let lake = lake().await;
        lake.server().inject(&Fault::once("CreateTable", mode)).unwrap();
        let table = lake.table("test.second");
        let location = Some("s3://lake/test/second".to_owned());
        let created = table.create(TableDefinition { location, ..definition(events_schema()) }).await;
        assert_eq!(lake.server().faults_left().unwrap(), 0, "{mode:?}");
        created.unwrap();
        let again = table
            .create(TableDefinition { location: Some("s3://lake/other".to_owned()), ..definition(events_schema()) });
        assert!(again.await.unwrap_err().to_string().contains("choose another name"), "{mode:?}");
        assert_eq!(lake.server().objects("lake", "other").unwrap(), [], "{mode:?}");
        table.refresh().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_keep_in_the_glue_entry_stays() {
    let lake = lake().await;
    let mut held = entry(&lake);
    let columns = held["StorageDescriptor"]["Columns"].clone();
    assert_eq!(columns[1]["Type"], "timestamp");
    let mut input = json!({"Name": "events", "Owner": "finance", "Description": "all events", "Retention": 7});
    for key in ["StorageDescriptor", "TableType", "Parameters"] {
        input[key] = held[key].take();
    }
    input["Parameters"]["classification"] = json!("pii");
    input["StorageDescriptor"]["Columns"][3]["Comment"] = json!("what happened");
    lake.server().glue("UpdateTable", &json!({"DatabaseName": "test", "TableInput": input})).unwrap();

    let context = lake.context(TABLE);
    deliver(&Batch::new().rows(0, 0..2).event(), &context).await.unwrap();
    lake.table(TABLE).add_column("colour", &"string".parse_type(), far()).await.unwrap();
    lake.table(TABLE).drop_column("tags", far()).await.unwrap();
    deliver(&Batch::new().json(0, 2, &json!({"id": 2, "colour": "red"})).event(), &context).await.unwrap();

    let entry = entry(&lake);
    assert_eq!(
        (&entry["Owner"], &entry["Description"], &entry["Retention"]),
        (&json!("finance"), &json!("all events"), &json!(7))
    );
    assert_eq!(entry["Parameters"]["classification"], "pii");
    assert!(entry["Parameters"]["previous_metadata_location"].is_string());
    let columns = entry["StorageDescriptor"]["Columns"].as_array().unwrap();
    let column = |name: &str| columns.iter().filter(|column| column["Name"] == name).collect::<Vec<_>>();
    assert_eq!(column("kind")[0]["Comment"], "what happened");
    assert_eq!(column("colour")[0]["Parameters"]["iceberg.field.current"], "true");
    assert_eq!(column("tags")[0]["Parameters"]["iceberg.field.current"], "false");
    assert!(columns.iter().all(|one| column(one["Name"].as_str().unwrap()).len() == 1), "a column is there twice");
    let rows = read_both(&lake.at(TABLE)).unwrap();
    assert!(rows.columns.contains(&"colour".to_owned()) && !rows.columns.contains(&"tags".to_owned()));
}

trait ParseType {
    fn parse_type(&self) -> Type;
}

impl ParseType for str {
    fn parse_type(&self) -> Type {
        serde_json::from_value(json!(self)).unwrap()
    }
}
