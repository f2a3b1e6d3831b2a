import { Stack } from 'aws-cdk-lib';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { describe, expect, test } from 'vitest';
import { FUNCTION_NAMES, type FunctionName } from '../lib/table-function.ts';
import {
  CLUSTER_ARN,
  MSK,
  SECRET_ARN,
  type Statement,
  Synthesised,
  everything,
  selfManaged,
  statementsOf,
  tableIn,
} from './support/stacks.ts';

const full = new Synthesised(everything);
const plain = new Synthesised({ retention: { options: { column: 'event_time', retain: '30d' } } });

/** The actions a function may do, on whatever. */
function actions(synthesised: Synthesised, name: FunctionName): string[] {
  return [...new Set(synthesised.rights(name).flatMap((statement) => statement.actions))].sort();
}

/** An ARN of the stack's partition, region and account, as the template writes it. */
function joined(...parts: unknown[]): unknown {
  return { 'Fn::Join': ['', parts] };
}

const partition = { Ref: 'AWS::Partition' };
const files = joined('arn:', partition, ':s3:::lake/tables/orders/*');
const glue = (resource: string) =>
  joined('arn:', partition, ':glue:', { Ref: 'AWS::Region' }, ':', { Ref: 'AWS::AccountId' }, `:${resource}`);
const pointer = [glue('catalog'), glue('database/analytics'), glue('table/analytics/orders')];

/** The statement with an action; there must be one. */
function withAction(synthesised: Synthesised, name: FunctionName, action: string): Statement {
  const found = synthesised.rights(name).filter((statement) => statement.actions.includes(action));
  expect(found, `${name}: ${action}`).toHaveLength(1);
  return found[0]!;
}

test('the actions of each role are these and no others', () => {
  const logs = ['logs:CreateLogStream', 'logs:PutLogEvents'];
  const expected: Record<FunctionName, string[]> = {
    'ingest': [
      'ec2:CreateNetworkInterface',
      'ec2:DeleteNetworkInterface',
      'ec2:DescribeNetworkInterfaces',
      'ec2:DescribeSecurityGroups',
      'ec2:DescribeSubnets',
      'ec2:DescribeVpcs',
      'glue:GetTable',
      'glue:UpdateTable',
      'kafka-cluster:AlterGroup',
      'kafka-cluster:Connect',
      'kafka-cluster:DescribeClusterDynamicConfiguration',
      'kafka-cluster:DescribeGroup',
      'kafka-cluster:DescribeTopic',
      'kafka-cluster:ReadData',
      'kafka:DescribeClusterV2',
      'kafka:GetBootstrapBrokers',
      ...logs,
      's3:GetObject',
      's3:PutObject',
    ],
    'compaction': ['glue:GetTable', 'glue:UpdateTable', ...logs, 's3:DeleteObject', 's3:GetObject', 's3:PutObject'],
    'snapshot-expiry': [
      'glue:GetTable',
      'glue:UpdateTable',
      ...logs,
      's3:DeleteObject',
      's3:GetObject',
      's3:ListBucket',
      's3:PutObject',
    ],
    'retention': ['glue:GetTable', 'glue:UpdateTable', ...logs, 's3:GetObject', 's3:PutObject'],
    'data-quality': ['glue:GetTable', 'kms:Decrypt', 'kms:GenerateDataKey', ...logs, 's3:GetObject', 'sns:Publish'],
  };
  for (const name of FUNCTION_NAMES) {
    expect(actions(plain, name), name).toEqual(expected[name]);
  }
});

test('only compaction and snapshot expiry may delete objects, of all roles in the stack', () => {
  for (const synthesised of [plain, full]) {
    const roles = Object.entries(synthesised.all('AWS::IAM::Role'));
    const deleting = roles.filter(([, role]) =>
      statementsOf(role).some(({ actions }) => actions.some((action) => /^(s3:(Delete.*|\*|Put.*\*)|\*)$/.test(action))),
    );
    const description = deleting.map(([, role]) => role.Properties['Description']).sort();
    expect(description).toEqual(['compaction of analytics.orders', 'snapshot-expiry of analytics.orders']);
  }
});

test('no right comes from elsewhere than the roles themselves', () => {
  for (const type of ['AWS::IAM::Policy', 'AWS::IAM::ManagedPolicy', 'AWS::Lambda::Permission', 'AWS::S3::BucketPolicy']) {
    full.template.resourceCountIs(type, 0);
  }
});

