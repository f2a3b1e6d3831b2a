/**
 * The schedules of one table.
 *
 * Scheduler hands an event to Lambda's queue for asynchronous invocations and is done. Its retries therefore bridge a Lambda that
 * can't take the event, never a function that fails. What it gives up on goes to one dead-letter queue, with an alarm: a schedule
 * that can't start its function would otherwise be silent, since a function that does not run reports no errors.
 *
 * A run that fails is not repeated, neither by Scheduler nor by Lambda: each run takes up what is left, so the next one is the
 * repetition, and an alarm on errors tells.
 */
import { Duration, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import * as scheduler from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke } from 'aws-cdk-lib/aws-scheduler-targets';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import { addAlarm, type AlarmContext } from './alarms.ts';

/** One schedule. */
export interface ScheduleProps {
  /** What it starts. */
  readonly function: lambda.Function;

  /** When. */
  readonly schedule: scheduler.ScheduleExpression;

  /** The event the function gets: its options. */
  readonly event: object;

  /** What the schedule is for. */
  readonly description: string;

  /**
   * How long an event is worth handing over; after that it goes to the dead-letter queue.
   *
   * @default 1 hour
   */
  readonly maxEventAge?: Duration;
}

/** The schedules of one table, and the queue of events that could not be handed over. */
export class Schedules extends Construct {
  /** Events that could not be handed to their function. */
  readonly deadLetterQueue: sqs.Queue;

  private readonly group: scheduler.ScheduleGroup;

  constructor(scope: Construct, id: string, alarms: AlarmContext) {
    super(scope, id);
    this.group = new scheduler.ScheduleGroup(this, 'Group');
    this.deadLetterQueue = new sqs.Queue(this, 'DeadLetters', {
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
    });
    acknowledge(this.deadLetterQueue, 'AwsSolutions-SQS3', 'it is itself the queue of dead letters');
    addAlarm(this, 'Undelivered', alarms, {
      metric: this.deadLetterQueue.metricApproximateNumberOfMessagesVisible({
        statistic: 'Maximum',
        period: Duration.minutes(5),
      }),
      means: 'a schedule could not start its function',
      heading: 'a-schedule-could-not-start-its-function',
    });
  }

  /** Adds a schedule. */
  add(id: string, props: ScheduleProps): scheduler.Schedule {
    const role = this.addRole(`${id}Role`, props.function);
    return new scheduler.Schedule(this, id, {
      description: props.description,
      scheduleGroup: this.group,
      schedule: props.schedule,
      target: new LambdaInvoke(props.function, {
        // The role is whole; the target would add the right to invoke every version of the function.
        role: role.withoutPolicyUpdates(),
        input: scheduler.ScheduleTargetInput.fromObject(props.event),
        deadLetterQueue: this.deadLetterQueue,
        maxEventAge: props.maxEventAge ?? Duration.hours(1),
        retryAttempts: 10,
      }),
    });
  }

  private addRole(id: string, target: lambda.Function): iam.Role {
    const statements = [
      new iam.PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [target.functionArn] }),
      new iam.PolicyStatement({ actions: ['sqs:SendMessage'], resources: [this.deadLetterQueue.queueArn] }),
    ];
    return new iam.Role(this, id, {
      assumedBy: new iam.ServicePrincipal('scheduler.amazonaws.com', {
        conditions: {
          StringEquals: {
            'aws:SourceAccount': Stack.of(this).account,
            'aws:SourceArn': this.group.scheduleGroupArn,
          },
        },
      }),
      inlinePolicies: { Schedule: new iam.PolicyDocument({ statements }) },
    });
  }
}
