/**
 * Ingest: the function, and the event source mapping that feeds it.
 *
 * The mapping has no on-failure destination, and no bound on retries or on the age of records. That is what "never lost" rests on
 * while the function halts on a bad record: Lambda then tries a failed batch again for as long as Kafka keeps it, in order. With
 * an on-failure destination it gives up after at most 10 retries, sends the batch there and goes on behind it: those records have
 * left the ordered path and never reach the table. The same holds for a bound on retries or age, which only drops the batch.
 *
 * The role has no right to delete. Ingest deletes two kinds of files, both only to save space: those of an attempt that is
 * definitely lost, and old metadata files where the table asks for it (`write.metadata.delete-after-commit.enabled`). Without the
 * right each of these logs a warning and leaves the file: the former to orphan removal, the latter to snapshot expiry.
 */
import { Duration } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import { acknowledgeWildcards } from './acknowledge.ts';
import { addAlarm, tableMetric } from './alarms.ts';
import { type KafkaSource, mappingSource, sourceStatements, sourceWildcards } from './source.ts';
import { TableFunction, type FunctionSize, type TableContext } from './table-function.ts';

/**
 * What becomes of a record that can't be a row.
 *
 * - `halt`: its partition halts there until somebody acts. All before it is in the table, nothing behind it is, none is lost.
 *
 * Dead letters are to be a second action, with their own settings and alarm.
 */
export type BadRecords = { readonly action: 'halt' };

/** Settings of ingest. */
export interface IngestSettings extends FunctionSize {
  /**
   * Records in a batch at most, up to 10,000. Each batch is one commit and at least one file; it also closes at 6 MB.
   *
   * @default 10000
   */
  readonly batchSize?: number;

  /**
   * How long a batch is waited for, up to 5 minutes: longer means fewer and larger files, and as much delay.
   *
   * @default 10 seconds
   */
  readonly batchingWindow?: Duration;

  /**
   * Where a mapping made anew begins. What the table holds already is dropped.
   *
   * @default - the earliest record that Kafka has
   */
  readonly startingPosition?: lambda.StartingPosition;

  /**
   * The time to start from, with `startingPosition` at `AT_TIMESTAMP`.
   *
   * @default - none
   */
  readonly startingTime?: Date;

  /**
   * Pollers of the mapping's own (provisioned mode), each of about 5 MB/s.
   *
   * @default - Lambda scales pollers on demand
   */
  readonly provisionedPollers?: { readonly minimum: number; readonly maximum: number };

  /**
   * What becomes of a record that can't be a row.
   *
   * @default - its partition halts
   */
  readonly badRecords?: BadRecords;

  /**
   * Records that may wait in the topic before the lag alarm is raised. Choose it well inside the topic's retention: what Kafka
   * deletes before it was read is lost.
   *
   * @default 100000
   */
  readonly lagRecords?: number;
}

/** Settings of ingest, the source, and what the table's functions share. */
export interface IngestFunctionProps extends IngestSettings {
  readonly context: TableContext;
  readonly source: KafkaSource;
}

/** The ingest function, its mapping and its alarms. */
export class IngestFunction extends TableFunction {
  /** The mapping. */
  readonly mapping: lambda.EventSourceMapping;

  constructor(scope: Construct, id: string, props: IngestFunctionProps) {
    super(scope, id, {
      name: 'ingest',
      context: props.context,
      access: 'write',
      rights: { Kafka: sourceStatements(scope, props.source) },
      environment: environment(props.source),
      memorySize: props.memorySize ?? 1024,
      timeout: props.timeout ?? Duration.minutes(1),
      heading: 'ingest-fails',
      // Contention with another writer fails a batch now and then, and the next delivery settles it. A halt stays.
      errorPeriods: 2,
    });
    for (const { resource, reason } of sourceWildcards(scope, props.source)) {
      acknowledgeWildcards(this.role, [resource], reason);
    }
    this.mapping = this.addMapping(props);
    this.addAlarms(props);
  }

  private addMapping(props: IngestFunctionProps): lambda.EventSourceMapping {
    const { provisionedPollers: pollers, startingTime } = props;
    return new lambda.EventSourceMapping(this, 'Mapping', {
      target: this.function,
      ...mappingSource(props.source),
      batchSize: props.batchSize ?? 10_000,
      maxBatchingWindow: props.batchingWindow ?? Duration.seconds(10),
      startingPosition: props.startingPosition ?? lambda.StartingPosition.TRIM_HORIZON,
      startingPositionTimestamp: startingTime && startingTime.getTime() / 1000,
      provisionedPollerConfig: pollers && { minimumPollers: pollers.minimum, maximumPollers: pollers.maximum },
      ...onFailure(props.badRecords ?? { action: 'halt' }),
    });
  }

  private addAlarms(props: IngestFunctionProps): void {
    const { alarms } = props.context;
    const period = Duration.minutes(5);
    addAlarm(this, 'Lag', alarms, {
      // Lambda measures it for the function, over all partitions of its topic.
      metric: this.function.metric('OffsetLag', { statistic: 'Maximum', period }),
      means: 'records wait in the topic',
      heading: 'ingest-lags-behind',
      threshold: props.lagRecords ?? 100_000,
      periods: 3,
    });
    addAlarm(this, 'Rejected', alarms, {
      metric: tableMetric(alarms, 'RowsRejected', 'Sum', period),
      means: 'a record can not be a row, and halts its partition',
      heading: 'a-record-is-rejected',
    });
    addAlarm(this, 'OffsetGap', alarms, {
      metric: tableMetric(alarms, 'OffsetGap', 'Sum', period),
      means: 'a batch began above the offset that was expected next',
      heading: 'offsets-are-missing',
    });
    addAlarm(this, 'Healed', alarms, {
      metric: tableMetric(alarms, 'RowsHealed', 'Sum', period),
      means: 'another engine overwrote a commit, which was put back',
      heading: 'a-commit-was-overwritten',
    });
  }
}

/** What the mapping does with a batch that fails: while bad records halt, nothing but trying again (see the top of this file). */
function onFailure(badRecords: BadRecords): Pick<lambda.EventSourceMappingOptions, 'onFailure' | 'retryAttempts'> {
  switch (badRecords.action) {
    case 'halt':
      return {};
  }
}

function environment(source: KafkaSource): Record<string, string> {
  return source.type === 'self-managed' ? { TRIBUTARY_CLUSTER: source.cluster } : {};
}
