//! The Kafka event becomes records by partition in offset order.
//!
//! What Lambda's event source mapping hands to a function is read here and nowhere else: an
//! [`KafkaEvent`] (Amazon MSK or self-managed) goes through [`records_by_partition`] and comes
//! out as [`PartitionRecords`], sorted and without repeats. [`EventBuilder`] goes the other way:
//! it builds the very event that the mapping sends, for the local poller, the demo and tests.
//!
//! Nothing here does I/O, reads the clock or knows of tables.
//!
//! ```
//! use tributary_kafka::{ClusterIdentity, EventBuilder, KafkaEvent, Payload, Record};
//! use tributary_kafka::records_by_partition;
//!
//! let record = Record {
//!     offset: 7,
//!     timestamp_ms: 1_763_000_000_123,
//!     timestamp_type: Some("CREATE_TIME".to_owned()),
//!     key: Payload::Null,
//!     value: Payload::Bytes(br#"{"id":1}"#.as_slice().into()),
//!     headers: Vec::new(),
//! };
//! let mut builder = EventBuilder::self_managed("broker:9092");
//! builder.push("orders", 3, record.clone());
//!
//! let event = KafkaEvent::from_json(builder.build().as_bytes())?;
//! let cluster = ClusterIdentity::of_event(&event, Some("orders-cluster"))?;
//! let partitions = records_by_partition(event, &cluster)?;
//! assert_eq!(partitions[0].partition.partition, 3);
//! assert_eq!(partitions[0].records, [record]);
//! # Ok::<(), tributary_kafka::EventError>(())
//! ```

mod builder;
mod cluster;
mod error;
mod event;
mod offsets;
mod payload;
mod records;

pub use builder::{EncodedRecord, EventBuilder};
pub use cluster::ClusterIdentity;
pub use error::EventError;
pub use event::{EventRecord, KafkaEvent, RecordGroup, TIMESTAMP_MS_UNKNOWN};
pub use offsets::{OffsetRange, OffsetRangeError, Source, SourcePartition};
pub use payload::Payload;
pub use records::{PartitionRecords, Record, records_by_partition};
