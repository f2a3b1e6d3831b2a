/** A table fed from a cluster that AWS does not manage, over the internet by SASL/PLAIN: Confluent Cloud with an API key. */
import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import { StreamingTable } from '../lib/index.ts';
import { dataQualityOf, optionalSetting, setting, tableOf } from './settings.ts';

/** The example for self-managed clusters. */
export class SelfManagedStack extends Stack {
  constructor(scope: Construct, id: string, props?: StackProps) {
    super(scope, id, props);
    const secret = Secret.fromSecretCompleteArn(this, 'Credentials', setting(this, 'secretArn'));
    const orders = new StreamingTable(this, 'Orders', {
      table: tableOf(this),
      source: {
        type: 'self-managed',
        bootstrapServers: setting(this, 'bootstrapServers').split(','),
        topic: setting(this, 'topic'),
        cluster: setting(this, 'cluster'),
        authentication: { method: 'plain', secret },
      },
      dataQuality: dataQualityOf(this),
      artefacts: optionalSetting(this, 'artefacts'),
    });
    new CfnOutput(this, 'AlertTopic', { value: orders.alertTopic.topicArn, description: 'subscribe to it' });
  }
}
