#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]
//! INV-1, INV-2, INV-6: whatever the catalog does and however batches arrive, every record is in the table once.

use std::collections::HashSet;
use std::sync::Arc;

use iceberg::spec::{MAIN_BRANCH, SnapshotReference, SnapshotRetention};
use serde_json::json;
use tributary_ingest::{Context, IngestError};
use tributary_table::{PartitionProgress, TableDefinition, TableError, TableState};
use tributary_testkit::{FaultyCatalog, SwapFault, inspect, read_both};
use tributary_tests::{Batch, LocalLake, definition, deliver, events_schema, far, id, ids, row};

async fn lake() -> LocalLake {
    let lake = LocalLake::new();
    lake.table().create(definition(events_schema())).await.unwrap();
    lake
}

fn faulty(lake: &LocalLake) -> (Arc<FaultyCatalog>, Context) {
    let catalog = Arc::new(FaultyCatalog::new(lake.catalog()));
    let context = Context::new(lake.table_in(catalog.clone()), None);
    (catalog, context)
}

/// Every file below the table that its current metadata does not reach.
async fn orphans(lake: &LocalLake) -> Vec<String> {
    let state = lake.table().refresh().await.unwrap();
    let mut reached: HashSet<String> = HashSet::new();
    reached.insert(state.metadata_location().to_owned());
    reached.extend(state.metadata().metadata_log().iter().map(|log| log.metadata_file.clone()));
    for snapshot in state.metadata().snapshots() {
        reached.insert(snapshot.manifest_list().to_owned());
    }
    for manifest in state.manifests() {
        reached.insert(manifest.manifest_path.clone());
        let entries = manifest.load_manifest(state.file_io()).await.unwrap();
        reached.extend(entries.entries().iter().map(|entry| entry.file_path().to_owned()));
    }
    lake.files().into_iter().filter(|file| !reached.contains(file)).collect()
}

