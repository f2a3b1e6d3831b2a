import { Duration } from 'aws-cdk-lib';
import { ScheduleExpression } from 'aws-cdk-lib/aws-scheduler';
import { describe, expect, test } from 'vitest';
import type { FunctionName } from '../lib/table-function.ts';
import { RULES, Synthesised, rulesFile, stackOf, statementsOf } from './support/stacks.ts';

const full = new Synthesised({ retention: { options: { column: 'event_time', retain: '30d', level: 'partition' } } });
const SCHEDULED: FunctionName[] = ['compaction', 'snapshot-expiry', 'retention', 'data-quality'];

/** What starts a function: when, and with which event. */
function started(synthesised: Synthesised, name: FunctionName): Record<string, [string, object]> {
  const found = synthesised.schedules(name);
  return Object.fromEntries(found.map(({ id, properties, event }) => [id, [properties['ScheduleExpression'], event]]));
}

test('compaction runs every hour', () => {
  expect(started(full, 'compaction')).toEqual({ Compaction: ['rate(1 hour)', { strategy: 'binpack' }] });
});

test('snapshots are expired every day; orphan files are reported once a week, and stay', () => {
  expect(started(full, 'snapshot-expiry')).toEqual({
    Expiry: ['cron(0 3 * * ? *)', { mode: 'expire' }],
    Orphans: ['cron(0 4 ? * SUN *)', { 'mode': 'orphans', 'dry-run': true }],
  });
});

test('retention runs every day, before expiry, if it is configured', () => {
  const event = { column: 'event_time', retain: '30d', level: 'partition' };
  expect(started(full, 'retention')).toEqual({ Retention: ['cron(0 2 * * ? *)', event] });
  new Synthesised().template.resourceCountIs('AWS::Scheduler::Schedule', 5);
});

test('all checks run every hour, and the heartbeat is taken every five minutes', () => {
  expect(started(full, 'data-quality')).toEqual({
    Heartbeat: ['rate(5 minutes)', { checks: ['heartbeat'] }],
    Checks: ['rate(1 hour)', {}],
  });
});

test('the heartbeat schedule asks for freshness too where the rules have it, and for nothing that reads data', () => {
  const rules = 'checks:\n  - row_count: {min: 1}\n  - freshness: {column: at}\n  - heartbeat: {last_commit_within: 15m}\n';
  const synthesised = new Synthesised({ dataQuality: { rulesFile: rulesFile(rules) } });
  expect(started(synthesised, 'data-quality')['Heartbeat']![1]).toEqual({ checks: ['heartbeat', 'freshness'] });
});

test('ingest is started by Kafka alone', () => {
  expect(started(full, 'ingest')).toEqual({});
});

test('when and with which options is up to the settings', () => {
  const synthesised = new Synthesised({
    compaction: { schedule: ScheduleExpression.rate(Duration.hours(6)), options: { 'min-input-files': 10 } },
    snapshotExpiry: { options: { 'retain-last': 5 }, orphanOptions: { 'dry-run': false, 'older-than': '7d' } },
    dataQuality: {
      rulesFile: RULES,
      heartbeatEvery: Duration.minutes(1),
      checksEvery: Duration.hours(12),
      options: { 'remind-after': '4h' },
    },
  });
  expect(started(synthesised, 'compaction')).toEqual({
    Compaction: ['rate(6 hours)', { 'strategy': 'binpack', 'min-input-files': 10 }],
  });
  expect(started(synthesised, 'snapshot-expiry')).toMatchObject({
    Expiry: [expect.anything(), { 'mode': 'expire', 'retain-last': 5 }],
    Orphans: [expect.anything(), { 'mode': 'orphans', 'dry-run': false, 'older-than': '7d' }],
  });
  expect(started(synthesised, 'data-quality')).toEqual({
    Heartbeat: ['rate(1 minute)', { 'checks': ['heartbeat'], 'remind-after': '4h' }],
    Checks: ['rate(12 hours)', { 'remind-after': '4h' }],
  });
});

