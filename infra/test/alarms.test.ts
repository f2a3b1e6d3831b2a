import { readFileSync } from 'node:fs';
import { Duration } from 'aws-cdk-lib';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { describe, expect, test } from 'vitest';
import { RUNBOOK_HEADINGS } from '../lib/alarms.ts';
import { MSK, RULES, Synthesised } from './support/stacks.ts';

const full = new Synthesised({ retention: { options: { column: 'event_time', retain: '30d' } } });
const runbook = readFileSync(new URL('../../docs/runbook.md', import.meta.url), 'utf8');

/** The one alarm on a metric. */
function alarm(metric: string, synthesised = full): Record<string, any> {
  const found = synthesised.alarms(metric);
  expect(found, metric).toHaveLength(1);
  return found[0]!;
}

/** Sections of the runbook, by the anchor of their heading. */
function sections(): Map<string, string> {
  const parts = runbook.split(/^## /m).slice(1);
  return new Map(
    parts.map((part) => {
      const [heading = '', ...lines] = part.split('\n');
      const anchor = heading.toLowerCase().replace(/[^a-z0-9 -]/g, '').replace(/ /g, '-');
      return [anchor, lines.join('\n')];
    }),
  );
}

test.each(['RowsRejected', 'OffsetGap', 'RowsHealed'])('%s of ingest raises its alarm at the first row', (metric) => {
  expect(alarm(metric)).toMatchObject({
    Namespace: 'Tributary',
    Dimensions: [{ Name: 'Table', Value: 'analytics.orders' }],
    Statistic: 'Sum',
    Period: 300,
    EvaluationPeriods: 1,
    Threshold: 1,
    ComparisonOperator: 'GreaterThanOrEqualToThreshold',
    TreatMissingData: 'notBreaching',
  });
});

test('a lag that lasts raises its alarm, at a number of records that can be chosen', () => {
  expect(alarm('OffsetLag')).toMatchObject({
    Namespace: 'AWS/Lambda',
    Dimensions: [{ Name: 'FunctionName', Value: full.resolved(full.table.ingest.function.functionName) }],
    Statistic: 'Maximum',
    EvaluationPeriods: 3,
    Threshold: 100_000,
    ComparisonOperator: 'GreaterThanOrEqualToThreshold',
  });
  expect(alarm('OffsetLag', new Synthesised({ ingest: { lagRecords: 7 } }))['Threshold']).toBe(7);
});

describe('the heartbeat', () => {
  test('raises its alarm when it fails once, and when it is not taken', () => {
    expect(alarm('HeartbeatFailed')).toMatchObject({
      Namespace: 'Tributary',
      Dimensions: [{ Name: 'Table', Value: 'analytics.orders' }],
      Statistic: 'Maximum',
      EvaluationPeriods: 1,
      Threshold: 1,
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      TreatMissingData: 'breaching',
    });
  });

  test('is looked for over two intervals of its schedule, so that one always lies within', () => {
    expect(alarm('HeartbeatFailed')['Period']).toBe(600);
    const rare = new Synthesised({ dataQuality: { rulesFile: RULES, heartbeatEvery: Duration.minutes(30) } });
    expect(alarm('HeartbeatFailed', rare)['Period']).toBe(3600);
  });
});

test.each(['ChecksFailed', 'ChecksErrored'])('%s raises its alarm at the first check, until all have run again', (metric) => {
  expect(alarm(metric)).toMatchObject({
    Dimensions: [{ Name: 'Table', Value: 'analytics.orders' }],
    Statistic: 'Maximum',
    Period: 7200,
    Threshold: 1,
    TreatMissingData: 'notBreaching',
  });
});

test('a schedule that can not start its function raises an alarm', () => {
  expect(alarm('ApproximateNumberOfMessagesVisible')).toMatchObject({
    Dimensions: [{ Name: 'QueueName', Value: full.resolved(full.table.schedules.deadLetterQueue.queueName) }],
    Statistic: 'Maximum',
    Threshold: 1,
    ComparisonOperator: 'GreaterThanOrEqualToThreshold',
  });
});

test('there are no alarms but these; none on dead letters of records, which there are none of', () => {
  const metrics = Object.values(full.all('AWS::CloudWatch::Alarm')).map((alarm) => alarm.Properties['MetricName']);
  expect(metrics.sort()).toEqual([
    'ApproximateNumberOfMessagesVisible',
    'ChecksErrored',
    'ChecksFailed',
    ...Array(5).fill('Errors'),
    'HeartbeatFailed',
    'OffsetGap',
    'OffsetLag',
    'RowsHealed',
    'RowsRejected',
  ]);
});

test('every alarm tells the alert topic when it is raised and when it ends', () => {
  const topic = full.resolved(full.table.alertTopic.topicArn);
  for (const { Properties: alarm } of Object.values(full.all('AWS::CloudWatch::Alarm'))) {
    expect(alarm['AlarmActions']).toEqual([topic]);
    expect(alarm['OKActions']).toEqual([topic]);
  }
});

describe('the runbook', () => {
  const linked = Object.values(full.all('AWS::CloudWatch::Alarm')).map((alarm): string => alarm.Properties['AlarmDescription']);

  test('is linked by every alarm, by a heading of its own', () => {
    const link = /^analytics\.orders: .+\. Runbook: docs\/runbook\.md#([a-z0-9-]+)$/;
    const headings = linked.map((description) => link.exec(description)?.[1]);
    expect(headings.sort()).toEqual([...RUNBOOK_HEADINGS].sort());
  });

  test.each(RUNBOOK_HEADINGS)('has the heading %s, with what it means and what to do', (heading) => {
    const section = sections().get(heading);
    expect(section, `docs/runbook.md has no heading for #${heading}`).toBeDefined();
    expect(section).toContain('**Means.**');
    expect(section).toMatch(/\*\*Do[.*]/);
  });

  test('can be linked where it is published', () => {
    const address = 'https://example.com/runbook';
    const synthesised = new Synthesised({ runbook: address });
    expect(alarm('OffsetLag', synthesised)['AlarmDescription']).toContain(`Runbook: ${address}#ingest-lags-behind`);
  });
});

describe('the alert topic', () => {
  test('is encrypted with a key of its own, which alarms may use', () => {
    const [topic] = Object.values(full.all('AWS::SNS::Topic'));
    expect(topic!.Properties['KmsMasterKeyId']).toEqual(full.resolved(full.table.alertTopic.masterKey!.keyArn));
    const [key] = Object.values(full.all('AWS::KMS::Key'));
    expect(key!.Properties['EnableKeyRotation']).toBe(true);
    expect(key!.DeletionPolicy).toBe('Retain');
    expect(key!.Properties['KeyPolicy'].Statement).toContainEqual(
      expect.objectContaining({
        Effect: 'Allow',
        Principal: { Service: 'cloudwatch.amazonaws.com' },
        Action: ['kms:Decrypt', 'kms:GenerateDataKey*'],
        Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
      }),
    );
  });

  test('takes messages over TLS only, from alarms of the account', () => {
    const [policy] = Object.values(full.all('AWS::SNS::TopicPolicy'));
    expect(policy!.Properties['PolicyDocument'].Statement).toEqual([
      expect.objectContaining({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
      expect.objectContaining({
        Effect: 'Allow',
        Action: 'sns:Publish',
        Principal: { Service: 'cloudwatch.amazonaws.com' },
        Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
      }),
    ]);
  });

  test('can be one that is there already', () => {
    const arn = 'arn:aws:sns:eu-central-1:123456789012:on-call';
    const synthesised = new Synthesised((stack) => ({ source: MSK, alertTopic: Topic.fromTopicArn(stack, 'OnCall', arn) }));
    synthesised.template.resourceCountIs('AWS::SNS::Topic', 0);
    synthesised.template.resourceCountIs('AWS::KMS::Key', 0);
    expect(alarm('OffsetLag', synthesised)['AlarmActions']).toEqual([arn]);
    expect(synthesised.environment('data-quality')['TRIBUTARY_ALERT_TOPIC']).toBe(arn);
  });
});
