/** Compaction: small files become few, on a schedule. It deletes what its failed attempts wrote, hence its right to delete. */
import { Duration } from 'aws-cdk-lib';
import { ScheduleExpression } from 'aws-cdk-lib/aws-scheduler';
import type { Construct } from 'constructs';
import type { CompactionOptions } from './options.ts';
import { TableFunction, type FunctionSize, type TableContext } from './table-function.ts';

/** Settings of compaction. */
export interface CompactionSettings extends FunctionSize {
  /**
   * When it runs.
   *
   * @default - once an hour
   */
  readonly schedule?: ScheduleExpression;

  /**
   * What it does.
   *
   * @default - the function's defaults
   */
  readonly options?: CompactionOptions;
}

/** Settings of compaction, and what the table's functions share. */
export interface CompactionProps extends CompactionSettings {
  readonly context: TableContext;
}

/** The compaction function and its schedule. */
export class Compaction extends TableFunction {
  constructor(scope: Construct, id: string, props: CompactionProps) {
    super(scope, id, {
      name: 'compaction',
      context: props.context,
      access: 'maintain',
      memorySize: props.memorySize ?? 3008,
      timeout: props.timeout ?? Duration.minutes(15),
      heading: 'compaction-fails',
    });
    this.runBySchedule(Duration.hours(1));
    props.context.schedules.add('Compaction', {
      function: this.function,
      schedule: props.schedule ?? ScheduleExpression.rate(Duration.hours(1)),
      event: { strategy: 'binpack', ...props.options },
      description: `Compacts ${props.context.alarms.table}`,
    });
  }
}
