/** Constructs that deploy Tributary. */
export type { CompactionSettings } from './compaction.ts';
export type { DataQualitySettings } from './data-quality.ts';
export type { IcebergTable, TableLocation } from './iceberg-table.ts';
export type { BadRecords, IngestSettings } from './ingest-function.ts';
export type * from './options.ts';
export type { RetentionSettings } from './retention.ts';
export type { SnapshotExpirySettings } from './snapshot-expiry.ts';
export type { KafkaSource, MskSource, SelfManagedSource } from './source.ts';
export { StreamingTable, type StreamingTableProps } from './streaming-table.ts';
