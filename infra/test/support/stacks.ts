/** Stacks that tests look at: small ones, synthesised in memory from stand-ins for the functions' binaries. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, type AppProps, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Bucket, type IBucket } from 'aws-cdk-lib/aws-s3';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import type { IcebergTable, MskSource, SelfManagedSource, StreamingTableProps } from '../../lib/index.ts';
import { StreamingTable } from '../../lib/index.ts';
import type { FunctionName } from '../../lib/table-function.ts';
import { placeArtefacts } from './artefacts.ts';

/** A resource of a template. */
export interface Resource {
  readonly Type: string;
  readonly Properties: Record<string, any>;
  readonly DeletionPolicy?: string;
}

/** A statement of a policy, with lists where IAM allows one value. */
export interface Statement {
  readonly actions: string[];
  readonly resources: unknown[];
  readonly condition?: unknown;
}

export const CLUSTER_ARN = 'arn:aws:kafka:eu-central-1:123456789012:cluster/orders/0f3b9f5e-1a2b-4c3d-8e9f-a1b2c3d4e5f6-2';
export const SECRET_ARN = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:kafka-AbCdEf';

/** A folder for one test's files. */
export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'test-'));
}

/** A file with rules. */
export function rulesFile(text: string): string {
  const path = join(temporaryFolder(), 'rules.yaml');
  writeFileSync(path, text);
  return path;
}

export const RULES = rulesFile('table: analytics.orders\nchecks:\n  - heartbeat: {last_commit_within: 15m}\n');
const ARTEFACTS = placeArtefacts(temporaryFolder());

/** A table in the bucket `lake`. */
export function tableIn(scope: Construct, name = 'orders'): IcebergTable {
  const known = scope.node.tryFindChild('Lake') as IBucket | undefined;
  const bucket = known ?? Bucket.fromBucketName(scope, 'Lake', 'lake');
  return { database: 'analytics', name, location: { bucket, prefix: `tables/${name}` } };
}

export const MSK: MskSource = { type: 'msk', clusterArn: CLUSTER_ARN, topic: 'orders' };

/** A source with SASL/PLAIN. */
export function selfManaged(scope: Construct, rest: Partial<SelfManagedSource> = {}): SelfManagedSource {
  const secret = Secret.fromSecretCompleteArn(scope, 'Credentials', SECRET_ARN);
  return {
    type: 'self-managed',
    bootstrapServers: ['one.example.com:9092', 'two.example.com:9092'],
    topic: 'orders',
    cluster: 'orders-production',
    authentication: { method: 'plain', secret },
    ...rest,
  };
}

/** What differs from a small table fed from MSK: fixed, or made in the stack. */
export type Differences = Partial<StreamingTableProps> | ((stack: Stack) => Partial<StreamingTableProps>);

/** A stack with one table. */
export function stackOf(differences: Differences = {}, app: AppProps = {}): { stack: Stack; table: StreamingTable } {
  const stack = new Stack(new App({ analyticsReporting: false, ...app }), 'Test');
  const found = typeof differences === 'function' ? differences(stack) : differences;
  const table = new StreamingTable(stack, 'Orders', {
    table: tableIn(stack),
    source: MSK,
    dataQuality: { rulesFile: RULES },
    artefacts: ARTEFACTS,
    ...found,
  });
  return { stack, table };
}

/** A table with everything that can be configured. */
export const everything = (stack: Stack): Partial<StreamingTableProps> => ({
  source: selfManaged(stack),
  retention: { options: { column: 'event_time', retain: '30d' } },
  dataQuality: { rulesFile: RULES, resultsTable: tableIn(stack, 'results') },
  table: { ...tableIn(stack), catalogAccount: '210987654321' },
  logDirectives: 'debug',
});

/** The template of a stack with one table. */
export class Synthesised {
  readonly table: StreamingTable;
  readonly template: Template;
  private readonly stack: Stack;

