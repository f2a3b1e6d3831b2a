/** A table fed from Amazon MSK, with IAM authentication and rows kept for a month. */
import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { StreamingTable } from '../lib/index.ts';
import { dataQualityOf, optionalSetting, setting, tableOf } from './settings.ts';

/** The example for Amazon MSK. */
export class MskStack extends Stack {
  constructor(scope: Construct, id: string, props?: StackProps) {
    super(scope, id, props);
    const orders = new StreamingTable(this, 'Orders', {
      table: tableOf(this),
      source: { type: 'msk', clusterArn: setting(this, 'clusterArn'), topic: setting(this, 'topic') },
      dataQuality: dataQualityOf(this),
      retention: { options: { column: 'event_time', retain: '30d', level: 'partition' } },
      artefacts: optionalSetting(this, 'artefacts'),
    });
    new CfnOutput(this, 'AlertTopic', { value: orders.alertTopic.topicArn, description: 'subscribe to it' });
  }
}
