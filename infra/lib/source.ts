/** Where the records come from: what the event source mapping is told, and the rights with which it reads Kafka. */
import { ArnFormat, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import { keyStatements } from './iceberg-table.ts';

const Access = lambda.SourceAccessConfigurationType;

/** What every source has. */
interface TopicProps {
  /** The topic. */
  readonly topic: string;

  /**
   * The consumer group. A new mapping with a group that has committed offsets goes on from these, whatever its starting position.
   *
   * @default - one of the mapping's own, which a new mapping does not share
   */
  readonly consumerGroupId?: string;
}

/** A topic of an Amazon MSK cluster, provisioned or serverless. */
export interface MskSource extends TopicProps {
  readonly type: 'msk';

  /** The cluster's ARN. */
  readonly clusterArn: string;

  /**
   * How the mapping authenticates.
   *
   * @default - IAM, by the function's role
   */
  readonly authentication?: MskAuthentication;
}

/** How a mapping authenticates to MSK. The secret is one that Lambda's mapping reads; its form is described by AWS. */
export type MskAuthentication =
  | { readonly method: 'iam' }
  | { readonly method: 'scram-512' | 'mutual-tls'; readonly secret: ISecret };

/** A topic of any other cluster: Confluent Cloud, Redpanda, your own brokers. */
export interface SelfManagedSource extends TopicProps {
  readonly type: 'self-managed';

  /** `host:port` of brokers to begin with. */
  readonly bootstrapServers: string[];

  /**
   * The cluster's identity in the checkpoint, which must never change: records of another identity count as new. A cluster
   * without an ARN has none but its broker list, which does change; hence a name.
   */
  readonly cluster: string;

  /** How the mapping authenticates: `plain` is SASL/PLAIN, as Confluent Cloud's API keys. */
  readonly authentication: SelfManagedAuthentication;

  /**
   * A secret with the certificate (PEM) of the authority that signed the brokers' certificates.
   *
   * @default - a public authority
   */
  readonly rootCaCertificate?: ISecret;

  /**
   * The network from which the brokers are reached.
   *
   * @default - the internet
   */
  readonly network?: SelfManagedNetwork;
}

/** How a mapping authenticates to a self-managed cluster. */
export interface SelfManagedAuthentication {
  readonly method: 'plain' | 'scram-256' | 'scram-512' | 'mutual-tls';

  /** Credentials: `{"username", "password"}`, or `{"certificate", "privateKey"}` for mutual TLS. */
  readonly secret: ISecret;
}

/** Subnets and security groups of a VPC. */
export interface SelfManagedNetwork {
  readonly subnetIds: string[];
  readonly securityGroupIds: string[];
}

/** Where the records come from. */
export type KafkaSource = MskSource | SelfManagedSource;

const MSK_ACCESS = {
  'scram-512': Access.SASL_SCRAM_512_AUTH,
  'mutual-tls': Access.CLIENT_CERTIFICATE_TLS_AUTH,
};
const SELF_MANAGED_ACCESS = {
  plain: Access.BASIC_AUTH,
  'scram-256': Access.SASL_SCRAM_256_AUTH,
  'scram-512': Access.SASL_SCRAM_512_AUTH,
  'mutual-tls': Access.CLIENT_CERTIFICATE_TLS_AUTH,
};

/** The part of the mapping that says where to read. */
export function mappingSource(source: KafkaSource): lambda.EventSourceMappingOptions {
  const access = accessConfigurations(source);
  return {
    ...(source.type === 'msk'
      ? { eventSourceArn: source.clusterArn }
      : { kafkaBootstrapServers: source.bootstrapServers }),
    kafkaTopic: source.topic,
    kafkaConsumerGroupId: source.consumerGroupId,
    sourceAccessConfigurations: access.length === 0 ? undefined : access,
  };
}

/** The rights with which the mapping reads; they are the function's, since the mapping uses its role. */
export function sourceStatements(scope: Construct, source: KafkaSource): iam.PolicyStatement[] {
  const found = secrets(source);
  const keys = found.flatMap((secret) => (secret.encryptionKey ? [secret.encryptionKey] : []));
  return [
    ...(source.type === 'msk' ? mskStatements(scope, source) : []),
    ...(needsNetwork(source) ? [networkStatement()] : []),
    ...(found.length === 0
      ? []
      : [
          new iam.PolicyStatement({
            sid: 'Secrets',
            actions: ['secretsmanager:DescribeSecret', 'secretsmanager:GetSecretValue'],
            resources: found.map(secretArn),
          }),
        ]),
    ...keyStatements('SecretKeys', [...new Set(keys)], 'decrypt'),
  ];
}

/** The resources of those rights that hold a wildcard, each with its reason. */
export function sourceWildcards(scope: Construct, source: KafkaSource): { resource: string; reason: string }[] {
  const wildcards: { resource: string; reason: string }[] = [];
  if (needsNetwork(source)) {
    const reason = "Lambda's pollers make and remove network interfaces in the cluster's VPC; EC2 describes no single one";
    wildcards.push({ resource: '*', reason });
  }
  if (usesIam(source) && source.consumerGroupId === undefined) {
    const reason = 'Lambda names the consumer group by the id of the mapping, which is not known before it is made';
    wildcards.push({ resource: groupArn(scope, source), reason });
  }
  for (const secret of secrets(source).filter((secret) => secretArn(secret).includes('?'))) {
    wildcards.push({ resource: secretArn(secret), reason: 'the end of the ARN of a secret given by name is random' });
  }
  return wildcards;
}

function accessConfigurations(source: KafkaSource): lambda.SourceAccessConfiguration[] {
  if (source.type === 'msk') {
    const authentication = source.authentication ?? { method: 'iam' };
    return authentication.method === 'iam'
      ? []
      : [{ type: MSK_ACCESS[authentication.method], uri: authentication.secret.secretArn }];
  }
  const { authentication, rootCaCertificate, network } = source;
  return [
    { type: SELF_MANAGED_ACCESS[authentication.method], uri: authentication.secret.secretArn },
    ...(rootCaCertificate ? [{ type: Access.SERVER_ROOT_CA_CERTIFICATE, uri: rootCaCertificate.secretArn }] : []),
    ...(network?.subnetIds ?? []).map((id) => ({ type: Access.VPC_SUBNET, uri: `subnet:${id}` })),
    ...(network?.securityGroupIds ?? []).map((id) => ({ type: Access.VPC_SECURITY_GROUP, uri: `security_group:${id}` })),
  ];
}

function mskStatements(scope: Construct, source: MskSource): iam.PolicyStatement[] {
  const describe = ['kafka:DescribeClusterV2', 'kafka:GetBootstrapBrokers'];
  const scram = source.authentication?.method === 'scram-512' ? ['kafka:ListScramSecrets'] : [];
  return [
    new iam.PolicyStatement({ sid: 'Cluster', actions: [...describe, ...scram], resources: [source.clusterArn] }),
    ...(usesIam(source) ? iamStatements(scope, source) : []),
  ];
}

function iamStatements(scope: Construct, source: MskSource): iam.PolicyStatement[] {
  return [
    new iam.PolicyStatement({
      sid: 'Connect',
      actions: ['kafka-cluster:Connect', 'kafka-cluster:DescribeClusterDynamicConfiguration'],
      resources: [source.clusterArn],
    }),
    new iam.PolicyStatement({
      sid: 'ReadTopic',
      actions: ['kafka-cluster:DescribeTopic', 'kafka-cluster:ReadData'],
      resources: [arnBeside(scope, source.clusterArn, 'topic', source.topic)],
    }),
    new iam.PolicyStatement({
      sid: 'JoinGroup',
      actions: ['kafka-cluster:DescribeGroup', 'kafka-cluster:AlterGroup'],
      resources: [groupArn(scope, source)],
    }),
  ];
}

function networkStatement(): iam.PolicyStatement {
  return new iam.PolicyStatement({
    sid: 'Network',
    actions: [
      'ec2:CreateNetworkInterface',
      'ec2:DeleteNetworkInterface',
      'ec2:DescribeNetworkInterfaces',
      'ec2:DescribeSecurityGroups',
      'ec2:DescribeSubnets',
      'ec2:DescribeVpcs',
    ],
    resources: ['*'],
  });
}

function usesIam(source: KafkaSource): source is MskSource {
  return source.type === 'msk' && (source.authentication ?? { method: 'iam' }).method === 'iam';
}

function needsNetwork(source: KafkaSource): boolean {
  return source.type === 'msk' || source.network !== undefined;
}

function secrets(source: KafkaSource): ISecret[] {
  const authentication = source.authentication;
  const credentials = authentication !== undefined && 'secret' in authentication ? [authentication.secret] : [];
  const certificate = source.type === 'self-managed' && source.rootCaCertificate ? [source.rootCaCertificate] : [];
  return [...credentials, ...certificate];
}

function secretArn(secret: ISecret): string {
  return secret.secretFullArn ?? `${secret.secretArn}-??????`;
}

function groupArn(scope: Construct, source: MskSource): string {
  return arnBeside(scope, source.clusterArn, 'group', source.consumerGroupId ?? '*');
}

/** A topic's or group's ARN: that of its cluster (`cluster/NAME/UUID`) with another kind and a name behind it. */
function arnBeside(scope: Construct, clusterArn: string, kind: 'topic' | 'group', name: string): string {
  const stack = Stack.of(scope);
  const cluster = stack.splitArn(clusterArn, ArnFormat.SLASH_RESOURCE_NAME);
  return stack.formatArn({ ...cluster, resource: kind, resourceName: `${cluster.resourceName}/${name}` });
}
