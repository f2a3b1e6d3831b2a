import { Duration } from 'aws-cdk-lib';
import { StartingPosition } from 'aws-cdk-lib/aws-lambda';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { describe, expect, test } from 'vitest';
import { CLUSTER_ARN, MSK, SECRET_ARN, Synthesised, selfManaged } from './support/stacks.ts';

const CERTIFICATE_ARN = `${SECRET_ARN.slice(0, -12)}authority-XyZxYz`;

describe('from MSK', () => {
  test('the mapping reads the topic by the role of the function', () => {
    const synthesised = new Synthesised();
    expect(synthesised.mapping()).toEqual({
      FunctionName: synthesised.resolved(synthesised.table.ingest.function.functionName),
      EventSourceArn: CLUSTER_ARN,
      Topics: ['orders'],
      BatchSize: 10_000,
      MaximumBatchingWindowInSeconds: 10,
      StartingPosition: 'TRIM_HORIZON',
    });
    synthesised.template.resourceCountIs('AWS::Lambda::EventSourceMapping', 1);
  });

  test.each([
    ['scram-512', 'SASL_SCRAM_512_AUTH'],
    ['mutual-tls', 'CLIENT_CERTIFICATE_TLS_AUTH'],
  ] as const)('%s is by a secret', (method, type) => {
    const mapping = new Synthesised((stack) => {
      const secret = Secret.fromSecretCompleteArn(stack, 'Secret', SECRET_ARN);
      return { source: { ...MSK, authentication: { method, secret } } };
    }).mapping();
    expect(mapping['SourceAccessConfigurations']).toEqual([{ Type: type, URI: SECRET_ARN }]);
  });

  test('a consumer group can be named', () => {
    const mapping = new Synthesised({ source: { ...MSK, consumerGroupId: 'lake' } }).mapping();
    expect(mapping['AmazonManagedKafkaEventSourceConfig']).toEqual({ ConsumerGroupId: 'lake' });
  });
});

describe('from a self-managed cluster', () => {
  test('the mapping reads the topic of the brokers by SASL/PLAIN', () => {
    const mapping = new Synthesised((stack) => ({ source: selfManaged(stack) })).mapping();
    expect(mapping).not.toHaveProperty('EventSourceArn');
    expect(mapping).toMatchObject({
      SelfManagedEventSource: { Endpoints: { KafkaBootstrapServers: ['one.example.com:9092', 'two.example.com:9092'] } },
      Topics: ['orders'],
      SourceAccessConfigurations: [{ Type: 'BASIC_AUTH', URI: SECRET_ARN }],
    });
  });

  test.each([
    ['scram-256', 'SASL_SCRAM_256_AUTH'],
    ['scram-512', 'SASL_SCRAM_512_AUTH'],
    ['mutual-tls', 'CLIENT_CERTIFICATE_TLS_AUTH'],
  ] as const)('%s is another way', (method, type) => {
    const mapping = new Synthesised((stack) => {
      const source = selfManaged(stack);
      return { source: { ...source, authentication: { ...source.authentication, method } } };
    }).mapping();
    expect(mapping['SourceAccessConfigurations']).toEqual([{ Type: type, URI: SECRET_ARN }]);
  });

  test('a private authority and a network can be given', () => {
    const mapping = new Synthesised((stack) => ({
      source: selfManaged(stack, {
        rootCaCertificate: Secret.fromSecretCompleteArn(stack, 'Authority', CERTIFICATE_ARN),
        network: { subnetIds: ['subnet-1', 'subnet-2'], securityGroupIds: ['sg-1'] },
        consumerGroupId: 'lake',
      }),
    })).mapping();
    expect(mapping['SelfManagedKafkaEventSourceConfig']).toEqual({ ConsumerGroupId: 'lake' });
    expect(mapping['SourceAccessConfigurations']).toEqual([
      { Type: 'BASIC_AUTH', URI: SECRET_ARN },
      { Type: 'SERVER_ROOT_CA_CERTIFICATE', URI: CERTIFICATE_ARN },
      { Type: 'VPC_SUBNET', URI: 'subnet:subnet-1' },
      { Type: 'VPC_SUBNET', URI: 'subnet:subnet-2' },
      { Type: 'VPC_SECURITY_GROUP', URI: 'security_group:sg-1' },
    ]);
  });
});

describe('while a bad record halts its partition', () => {
  const sources = {
    'MSK': new Synthesised({ ingest: { badRecords: { action: 'halt' } } }),
    'MSK, by default': new Synthesised(),
    'self-managed': new Synthesised((stack) => ({ source: selfManaged(stack) })),
    'provisioned pollers': new Synthesised({ ingest: { provisionedPollers: { minimum: 1, maximum: 4 } } }),
  };

  test.each(Object.entries(sources))('nothing makes Lambda give up on a batch (%s)', (_, synthesised) => {
    const mapping = synthesised.mapping();
    expect(mapping).not.toHaveProperty('DestinationConfig');
    expect(mapping).not.toHaveProperty('BisectBatchOnFunctionError');
    expect(mapping).not.toHaveProperty('FunctionResponseTypes');
    expect(mapping).not.toHaveProperty('FilterCriteria');
    expect(mapping['MaximumRetryAttempts'] ?? -1).toBe(-1);
    expect(mapping['MaximumRecordAgeInSeconds'] ?? -1).toBe(-1);
  });
});

test('batches, the beginning and pollers can be chosen', () => {
  const mapping = new Synthesised({
    ingest: {
      batchSize: 500,
      batchingWindow: Duration.minutes(1),
      startingPosition: StartingPosition.AT_TIMESTAMP,
      startingTime: new Date('2026-01-02T03:04:05Z'),
      provisionedPollers: { minimum: 2, maximum: 8 },
    },
  }).mapping();
  expect(mapping).toMatchObject({
    BatchSize: 500,
    MaximumBatchingWindowInSeconds: 60,
    StartingPosition: 'AT_TIMESTAMP',
    StartingPositionTimestamp: Date.UTC(2026, 0, 2, 3, 4, 5) / 1000,
    ProvisionedPollerConfig: { MinimumPollers: 2, MaximumPollers: 8 },
  });
});
