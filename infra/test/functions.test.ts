import { describe, expect, test } from 'vitest';
import { FUNCTION_NAMES } from '../lib/table-function.ts';
import { Synthesised, everything, stackOf, tableIn, temporaryFolder } from './support/stacks.ts';

const full = new Synthesised(everything);

describe.each(FUNCTION_NAMES)('%s', (name) => {
  test('runs its own binary on the runtime and processor it is built for', () => {
    const others = FUNCTION_NAMES.filter((other) => other !== name).map((other) => full.function(other)['Code'].S3Key);
    expect(full.function(name)).toMatchObject({ Runtime: 'provided.al2023', Handler: 'bootstrap', Architectures: ['x86_64'] });
    expect(others).not.toContain(full.function(name)['Code'].S3Key);
  });

  test('knows its table, its catalog and what to log', () => {
    expect(full.environment(name)).toMatchObject({
      TRIBUTARY_TABLE: 'analytics.orders',
      TRIBUTARY_CATALOG: 'glue:210987654321',
      TRIBUTARY_LOG: 'debug',
    });
  });

  test('writes to a log group of its own that forgets in time and outlives the stack', () => {
    const found = full.functions()[name];
    const group = full.resource(found!.logGroup);
    expect(full.function(name)['LoggingConfig']).toEqual({ LogGroup: full.resolved(found!.logGroup.logGroupName) });
    expect(group.Properties['RetentionInDays']).toBe(90);
    expect(group.DeletionPolicy).toBe('Retain');
  });

  test('has an alarm on its errors', () => {
    const dimensions = [{ Name: 'FunctionName', Value: full.resolved(full.functions()[name]!.function.functionName) }];
    const alarm = full.alarms('Errors').find((alarm) => JSON.stringify(alarm['Dimensions']) === JSON.stringify(dimensions));
    expect(alarm).toMatchObject({
      Namespace: 'AWS/Lambda',
      Statistic: 'Sum',
      Period: 300,
      Threshold: 1,
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      EvaluationPeriods: name === 'ingest' ? 2 : 1,
      TreatMissingData: 'notBreaching',
    });
  });
});

test('there are no other functions: none that the CDK adds for itself', () => {
  full.template.resourceCountIs('AWS::Lambda::Function', FUNCTION_NAMES.length);
  full.template.resourceCountIs('AWS::Logs::LogGroup', FUNCTION_NAMES.length);
});

test('without retention settings there is no retention function', () => {
  const plain = new Synthesised();
  expect(Object.keys(plain.functions()).sort()).toEqual(['compaction', 'data-quality', 'ingest', 'snapshot-expiry']);
  plain.template.resourceCountIs('AWS::Lambda::Function', 4);
});

test('what is not set is left to the functions: by default only the table is', () => {
  expect(new Synthesised().environment('compaction')).toEqual({ TRIBUTARY_TABLE: 'analytics.orders' });
});

test('only a self-managed cluster is named, since MSK has an ARN', () => {
  expect(full.environment('ingest')).toHaveProperty('TRIBUTARY_CLUSTER', 'orders-production');
  expect(new Synthesised().environment('ingest')).not.toHaveProperty('TRIBUTARY_CLUSTER');
});

test('size and time can be chosen', () => {
  const chosen = new Synthesised({ compaction: { memorySize: 10_240 } });
  expect(chosen.function('compaction')).toMatchObject({ MemorySize: 10_240, Timeout: 900 });
  expect(chosen.function('ingest')).toMatchObject({ MemorySize: 1024, Timeout: 60 });
});

test('a binary that is not there is named, with the command that builds it', () => {
  expect(() => stackOf({ artefacts: temporaryFolder() })).toThrow(/cargo lambda build --release --bin ingest.*found neither/);
});

test('a table without a folder of its own is refused, since maintenance deletes below that folder', () => {
  const withPrefix = (prefix: string) => () =>
    stackOf((stack) => ({ table: { ...tableIn(stack), location: { ...tableIn(stack, 'other').location, prefix } } }));
  for (const prefix of ['', '/', 'lake/*', 'lake/?']) {
    expect(withPrefix(prefix), prefix).toThrow('expected a folder of its own');
  }
});

test('a name that would widen a right is refused', () => {
  for (const name of ['*', 'orders/x', 'a.b', '']) {
    expect(() => stackOf((stack) => ({ table: { ...tableIn(stack), name } })), name).toThrow('expected names of a Glue');
  }
});
