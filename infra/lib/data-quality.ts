/**
 * Data quality: all checks now and then, and those on metadata alone (the heartbeat) often. It reads the table and never changes
 * it; results may go to a table of their own.
 */
import { Duration, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import { ScheduleExpression } from 'aws-cdk-lib/aws-scheduler';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import { acknowledgeWildcards } from './acknowledge.ts';
import { addAlarm, periodOfSchedule, tableMetric } from './alarms.ts';
import { type IcebergTable, checkTable, filesArns, keyStatements, tableName, tableStatements } from './iceberg-table.ts';
import type { DataQualityOptions } from './options.ts';
import { heartbeatKinds } from './rules.ts';
import { TableFunction, type FunctionSize, type TableContext } from './table-function.ts';

/** The longest that Lambda keeps an event. */
const LAMBDA_EVENT_AGE_MAX = Duration.hours(6);

/** Settings of the data-quality function. */
export interface DataQualitySettings extends FunctionSize {
  /** Path of the rules (YAML). They are uploaded with the stack, and must have a `heartbeat` check. */
  readonly rulesFile: string;

  /**
   * How often the heartbeat is taken, which is how soon a stopped stream is noticed.
   *
   * @default 5 minutes
   */
  readonly heartbeatEvery?: Duration;

  /**
   * How often all checks run.
   *
   * @default 1 hour
   */
  readonly checksEvery?: Duration;

  /**
   * Options of both schedules.
   *
   * @default - the function's defaults
   */
  readonly options?: DataQualityOptions;

  /**
   * The table that results are appended to. It must be there: the role may not create it.
   *
   * @default - results are metrics and alerts only
   */
  readonly resultsTable?: IcebergTable;
}

/** Settings of the data-quality function, the alert topic, and what the table's functions share. */
export interface DataQualityProps extends DataQualitySettings {
  readonly context: TableContext;
  readonly alertTopic: ITopic;
}

/** The data-quality function, its two schedules and the alarms on what it finds. */
export class DataQuality extends TableFunction {
  constructor(scope: Construct, id: string, props: DataQualityProps) {
    const heartbeat = heartbeatKinds(props.rulesFile, tableName(props.context.table));
    const rules = new Asset(scope, `${id}Rules`, { path: props.rulesFile });
    const { alertTopic, resultsTable } = props;
    if (resultsTable) {
      checkTable(resultsTable);
    }
    super(scope, id, {
      name: 'data-quality',
      context: props.context,
      access: 'read',
      rights: {
        Rules: [rulesStatement(scope, rules)],
        Alerts: [
          new iam.PolicyStatement({ actions: ['sns:Publish'], resources: [alertTopic.topicArn] }),
          ...keyStatements('AlertKey', alertTopic.masterKey ? [alertTopic.masterKey] : [], 'encrypt'),
        ],
        ...(resultsTable ? { Results: tableStatements(scope, resultsTable, 'write') } : {}),
      },
      environment: {
        TRIBUTARY_RULES: rules.s3ObjectUrl,
        TRIBUTARY_ALERT_TOPIC: alertTopic.topicArn,
        ...(resultsTable ? { TRIBUTARY_RESULTS_TABLE: tableName(resultsTable) } : {}),
      },
      memorySize: props.memorySize ?? 1024,
      timeout: props.timeout ?? Duration.minutes(15),
      heading: 'the-data-quality-function-fails',
    });
    if (resultsTable) {
      const reason = 'files of the results table, whose names are made up when they are written';
      acknowledgeWildcards(this.role, filesArns(resultsTable), reason);
    }
    this.addHeartbeat(props, heartbeat);
    this.addChecks(props);
  }

  private addHeartbeat(props: DataQualityProps, checks: string[]): void {
    const { alarms, schedules } = props.context;
    const every = props.heartbeatEvery ?? Duration.minutes(5);
    const period = periodOfSchedule(every, 'heartbeatEvery');
    // A heartbeat that is late is worth nothing: the next one is due. So nothing waits longer than that.
    this.runBySchedule(Duration.seconds(Math.min(every.toSeconds(), LAMBDA_EVENT_AGE_MAX.toSeconds())));
    schedules.add('Heartbeat', {
      function: this.function,
      schedule: ScheduleExpression.rate(every),
      event: { checks, ...props.options },
      description: `Takes the heartbeat of ${alarms.table}`,
      maxEventAge: every,
    });
    addAlarm(this, 'Heartbeat', alarms, {
      metric: tableMetric(alarms, 'HeartbeatFailed', 'Maximum', period),
      means: 'the stream has stopped, or its heartbeat is not taken',
      heading: 'the-heartbeat-is-missing',
      missingIsBreaching: true,
    });
  }

  private addChecks(props: DataQualityProps): void {
    const { alarms, schedules } = props.context;
    const every = props.checksEvery ?? Duration.hours(1);
    const period = periodOfSchedule(every, 'checksEvery');
    schedules.add('Checks', {
      function: this.function,
      schedule: ScheduleExpression.rate(every),
      event: { ...props.options },
      description: `Runs all checks of ${alarms.table}`,
    });
    addAlarm(this, 'ChecksFailed', alarms, {
      metric: tableMetric(alarms, 'ChecksFailed', 'Maximum', period),
      means: 'a data-quality check fails',
      heading: 'a-check-fails',
    });
    addAlarm(this, 'ChecksErrored', alarms, {
      metric: tableMetric(alarms, 'ChecksErrored', 'Maximum', period),
      means: 'a data-quality check could not be measured',
      heading: 'a-check-cant-be-measured',
    });
  }
}

/** The one object that the rules are. */
function rulesStatement(scope: Construct, rules: Asset): iam.PolicyStatement {
  const object = `arn:${Stack.of(scope).partition}:s3:::${rules.s3BucketName}/${rules.s3ObjectKey}`;
  return new iam.PolicyStatement({ actions: ['s3:GetObject'], resources: [object] });
}
