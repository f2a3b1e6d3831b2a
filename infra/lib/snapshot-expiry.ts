/**
 * Snapshot expiry: old snapshots go, with the files that only they needed; and, on a schedule of its own, files that no snapshot
 * knows (orphans). Orphan removal reports only, until its options say otherwise: read a report first.
 */
import { Duration } from 'aws-cdk-lib';
import { ScheduleExpression } from 'aws-cdk-lib/aws-scheduler';
import type { Construct } from 'constructs';
import { listStatements } from './iceberg-table.ts';
import type { ExpiryOptions, OrphanOptions } from './options.ts';
import { TableFunction, type FunctionSize, type TableContext } from './table-function.ts';

/** Settings of snapshot expiry. */
export interface SnapshotExpirySettings extends FunctionSize {
  /**
   * When snapshots are expired.
   *
   * @default - every day at 03:00 UTC
   */
  readonly schedule?: ScheduleExpression;

  /**
   * Which snapshots are kept.
   *
   * @default - the function's defaults
   */
  readonly options?: ExpiryOptions;

  /**
   * When orphan files are looked for.
   *
   * @default - every Sunday at 04:00 UTC
   */
  readonly orphanSchedule?: ScheduleExpression;

  /**
   * Which orphan files go.
   *
   * @default - none: what would go is reported
   */
  readonly orphanOptions?: OrphanOptions;
}

/** Settings of snapshot expiry, and what the table's functions share. */
export interface SnapshotExpiryProps extends SnapshotExpirySettings {
  readonly context: TableContext;
}

/** The snapshot expiry function and its two schedules. */
export class SnapshotExpiry extends TableFunction {
  constructor(scope: Construct, id: string, props: SnapshotExpiryProps) {
    super(scope, id, {
      name: 'snapshot-expiry',
      context: props.context,
      access: 'maintain',
      // Orphans are what is in the folder and not in the table: that takes listing the folder.
      rights: { List: listStatements(props.context.table) },
      memorySize: props.memorySize ?? 1024,
      timeout: props.timeout ?? Duration.minutes(15),
      heading: 'snapshot-expiry-fails',
    });
    this.runBySchedule(Duration.hours(1));
    this.addSchedules(props);
  }

  private addSchedules(props: SnapshotExpiryProps): void {
    const { schedules, alarms } = props.context;
    schedules.add('Expiry', {
      function: this.function,
      schedule: props.schedule ?? ScheduleExpression.expression('cron(0 3 * * ? *)'),
      event: { mode: 'expire', ...props.options },
      description: `Expires snapshots of ${alarms.table}`,
    });
    schedules.add('Orphans', {
      function: this.function,
      schedule: props.orphanSchedule ?? ScheduleExpression.expression('cron(0 4 ? * SUN *)'),
      event: { mode: 'orphans', 'dry-run': true, ...props.orphanOptions },
      description: `Looks for files of ${alarms.table} that no snapshot knows`,
    });
  }
}