fn snapshots(state: &TableState) -> usize {
    state.metadata().snapshots().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_delivered_twice_adds_nothing() {
    let lake = lake().await;
    let context = lake.context();
    let event = Batch::new().rows(0, 0..5).rows(1, 3..6).event();
    let first = deliver(&event, &context).await.unwrap();
    assert_eq!((first.rows_in, first.rows_committed, first.rows_redelivered), (8, 8, 0));
    // Warm and cold alike: the table is the only state.
    for context in [context, lake.context()] {
        let again = deliver(&event, &context).await.unwrap();
        assert_eq!((again.rows_committed, again.rows_redelivered, again.snapshot_id), (0, 8, None));
    }
    assert_eq!(read_both(&lake.at()).unwrap().rows.len(), 8);
    assert_eq!(snapshots(&lake.table().refresh().await.unwrap()), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overlapping_batch_adds_only_its_unseen_part() {
    let lake = lake().await;
    let context = lake.context();
    deliver(&Batch::new().rows(0, 0..5).event(), &context).await.unwrap();
    let report = deliver(&Batch::new().rows(0, 3..9).rows(1, 0..2).event(), &context).await.unwrap();
    assert_eq!((report.rows_committed, report.rows_redelivered), (6, 2));
    let gap = deliver(&Batch::new().rows(0, 12..13).event(), &context).await.unwrap();
    assert_eq!((gap.rows_committed, gap.offset_gap), (1, 3));
    let rows = read_both(&lake.at()).unwrap().rows;
    let expected: Vec<i64> = (0..9).chain([12]).map(|offset| id(0, offset)).chain([id(1, 0), id(1, 1)]).collect();
    assert_eq!(ids(&rows), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_is_recognised_and_nothing_is_committed_twice() {
    for fault in [SwapFault::LostReply, SwapFault::FalseConflict] {
        let lake = lake().await;
        let (catalog, context) = faulty(&lake);
        catalog.inject([fault]);
        let report = deliver(&Batch::new().rows(0, 0..4).event(), &context).await.unwrap();
        assert_eq!((report.rows_committed, report.commit_attempts), (4, 1), "{fault:?}");
        deliver(&Batch::new().rows(0, 2..6).event(), &context).await.unwrap();
        assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), (0..6).collect::<Vec<_>>(), "{fault:?}");
        assert_eq!(orphans(&lake).await, Vec::<String>::new(), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_request_is_tried_again_and_committed_once() {
    let lake = lake().await;
    let (catalog, context) = faulty(&lake);
    catalog.inject([SwapFault::LostRequest, SwapFault::Conflict, SwapFault::LostRequest, SwapFault::LostReply]);
    let report = deliver(&Batch::new().rows(0, 0..4).event(), &context).await.unwrap();
    assert_eq!((report.rows_committed, report.commit_attempts), (4, 4));
    assert_eq!(catalog.faults_left(), 0);
    assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), (0..4).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_waits_for_the_table_to_be_readable() {
    let lake = lake().await;
    let (catalog, context) = faulty(&lake);
    deliver(&Batch::new().rows(0, 0..2).event(), &context).await.unwrap();
    catalog.inject([SwapFault::LostReply]);
    let batch = Batch::new().rows(0, 2..4).event();
    let reading_fails = async {
        // After the batch's own first read, so that the read after the lost reply fails.
        while catalog.faults_left() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        catalog.fail_reads(3);
    };
    let (report, ()) = tokio::join!(deliver(&batch, &context), reading_fails);
    assert_eq!(report.unwrap().rows_committed, 2);
    assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), (0..4).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_attempt_leaves_no_file_behind() {
    let lake = lake().await;
    let (catalog, context) = faulty(&lake);
    catalog.inject([SwapFault::Conflict; 5]);
    let report = deliver(&Batch::new().rows(0, 0..4).event(), &context).await.unwrap();
    assert_eq!(report.commit_attempts, 6);
    assert_eq!(orphans(&lake).await, Vec::<String>::new());
    catalog.inject([SwapFault::Refuse]);
    let refused = deliver(&Batch::new().rows(0, 4..6).event(), &context).await.unwrap_err();
    assert_eq!(refused.kind(), "Halt", "{refused}");
    assert_eq!(orphans(&lake).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_never_wins_gives_up_and_loses_nothing() {
    let lake = LocalLake::new();
    let hurried = [("commit.retry.max-wait-ms".to_owned(), "10".to_owned())].into();
    lake.table().create(TableDefinition { properties: hurried, ..definition(events_schema()) }).await.unwrap();
    let (catalog, context) = faulty(&lake);
    catalog.inject([SwapFault::Conflict; 40]);
    let event = Batch::new().rows(0, 0..4).event();
    let error = deliver(&event, &context).await.unwrap_err();
    assert!(matches!(error, IngestError::Table(TableError::Contended { .. })), "{error}");
    assert_eq!(error.kind(), "Retry");
    assert_eq!(orphans(&lake).await, Vec::<String>::new());
    // 21 attempts were made; the remaining 19 conflicts leave two of the next delivery's.
    let report = deliver(&event, &context).await.unwrap();
    assert_eq!((report.rows_committed, report.commit_attempts), (4, 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_commit_at_once_lose_and_repeat_nothing() {
    const INSTANCES: i32 = 6;
    const BATCHES: i64 = 8;
    let lake = Arc::new(lake().await);
    let mut tasks = Vec::new();
    for partition in 0..INSTANCES {
        let lake = Arc::clone(&lake);
        tasks.push(tokio::spawn(async move {
            let context = lake.context();
            for batch in 0..BATCHES {
                let event = Batch::new().rows(partition, batch * 10..batch * 10 + 10).event();
                deliver(&event, &context).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let expected: Vec<i64> =
        (0..INSTANCES).flat_map(|partition| (0..BATCHES * 10).map(move |offset| id(partition, offset))).collect();
    assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), expected);
    assert_eq!(orphans(&lake).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_batch_delivered_to_two_instances_at_once_is_committed_once() {
    let lake = lake().await;
    for round in 0..10 {
        let event = Batch::new().rows(0, round * 5..round * 5 + 5).event();
        let (left, right) = (lake.context(), lake.context());
        let (one, two) = tokio::join!(deliver(&event, &left), deliver(&event, &right));
        let committed = one.unwrap().rows_committed + two.unwrap().rows_committed;
        assert_eq!(committed, 5, "round {round}");
    }
    assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), (0..50).collect::<Vec<_>>());
    assert_eq!(orphans(&lake).await, Vec::<String>::new());
}

/// Points the main branch at an older snapshot, as any engine's rollback procedure does.
async fn roll_back(lake: &LocalLake, snapshot_id: i64) {
    let branch = SnapshotReference::new(snapshot_id, SnapshotRetention::branch(None, None, None));
    let rolled =
        lake.table().update(far(), |_, builder| Ok(builder.set_ref(MAIN_BRANCH, branch.clone()).unwrap())).await;
    rolled.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolled_back_table_takes_the_rolled_back_records_again() {
    let lake = lake().await;
    let context = lake.context();
    let first = deliver(&Batch::new().rows(0, 0..3).rows(1, 0..2).event(), &context).await.unwrap();
    deliver(&Batch::new().rows(0, 3..5).event(), &context).await.unwrap();
    deliver(&Batch::new().rows(0, 5..8).rows(1, 2..4).event(), &context).await.unwrap();
    roll_back(&lake, first.snapshot_id.unwrap()).await;
    let report = deliver(&Batch::new().rows(0, 0..8).rows(1, 0..4).event(), &context).await.unwrap();
    assert_eq!((report.rows_redelivered, report.rows_committed), (5, 7));
    let expected: Vec<i64> = (0..8).map(|offset| id(0, offset)).chain((0..4).map(|offset| id(1, offset))).collect();
    assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_rolled_forward_again_keeps_what_its_head_holds() {
    let lake = lake().await;
    let context = lake.context();
    let base = deliver(&Batch::new().rows(0, 0..3).event(), &context).await.unwrap().snapshot_id.unwrap();
    let left = deliver(&Batch::new().rows(0, 3..6).event(), &context).await.unwrap().snapshot_id.unwrap();
    roll_back(&lake, base).await;
    deliver(&Batch::new().rows(0, 3..8).event(), &context).await.unwrap();
    // Back to the first branch, which holds 3 to 5 but not 6 and 7.
    roll_back(&lake, left).await;
    let report = deliver(&Batch::new().rows(0, 0..8).event(), &context).await.unwrap();
    assert_eq!((report.rows_redelivered, report.rows_committed), (6, 2));
    assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), (0..8).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_past_expired_lineage_halts_and_names_the_command() {
    let lake = lake().await;
    let context = lake.context();
    let mut snapshots = Vec::new();
    for batch in 0..4 {
        let report = deliver(&Batch::new().rows(0, batch..batch + 1).event(), &context).await.unwrap();
        snapshots.push(report.snapshot_id.unwrap());
    }
    roll_back(&lake, snapshots[0]).await;
    lake.table().update(far(), |_, builder| Ok(builder.remove_snapshots(&[snapshots[1]]))).await.unwrap();
    let event = Batch::new().rows(0, 0..4).event();
    let error = deliver(&event, &lake.context()).await.unwrap_err();
    assert_eq!(error.kind(), "Halt");
    assert!(error.to_string().contains("tributary table set-checkpoint"), "{error}");
    assert_eq!(read_both(&lake.at()).unwrap().rows.len(), 1);

    // What the error names works, and only when it is said that the rest of the checkpoint stands.
    let state = lake.table().refresh().await.unwrap();
    assert!(state.checkpoint_fault().is_some());
    let (partition, progress) = state.checkpoint().iter().map(|(at, progress)| (at.clone(), progress)).next().unwrap();
    let mended = Some(PartitionProgress { next_offset: 1, ..progress });
    let refused = lake.table().set_checkpoint(&partition, mended, false, far()).await.unwrap_err();
    assert!(refused.to_string().contains("--keep-others"), "{refused}");
    lake.table().set_checkpoint(&partition, mended, true, far()).await.unwrap();
    assert_eq!(deliver(&event, &lake.context()).await.unwrap().rows_committed, 3);
    assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), (0..4).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_s_own_write_properties_are_kept() {
    let lake = LocalLake::new();
    let data = format!("file://{}/warehouse/elsewhere", lake.folder().display());
    let properties = [
        ("write.metadata.compression-codec", "gzip"),
        ("write.metadata.delete-after-commit.enabled", "true"),
        ("write.metadata.previous-versions-max", "3"),
        ("write.parquet.compression-codec", "snappy"),
        ("write.data.path", data.as_str()),
    ];
    let properties = properties.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    lake.table().create(TableDefinition { properties, ..definition(events_schema()) }).await.unwrap();
    let context = lake.context();
    for batch in 0..8 {
        deliver(&Batch::new().rows(0, batch..batch + 1).event(), &context).await.unwrap();
    }
    let files = lake.files();
    let metadata: Vec<&String> = files.iter().filter(|file| file.contains("metadata.json")).collect();
    assert!(metadata.iter().all(|file| file.ends_with(".gz.metadata.json")), "{metadata:?}");
    assert_eq!(metadata.len(), 4, "the current metadata file and three before it: {metadata:?}");
    assert!(files.iter().filter(|file| file.ends_with(".parquet")).all(|file| file.starts_with(&data)));
    assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), (0..8).collect::<Vec<_>>());
    assert_eq!(orphans(&lake).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_checkpoint_snapshot_is_still_valid_under_newer_ones() {
    let lake = lake().await;
    let context = lake.context();
    let first = deliver(&Batch::new().rows(0, 0..3).event(), &context).await.unwrap().snapshot_id.unwrap();
    tributary_tests::append_with_pyiceberg(&lake, &[json!({"id": 99})]);
    let expired = lake.table().update(far(), |_, builder| Ok(builder.remove_snapshots(&[first]))).await.unwrap();
    assert_eq!(snapshots(&expired.state), 1);
    let report = deliver(&Batch::new().rows(0, 0..5).event(), &lake.context()).await.unwrap();
    assert_eq!((report.rows_redelivered, report.rows_committed), (3, 2));
    assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), [0, 1, 2, 3, 4, 99]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recreated_topic_halts_and_drops_nothing() {
    let lake = lake().await;
    let context = lake.context();
    deliver(&Batch::new().rows(0, 0..5).event(), &context).await.unwrap();
    // The same offsets again, but newer than anything committed: no redelivery looks like this.
    let mut builder = tributary_kafka::EventBuilder::msk(tributary_tests::ARN, "b-1.test.example:9098");
    for offset in 0..3 {
        let record = tributary_kafka::Record {
            offset,
            timestamp_ms: tributary_tests::NOW_MS + 1_000_000 + offset,
            timestamp_type: None,
            key: tributary_kafka::Payload::Null,
            value: tributary_kafka::Payload::Bytes(row(0, 70 + offset).to_string().into_bytes().into()),
            headers: Vec::new(),
        };
        builder.push("events", 0, record);
    }
    let event = builder.build();
    let error = deliver(&event, &context).await.unwrap_err();
    assert_eq!(error.kind(), "Halt");
    assert!(error.to_string().contains("set-checkpoint --topic events --partition 0 --forget"), "{error}");
    // What the error names loses none of the new epoch's records.
    let state = lake.table().refresh().await.unwrap();
    let partition = state.checkpoint().iter().map(|(at, _)| at.clone()).next().unwrap();
    lake.table().set_checkpoint(&partition, None, false, far()).await.unwrap();
    assert_eq!(deliver(&event, &context).await.unwrap().rows_committed, 3);
    assert_eq!(ids(&read_both(&lake.at()).unwrap().rows), [0, 1, 2, 3, 4, 70, 71, 72]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_broker_list_does_not_pass_for_a_new_cluster() {
    let lake = lake().await;
    let event = |servers: &str| {
        let mut builder = tributary_kafka::EventBuilder::self_managed(servers);
        let value = tributary_kafka::Payload::Bytes(row(0, 0).to_string().into_bytes().into());
        let record = tributary_kafka::Record {
            offset: 0,
            timestamp_ms: 1,
            timestamp_type: None,
            key: tributary_kafka::Payload::Null,
            value,
            headers: Vec::new(),
        };
        builder.push("events", 0, record);
        builder.build()
    };
    deliver(&event("b:9092,a:9092"), &lake.context()).await.unwrap();
    assert_eq!(deliver(&event("A:9092,b:9092"), &lake.context()).await.unwrap().rows_redelivered, 1);
    let error = deliver(&event("a:9092,b:9092,c:9092"), &lake.context()).await.unwrap_err();
    assert!(error.to_string().contains("TRIBUTARY_CLUSTER"), "{error}");
    let named = Context::new(lake.table(), Some("a:9092,b:9092".to_owned()));
    assert_eq!(deliver(&event("a:9092,b:9092,c:9092"), &named).await.unwrap().rows_redelivered, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_offsets_of_a_snapshot_belong_together() {
    let lake = lake().await;
    let context = lake.context();
    deliver(&Batch::new().rows(2, 7..9).rows(0, 0..3).event(), &context).await.unwrap();
    let seen = inspect(&lake.at()).unwrap();
    let summary = &seen["snapshots"][0]["summary"];
    let lineage: serde_json::Value = serde_json::from_str(summary["tributary.lineage"].as_str().unwrap()).unwrap();
    assert_eq!(lineage, json!({tributary_tests::ARN: {"events": {"0": "0-2", "2": "7-8"}}}));
    assert_eq!(summary["added-records"], "5");
    assert_eq!(summary["total-records"], "5");
    let checkpoint: serde_json::Value =
        serde_json::from_str(seen["properties"]["tributary.checkpoint"].as_str().unwrap()).unwrap();
    assert_eq!(checkpoint["sources"][tributary_tests::ARN]["events"]["2"]["next-offset"], 9);
}

/// Random deliveries under random faults, beside an oracle that only counts offsets.
#[tokio::test(flavor = "multi_thread")]
async fn random_faults_and_redeliveries_settle_every_record_once() {
    const SEEDS: u64 = 12;
    const DELIVERIES: usize = 25;
    for seed in 0..SEEDS {
        let mut random = fastrand::Rng::with_seed(seed);
        let lake = lake().await;
        let (catalog, mut context) = faulty(&lake);
        let mut next = [0_i64; 3];
        for _ in 0..DELIVERIES {
            let faults = [
                SwapFault::None,
                SwapFault::LostReply,
                SwapFault::LostRequest,
                SwapFault::FalseConflict,
                SwapFault::Conflict,
                SwapFault::Refuse,
            ];
            catalog.inject((0..random.usize(0..4)).map(|_| faults[random.usize(0..faults.len())]));
            let mut batch = Batch::new();
            let mut after = next;
            for partition in 0..3_i32 {
                let first = (next[partition as usize] - random.i64(0..6)).max(0);
                let last = next[partition as usize] + random.i64(0..5);
                batch = batch.rows(partition, first..last);
                after[partition as usize] = last.max(next[partition as usize]);
            }
            if random.u8(0..5) == 0 {
                // A cold start: nothing but the table remembers.
                context = Context::new(lake.table_in(catalog.clone()), None);
            }
            // As the event source mapping: only a success moves on, an error brings the records again.
            match deliver(&batch.event(), &context).await {
                Ok(_) => next = after,
                Err(error) => assert!(["Retry", "Halt"].contains(&error.kind()), "seed {seed}: {error}"),
            }
        }
        let rows = read_both(&lake.at()).unwrap().rows;
        let held = ids(&rows);
        let distinct: HashSet<&i64> = held.iter().collect();
        assert_eq!(distinct.len(), held.len(), "seed {seed}: a record is in the table twice");
        for partition in 0..3_i32 {
            for offset in 0..next[partition as usize] {
                assert!(
                    distinct.contains(&id(partition, offset)),
                    "seed {seed}: partition {partition} offset {offset} is lost"
                );
            }
        }
    }
}
