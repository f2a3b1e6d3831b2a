//! The ingest function: a Kafka event becomes rows of an Iceberg table, exactly once.
