/** cdk-nag finds nothing that is not acknowledged, whatever is configured; and it would find what is not. */
import { readFileSync } from 'node:fs';
import { App, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { FLAGS } from 'aws-cdk-lib/cx-api';
import { AwsSolutionsChecks } from 'cdk-nag';
import { describe, expect, test } from 'vitest';
import { MskStack } from '../examples/msk-stack.ts';
import { SelfManagedStack } from '../examples/self-managed-stack.ts';
import { placeArtefacts } from './support/artefacts.ts';
import { type Differences, MSK, everything, selfManaged, stackOf, tableIn, temporaryFolder } from './support/stacks.ts';

/** What cdk-nag finds in a stack. */
function findings(stack: Stack): string[] {
  const { violations } = new AwsSolutionsChecks().validateScope(stack);
  return violations.map((violation) => violation.ruleName);
}

const differences: Record<string, Differences> = {
  'MSK by IAM': {},
  'MSK by IAM with a named group': { source: { ...MSK, consumerGroupId: 'lake' } },
  'MSK by SCRAM with a secret given by name': (stack) => {
    const secret = Secret.fromSecretNameV2(stack, 'Secret', 'kafka');
    return { source: { ...MSK, authentication: { method: 'scram-512', secret } } };
  },
  'everything': everything,
  'a self-managed cluster in a network': (stack) => ({
    source: selfManaged(stack, { network: { subnetIds: ['subnet-1'], securityGroupIds: ['sg-1'] } }),
  }),
  'a bucket with a key': (stack) => {
    const encryptionKey = Key.fromKeyArn(stack, 'Key', 'arn:aws:kms:eu-central-1:123456789012:key/lake');
    const bucket = Bucket.fromBucketAttributes(stack, 'Elsewhere', { bucketName: 'elsewhere', encryptionKey });
    return { table: { ...tableIn(stack), otherLocations: [{ bucket, prefix: 'data' }] } };
  },
};

test.each(Object.entries(differences))('nothing is found in a table with %s', (_, differences) => {
  expect(findings(stackOf(differences).stack)).toEqual([]);
});

test('nothing is found with the feature flags that `cdk init` gives a new application', () => {
  const current = Object.entries(FLAGS).filter(([, flag]) => flag.introducedIn.v2 !== undefined);
  const flags = current.map(([name, flag]) => [name, flag.recommendedValue]);
  expect(flags.length).toBeGreaterThan(50);
  const app = { context: Object.fromEntries(flags) as Record<string, unknown> };
  expect(findings(stackOf(everything, app).stack)).toEqual([]);
  expect(findings(stackOf({}, app).stack)).toEqual([]);
});

test('nothing of the table is found where its bucket belongs to the stack', () => {
  const { stack } = stackOf((stack) => {
    const bucket = new Bucket(stack, 'Own');
    return { table: { ...tableIn(stack), location: { bucket, prefix: 'orders' } } };
  });
  // The bucket of this test is a bare one, and cdk-nag says so.
  expect(findings(stack).filter((finding) => !finding.startsWith('AwsSolutions-S'))).toEqual([]);
});

test('a wildcard that nobody acknowledged is found, beside those that stand', () => {
  const { stack, table } = stackOf();
  const wide = new iam.PolicyStatement({ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::lake/*'] });
  table.ingest.role.addToPrincipalPolicy(wide);
  expect(findings(stack)).toEqual(['AwsSolutions-IAM5[Resource::arn:aws:s3:::lake/*]']);
});

describe('the example stacks', () => {
  const { context } = JSON.parse(readFileSync(new URL('../cdk.json', import.meta.url), 'utf8')) as {
    context: Record<string, string>;
  };
  const withContext = (changes: Record<string, string> = {}) =>
    new App({ context: { ...context, artefacts: placeArtefacts(temporaryFolder()), ...changes } });

  test('pass with the settings of cdk.json', () => {
    expect(findings(new MskStack(withContext(), 'Msk'))).toEqual([]);
    expect(findings(new SelfManagedStack(withContext(), 'SelfManaged'))).toEqual([]);
  });

  test('name a setting that is missing, and where to set it', () => {
    const missing = /set `--context clusterArn=VALUE` or environment variable `TRIBUTARY_CDK_CLUSTER_ARN`: expected a value/;
    expect(() => new MskStack(withContext({ clusterArn: '' }), 'Msk')).toThrow(missing);
  });

  test('know no account and no region before they are deployed', () => {
    const stack = new MskStack(withContext(), 'Msk');
    expect(stack.environment).toBe('aws://unknown-account/unknown-region');
  });
});
