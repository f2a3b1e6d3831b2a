/** Retention: rows past their time leave the table. It deletes no file: expiry does, once no snapshot needs it any more. */
import { Duration } from 'aws-cdk-lib';
import { ScheduleExpression } from 'aws-cdk-lib/aws-scheduler';
import type { Construct } from 'constructs';
import type { RetentionOptions } from './options.ts';
import { TableFunction, type FunctionSize, type TableContext } from './table-function.ts';

/** Settings of retention. */
export interface RetentionSettings extends FunctionSize {
  /** Which rows go. */
  readonly options: RetentionOptions;

  /**
   * When it runs.
   *
   * @default - every day at 02:00 UTC, an hour before snapshot expiry
   */
  readonly schedule?: ScheduleExpression;
}

/** Settings of retention, and what the table's functions share. */
export interface RetentionProps extends RetentionSettings {
  readonly context: TableContext;
}

/** The retention function and its schedule. */
export class Retention extends TableFunction {
  constructor(scope: Construct, id: string, props: RetentionProps) {
    super(scope, id, {
      name: 'retention',
      context: props.context,
      access: 'write',
      memorySize: props.memorySize ?? 1024,
      timeout: props.timeout ?? Duration.minutes(15),
      heading: 'retention-fails',
    });
    this.runBySchedule(Duration.hours(1));
    props.context.schedules.add('Retention', {
      function: this.function,
      schedule: props.schedule ?? ScheduleExpression.expression('cron(0 2 * * ? *)'),
      event: { ...props.options },
      description: `Applies retention to ${props.context.alarms.table}`,
    });
  }
}
