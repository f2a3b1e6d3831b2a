/** Alarms: each says what it means by the heading of the runbook that it links to. */
import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';

/** The namespace of the metrics that the functions write to their logs (CloudWatch's embedded metric format). */
export const METRIC_NAMESPACE = 'Tributary';

/** CloudWatch's bound on what one evaluation may look at. */
const PERIOD_MAX = Duration.days(1);

/** Headings of the runbook, as links name them. */
export const RUNBOOK_HEADINGS = [
  'ingest-fails',
  'ingest-lags-behind',
  'a-record-is-rejected',
  'offsets-are-missing',
  'a-commit-was-overwritten',
  'compaction-fails',
  'snapshot-expiry-fails',
  'retention-fails',
  'the-data-quality-function-fails',
  'the-heartbeat-is-missing',
  'a-check-fails',
  'a-check-cant-be-measured',
  'a-schedule-could-not-start-its-function',
] as const;

/** A heading of the runbook. */
export type RunbookHeading = (typeof RUNBOOK_HEADINGS)[number];

/** What every alarm of one table shares. */
export interface AlarmContext {
  /** `namespace.name` of the table, in texts and as the dimension of its metrics. */
  readonly table: string;

  /** Where alarms go. */
  readonly topic: ITopic;

  /** Address of the runbook, to which a heading is added. */
  readonly runbook: string;
}

/** One alarm: raised when the metric is at or above the threshold in each of the periods. */
export interface AlarmProps {
  /** What is watched; its period is the alarm's. */
  readonly metric: cloudwatch.IMetric;

  /** What it means, in a few words: the beginning of the alarm's description. */
  readonly means: string;

  /** Where the runbook says what to do. */
  readonly heading: RunbookHeading;

  /**
   * The smallest value that raises the alarm.
   *
   * @default 1
   */
  readonly threshold?: number;

  /**
   * Periods in a row.
   *
   * @default 1
   */
  readonly periods?: number;

  /**
   * Whether the absence of values raises the alarm too.
   *
   * @default false
   */
  readonly missingIsBreaching?: boolean;
}

/** Adds an alarm that notifies the table's alert topic, when it is raised and when it ends. */
export function addAlarm(scope: Construct, id: string, context: AlarmContext, props: AlarmProps): cloudwatch.Alarm {
  const alarm = new cloudwatch.Alarm(scope, id, {
    metric: props.metric,
    alarmDescription: `${context.table}: ${props.means}. Runbook: ${context.runbook}#${props.heading}`,
    comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    threshold: props.threshold ?? 1,
    evaluationPeriods: props.periods ?? 1,
    treatMissingData: props.missingIsBreaching
      ? cloudwatch.TreatMissingData.BREACHING
      : cloudwatch.TreatMissingData.NOT_BREACHING,
  });
  const action = new SnsAction(context.topic);
  alarm.addAlarmAction(action);
  alarm.addOkAction(action);
  return alarm;
}

/** A metric that the functions write for the table; by the table alone, since each name is written by one function only. */
export function tableMetric(context: AlarmContext, name: string, statistic: string, period: Duration): cloudwatch.Metric {
  return new cloudwatch.Metric({
    namespace: METRIC_NAMESPACE,
    metricName: name,
    dimensionsMap: { Table: context.table },
    statistic,
    period,
  });
}

/**
 * The period of an alarm on something that a schedule measures. CloudWatch looks back over the period every minute: twice the
 * schedule's interval always holds a measurement of a schedule that runs, however the two are shifted, and one bad measurement
 * still raises the alarm within a minute.
 */
export function periodOfSchedule(every: Duration, setting: string): Duration {
  const period = Duration.seconds(2 * every.toSeconds());
  if (every.toSeconds() % 60 !== 0 || every.toSeconds() < 60 || period.toSeconds() > PERIOD_MAX.toSeconds()) {
    throw new Error(`expected \`${setting}\` in whole minutes, from 1 minute to 12 hours, found ${every.toHumanString()}`);
  }
  return period;
}