test('no action holds a wildcard', () => {
  for (const role of Object.values(full.all('AWS::IAM::Role'))) {
    for (const action of statementsOf(role).flatMap((statement) => statement.actions)) {
      expect(action).not.toContain('*');
    }
  }
});

describe.each(FUNCTION_NAMES)('%s', (name) => {
  test('is the only one that takes its role', () => {
    const role = plain.resource(plain.functions()[name]!.role);
    expect(role.Properties['AssumeRolePolicyDocument'].Statement).toEqual([
      { Action: 'sts:AssumeRole', Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' } },
    ]);
    expect(plain.function(name)['Role']).toEqual(plain.resolved(plain.functions()[name]!.role.roleArn));
  });

  test('reaches the pointer of its table, its files and its logs, and those of no other', () => {
    expect(withAction(plain, name, 'glue:GetTable').resources).toEqual(pointer);
    const readable = plain.rights(name).filter((statement) => statement.actions.includes('s3:GetObject'));
    expect(readable[0]!.resources).toEqual([files]);
    const logGroup = plain.functions()[name]!.logGroup;
    expect(withAction(plain, name, 'logs:PutLogEvents').resources).toEqual([plain.resolved(logGroup.logGroupArn)]);
  });
});

test('files can be elsewhere, in a bucket with a key', () => {
  const elsewhere = (stack: Stack) => {
    const encryptionKey = Key.fromKeyArn(stack, 'Key', 'arn:aws:kms:eu-central-1:123456789012:key/lake');
    const bucket = Bucket.fromBucketAttributes(stack, 'Elsewhere', { bucketName: 'elsewhere', encryptionKey });
    return { table: { ...tableIn(stack), otherLocations: [{ bucket, prefix: '/data/orders/' }] } };
  };
  const synthesised = new Synthesised(elsewhere);
  const both = [files, joined('arn:', partition, ':s3:::elsewhere/data/orders/*')];
  expect(withAction(synthesised, 'ingest', 's3:PutObject').resources).toEqual(both);
  expect(withAction(synthesised, 'compaction', 's3:DeleteObject').resources).toEqual(both);
  const key = ['arn:aws:kms:eu-central-1:123456789012:key/lake'];
  expect(withAction(synthesised, 'ingest', 'kms:GenerateDataKey')).toMatchObject({ resources: key });
  const readers = synthesised.rights('data-quality').filter((statement) => statement.resources[0] === key[0]);
  expect(readers).toEqual([{ actions: ['kms:Decrypt'], resources: key }]);
  const listed = synthesised.rights('snapshot-expiry').filter((statement) => statement.actions.includes('s3:ListBucket'));
  expect(listed.map((statement) => statement.condition)).toEqual([
    { StringLike: { 's3:prefix': ['tables/orders/*'] } },
    { StringLike: { 's3:prefix': ['data/orders/*'] } },
  ]);
});

test('the pointer can be in another account', () => {
  const catalog = joined('arn:', partition, ':glue:', { Ref: 'AWS::Region' }, ':210987654321:catalog');
  expect(withAction(full, 'ingest', 'glue:UpdateTable').resources[0]).toEqual(catalog);
});

test('snapshot expiry lists the folder of its table and no other of the bucket', () => {
  expect(withAction(plain, 'snapshot-expiry', 's3:ListBucket')).toEqual({
    actions: ['s3:ListBucket'],
    resources: [joined('arn:', partition, ':s3:::lake')],
    condition: { StringLike: { 's3:prefix': ['tables/orders/*'] } },
  });
});

describe('data quality', () => {
  const rights = full.rights('data-quality');

  test('writes to its results table alone', () => {
    const writing = rights.filter(({ actions }) => actions.some((action) => /Put|Update/.test(action) && !/Log/.test(action)));
    const results = joined('arn:', partition, ':s3:::lake/tables/results/*');
    expect(writing.map((statement) => statement.resources.at(-1))).toEqual([glue('table/analytics/results'), results]);
    expect(full.environment('data-quality')).toHaveProperty('TRIBUTARY_RESULTS_TABLE', 'analytics.results');
  });

  test('reads its rules, one object, and knows where they are', () => {
    const { TRIBUTARY_RULES: rules } = full.environment('data-quality') as { TRIBUTARY_RULES: { 'Fn::Sub': string } };
    const path = rules['Fn::Sub'].replace('s3://', '');
    const [bucket, key] = [path.slice(0, path.indexOf('/')), path.slice(path.indexOf('/'))];
    const object = joined('arn:', partition, ':s3:::', { 'Fn::Sub': bucket }, key);
    expect(rights).toContainEqual({ actions: ['s3:GetObject'], resources: [object] });
    expect(key).toMatch(/^\/[0-9a-f]{64}\.yaml$/);
  });

  test('publishes to the alert topic, by the key of the topic', () => {
    const topic = full.resolved(full.table.alertTopic.topicArn);
    expect(full.environment('data-quality')['TRIBUTARY_ALERT_TOPIC']).toEqual(topic);
    expect(withAction(full, 'data-quality', 'sns:Publish').resources).toEqual([topic]);
    const key = full.resolved(full.table.alertTopic.masterKey!.keyArn);
    expect(rights).toContainEqual({ actions: ['kms:Decrypt', 'kms:GenerateDataKey'], resources: [key] });
  });
});

describe('ingest reads Kafka', () => {
  const beside = (kind: string, name: string) => `${CLUSTER_ARN.replace(':cluster/', `:${kind}/`)}/${name}`;

  test('by IAM: its topic of its cluster, with the group that Lambda names', () => {
    expect(withAction(plain, 'ingest', 'kafka-cluster:Connect').resources).toEqual([CLUSTER_ARN]);
    expect(withAction(plain, 'ingest', 'kafka:GetBootstrapBrokers').resources).toEqual([CLUSTER_ARN]);
    expect(withAction(plain, 'ingest', 'kafka-cluster:ReadData').resources).toEqual([beside('topic', 'orders')]);
    expect(withAction(plain, 'ingest', 'kafka-cluster:AlterGroup').resources).toEqual([beside('group', '*')]);
  });

  test('by IAM with a group that is named: that group alone', () => {
    const named = new Synthesised({ source: { ...MSK, consumerGroupId: 'lake' } });
    expect(withAction(named, 'ingest', 'kafka-cluster:AlterGroup').resources).toEqual([beside('group', 'lake')]);
  });

  test('by SCRAM from MSK: its secret and the key of the secret, and nothing by IAM', () => {
    const scram = new Synthesised((stack) => {
      const encryptionKey = Key.fromKeyArn(stack, 'Key', 'arn:aws:kms:eu-central-1:123456789012:key/secret');
      const secret = Secret.fromSecretAttributes(stack, 'Secret', { secretCompleteArn: SECRET_ARN, encryptionKey });
      return { source: { ...MSK, authentication: { method: 'scram-512', secret } } };
    });
    expect(withAction(scram, 'ingest', 'secretsmanager:GetSecretValue').resources).toEqual([SECRET_ARN]);
    expect(withAction(scram, 'ingest', 'kafka:ListScramSecrets').resources).toEqual([CLUSTER_ARN]);
    expect(withAction(scram, 'ingest', 'kms:Decrypt')).toEqual({
      actions: ['kms:Decrypt'],
      resources: ['arn:aws:kms:eu-central-1:123456789012:key/secret'],
    });
    expect(actions(scram, 'ingest').filter((action) => action.startsWith('kafka-cluster:'))).toEqual([]);
  });

  test('from a self-managed cluster over the internet: its secret, and neither MSK nor networks', () => {
    expect(withAction(full, 'ingest', 'secretsmanager:GetSecretValue').resources).toEqual([SECRET_ARN]);
    expect(actions(full, 'ingest').filter((action) => /^(kafka|ec2)/.test(action))).toEqual([]);
  });

  test('from a self-managed cluster in a network: network interfaces too', () => {
    const network = { subnetIds: ['subnet-1'], securityGroupIds: ['sg-1'] };
    const synthesised = new Synthesised((stack) => ({ source: selfManaged(stack, { network }) }));
    expect(withAction(synthesised, 'ingest', 'ec2:CreateNetworkInterface').resources).toEqual(['*']);
  });

  test('a secret given by name is matched with the end that Secrets Manager adds', () => {
    const synthesised = new Synthesised((stack) => {
      const secret = Secret.fromSecretNameV2(stack, 'Secret', 'kafka');
      return { source: { ...MSK, authentication: { method: 'scram-512', secret } } };
    });
    const { resources } = withAction(synthesised, 'ingest', 'secretsmanager:GetSecretValue');
    expect(JSON.stringify(resources)).toContain(':secret:kafka-??????');
  });
});
