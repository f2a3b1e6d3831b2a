/**
 * Everything that one Iceberg table fed from Kafka needs on AWS: ingest with its mapping, the maintenance functions with their
 * schedules, the data-quality checks, and the alarms on all of them.
 */
import { RemovalPolicy } from 'aws-cdk-lib';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import type { AlarmContext } from './alarms.ts';
import { AlertTopic } from './alert-topic.ts';
import { Compaction, type CompactionSettings } from './compaction.ts';
import { DataQuality, type DataQualitySettings } from './data-quality.ts';
import { type IcebergTable, checkTable, tableName } from './iceberg-table.ts';
import { IngestFunction, type IngestSettings } from './ingest-function.ts';
import { Retention, type RetentionSettings } from './retention.ts';
import { Schedules } from './schedules.ts';
import { SnapshotExpiry, type SnapshotExpirySettings } from './snapshot-expiry.ts';
import type { KafkaSource } from './source.ts';
import type { TableContext } from './table-function.ts';

/** Settings of a table fed from Kafka. */
export interface StreamingTableProps {
  /** The table. It must be there: no function creates it. */
  readonly table: IcebergTable;

  /** Where its records come from. */
  readonly source: KafkaSource;

  /** Checks on it. The heartbeat among them is what notices a stream that stopped. */
  readonly dataQuality: DataQualitySettings;

  /**
   * Settings of ingest.
   *
   * @default - batches of up to 10,000 records or 10 seconds; a bad record halts its partition
   */
  readonly ingest?: IngestSettings;

  /**
   * Settings of compaction.
   *
   * @default - once an hour, with the function's defaults
   */
  readonly compaction?: CompactionSettings;

  /**
   * Settings of snapshot expiry and orphan removal.
   *
   * @default - every day with the function's defaults; orphan files are reported once a week and kept
   */
  readonly snapshotExpiry?: SnapshotExpirySettings;

  /**
   * Settings of retention.
   *
   * @default - none: every row stays, and there is no such function
   */
  readonly retention?: RetentionSettings;

  /**
   * Where alarms and failed checks go. CloudWatch must be allowed to publish there, and to use the topic's key.
   *
   * @default - a new topic, encrypted, for you to subscribe to
   */
  readonly alertTopic?: ITopic;

  /**
   * Address of the runbook, for the links in alarms.
   *
   * @default docs/runbook.md
   */
  readonly runbook?: string;

  /**
   * A folder with the functions' binaries, built before: `NAME/bootstrap` or `NAME/bootstrap.zip`, as `cargo lambda build` puts
   * them into `target/lambda`.
   *
   * @default - each function is built by cargo-lambda when the stack is synthesised
   */
  readonly artefacts?: string;

  /**
   * What the functions log, as `TRIBUTARY_LOG` takes it.
   *
   * @default - the functions' default
   */
  readonly logDirectives?: string;

  /**
   * How long logs are kept.
   *
   * @default - three months
   */
  readonly logRetention?: RetentionDays;

  /**
   * What becomes of log groups and of the alert topic's key when the stack is deleted. The table is never touched.
   *
   * @default - they stay
   */
  readonly removalPolicy?: RemovalPolicy;
}

/** An Iceberg table fed from Kafka, kept in shape, and watched. */
export class StreamingTable extends Construct {
  /** Where alarms and failed checks go. */
  readonly alertTopic: ITopic;

  /** The schedules of the functions below. */
  readonly schedules: Schedules;

  /** Kafka to table. */
  readonly ingest: IngestFunction;

  /** Small files to large ones. */
  readonly compaction: Compaction;

  /** Old snapshots, and orphan files. */
  readonly snapshotExpiry: SnapshotExpiry;

  /** Rows past their time; absent unless configured. */
  readonly retention?: Retention;

  /** Checks and the heartbeat. */
  readonly dataQuality: DataQuality;

  constructor(scope: Construct, id: string, props: StreamingTableProps) {
    super(scope, id);
    checkTable(props.table);
    this.alertTopic = props.alertTopic ?? this.addAlertTopic(props);
    const alarms: AlarmContext = {
      table: tableName(props.table),
      topic: this.alertTopic,
      runbook: props.runbook ?? 'docs/runbook.md',
    };
    this.schedules = new Schedules(this, 'Schedules', alarms);
    const context = this.context(props, alarms);
    this.ingest = new IngestFunction(this, 'Ingest', { context, source: props.source, ...props.ingest });
    this.compaction = new Compaction(this, 'Compaction', { context, ...props.compaction });
    this.snapshotExpiry = new SnapshotExpiry(this, 'SnapshotExpiry', { context, ...props.snapshotExpiry });
    if (props.retention) {
      this.retention = new Retention(this, 'Retention', { context, ...props.retention });
    }
    const { alertTopic } = this;
    this.dataQuality = new DataQuality(this, 'DataQuality', { context, alertTopic, ...props.dataQuality });
  }

  private addAlertTopic(props: StreamingTableProps): ITopic {
    return new AlertTopic(this, 'Alerts', { removalPolicy: props.removalPolicy ?? RemovalPolicy.RETAIN }).topic;
  }

  private context(props: StreamingTableProps, alarms: AlarmContext): TableContext {
    return {
      table: props.table,
      alarms,
      schedules: this.schedules,
      artefacts: props.artefacts,
      logDirectives: props.logDirectives,
      logRetention: props.logRetention ?? RetentionDays.THREE_MONTHS,
      removalPolicy: props.removalPolicy ?? RemovalPolicy.RETAIN,
    };
  }
}