  constructor(differences: Differences = {}) {
    const { stack, table } = stackOf(differences);
    this.stack = stack;
    this.table = table;
    this.template = Template.fromStack(stack);
  }

  /** Every resource of a type, by its logical id. */
  all(type: string): Record<string, Resource> {
    return this.template.findResources(type) as unknown as Record<string, Resource>;
  }

  /** The functions that are there, by name. */
  functions(): Partial<Record<FunctionName, StreamingTable['ingest' | 'compaction']>> {
    const { ingest, compaction, snapshotExpiry, retention, dataQuality } = this.table;
    const all = { ingest, compaction, 'snapshot-expiry': snapshotExpiry, 'data-quality': dataQuality };
    return retention ? { ...all, retention } : all;
  }

  /** The resource behind a construct. */
  resource(construct: Construct): Resource {
    const id = this.stack.getLogicalId((construct.node.defaultChild ?? construct) as never);
    const found = (this.template.toJSON().Resources as Record<string, Resource>)[id];
    if (found === undefined) {
      throw new Error(`expected a resource behind \`${construct.node.path}\`, found none`);
    }
    return found;
  }

  /** The properties of a function. */
  function(name: FunctionName): Record<string, any> {
    return this.resource(this.found(name).function).Properties;
  }

  /** The environment of a function. */
  environment(name: FunctionName): Record<string, unknown> {
    return this.function(name)['Environment'].Variables as Record<string, unknown>;
  }

  /** What a function's role may do, by all its policies. */
  rights(name: FunctionName): Statement[] {
    return statementsOf(this.resource(this.found(name).role));
  }

  /** The event source mapping. */
  mapping(): Record<string, any> {
    return this.resource(this.table.ingest.mapping).Properties;
  }

  /** The schedules of a function, by their ids. */
  schedules(name: FunctionName): { id: string; properties: Record<string, any>; event: Record<string, unknown> }[] {
    const arn = { 'Fn::GetAtt': [this.stack.getLogicalId(this.found(name).function.node.defaultChild as never), 'Arn'] };
    return this.table.schedules.node.children.flatMap((child) => {
      const resource = child.node.defaultChild ? this.resource(child) : undefined;
      return resource?.Type === 'AWS::Scheduler::Schedule' && sameJson(resource.Properties['Target'].Arn, arn)
        ? [{ id: child.node.id, properties: resource.Properties, event: JSON.parse(resource.Properties['Target'].Input) }]
        : [];
    });
  }

  /** Every alarm, by the metric it watches and the function it is about, if it is about one. */
  alarms(metric: string): Record<string, any>[] {
    const all = Object.values(this.all('AWS::CloudWatch::Alarm')).map((alarm) => alarm.Properties);
    return all.filter((alarm) => alarm['MetricName'] === metric);
  }

  /** A value as the template has it. */
  resolved(value: unknown): unknown {
    return this.stack.resolve(value);
  }

  private found(name: FunctionName): StreamingTable['ingest' | 'compaction'] {
    const found = this.functions()[name];
    if (found === undefined) {
      throw new Error(`expected a function \`${name}\`, found none`);
    }
    return found;
  }
}

/** What a role may do. Rights that came from elsewhere than its own policies would not be seen, so there must be none. */
export function statementsOf(role: Resource): Statement[] {
  if (role.Properties['ManagedPolicyArns'] !== undefined) {
    throw new Error('expected a role without managed policies, found some');
  }
  const policies = (role.Properties['Policies'] ?? []) as { PolicyDocument: { Statement: Record<string, unknown>[] } }[];
  return policies.flatMap(({ PolicyDocument: document }) =>
    document.Statement.map((statement) => {
      if (statement['Effect'] !== 'Allow') {
        throw new Error(`expected rights only, found ${JSON.stringify(statement)}`);
      }
      const condition = statement['Condition'];
      return {
        actions: listOf(statement['Action']) as string[],
        resources: listOf(statement['Resource']),
        ...(condition === undefined ? {} : { condition }),
      };
    }),
  );
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [value];
}

function sameJson(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}