describe.each(SCHEDULED)('%s', (name) => {
  const found = full.schedules(name);

  test('is handed over again when Lambda can not take the event, and then goes to the dead letters', () => {
    for (const { id, properties } of found) {
      expect(properties['State']).toBe('ENABLED');
      expect(properties['Target'].RetryPolicy).toEqual({
        MaximumEventAgeInSeconds: id === 'Heartbeat' ? 300 : 3600,
        MaximumRetryAttempts: 10,
      });
      expect(properties['Target'].DeadLetterConfig.Arn).toEqual(full.resolved(full.table.schedules.deadLetterQueue.queueArn));
    }
  });

  test('is not repeated by Lambda when it fails: the next run takes up what is left', () => {
    const configs = Object.values(full.all('AWS::Lambda::EventInvokeConfig')).map((config) => config.Properties);
    const functionName = full.resolved(full.functions()[name]!.function.functionName);
    expect(configs.find((config) => JSON.stringify(config['FunctionName']) === JSON.stringify(functionName))).toEqual({
      FunctionName: functionName,
      Qualifier: '$LATEST',
      MaximumRetryAttempts: 0,
      MaximumEventAgeInSeconds: name === 'data-quality' ? 300 : 3600,
    });
  });

  test('each of its schedules may start this function and fill the queue, and is the only one that takes its role', () => {
    const invoked = full.resolved(full.functions()[name]!.function.functionArn);
    const queue = full.resolved(full.table.schedules.deadLetterQueue.queueArn);
    for (const { id } of found) {
      const role = full.resource(full.table.schedules.node.findChild(`${id}Role`));
      expect(statementsOf(role)).toEqual([
        { actions: ['lambda:InvokeFunction'], resources: [invoked] },
        { actions: ['sqs:SendMessage'], resources: [queue] },
      ]);
      const [trust] = role.Properties['AssumeRolePolicyDocument'].Statement;
      expect(trust.Principal).toEqual({ Service: 'scheduler.amazonaws.com' });
      expect(trust.Condition.StringEquals).toMatchObject({ 'aws:SourceAccount': { Ref: 'AWS::AccountId' } });
    }
  });
});

test('each schedule has its own role, in the group that the role trusts', () => {
  const schedules = SCHEDULED.flatMap((name) => full.schedules(name));
  const roles = schedules.map(({ properties }) => JSON.stringify(properties['Target'].RoleArn));
  expect(new Set(roles).size).toBe(6);
  const group = full.table.schedules.node.findChild('Group');
  for (const { properties } of schedules) {
    expect(full.resource(group).Properties['Name']).toBe(properties['GroupName']);
  }
});

test('the queue of events that could not be handed over is encrypted and takes them over TLS only', () => {
  const queue = full.resource(full.table.schedules.deadLetterQueue);
  expect(queue.Properties).toMatchObject({ SqsManagedSseEnabled: true, MessageRetentionPeriod: 14 * 24 * 3600 });
  const [policy] = Object.values(full.all('AWS::SQS::QueuePolicy'));
  expect(policy!.Properties['PolicyDocument'].Statement).toEqual([
    expect.objectContaining({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
  ]);
});

test('an interval that an alarm can not look back over is refused', () => {
  for (const every of [Duration.seconds(30), Duration.seconds(90), Duration.hours(13)]) {
    const withInterval = (setting: 'heartbeatEvery' | 'checksEvery') => () =>
      stackOf({ dataQuality: { rulesFile: RULES, [setting]: every } });
    expect(withInterval('heartbeatEvery')).toThrow('expected `heartbeatEvery` in whole minutes, from 1 minute to 12 hours');
    expect(withInterval('checksEvery')).toThrow('expected `checksEvery` in whole minutes');
  }
});

test('a heartbeat that is taken rarely waits in the queue of Lambda no longer than that allows', () => {
  const synthesised = new Synthesised({ dataQuality: { rulesFile: RULES, heartbeatEvery: Duration.hours(12) } });
  const configs = Object.values(synthesised.all('AWS::Lambda::EventInvokeConfig'));
  expect(configs.map((config) => config.Properties['MaximumEventAgeInSeconds'])).toContain(6 * 3600);
});

describe('a rules file is refused', () => {
  const withRules = (text: string) => () => stackOf({ dataQuality: { rulesFile: rulesFile(text) } });

  test('without a heartbeat, since its alarm would never end', () => {
    expect(withRules('checks:\n  - row_count: {min: 1}\n')).toThrow(/add a heartbeat to rules file.*found `row_count`/);
    expect(withRules('table: analytics.orders\n')).toThrow(/found no checks/);
    expect(withRules('')).toThrow(/found no checks/);
  });

  test('of another table', () => {
    const text = 'table: analytics.other\nchecks:\n  - heartbeat: {last_commit_within: 15m}\n';
    expect(withRules(text)).toThrow(/expected `analytics.orders`, found `analytics.other`/);
  });

  test('that is not there, or no YAML', () => {
    expect(() => stackOf({ dataQuality: { rulesFile: '/nowhere/rules.yaml' } })).toThrow(/\/nowhere\/rules.yaml/);
    expect(withRules('checks: [')).toThrow(/correct rules file `.*rules.yaml`: expected YAML/);
  });
});
