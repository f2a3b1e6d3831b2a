/** The topic that alarms and failed checks go to. */
import { Stack, type RemovalPolicy } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as sns from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';

/** Settings of a new alert topic. */
export interface AlertTopicProps {
  /** What becomes of the topic's key when the stack is deleted. */
  readonly removalPolicy: RemovalPolicy;
}

/** An SNS topic, encrypted with a key of its own, that takes messages over TLS only. */
export class AlertTopic extends Construct {
  /** The topic. */
  readonly topic: sns.Topic;

  constructor(scope: Construct, id: string, props: AlertTopicProps) {
    super(scope, id);
    const cloudwatch = new iam.ServicePrincipal('cloudwatch.amazonaws.com', {
      conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
    });
    const key = new kms.Key(this, 'Key', {
      description: `Messages of ${this.node.path}`,
      enableKeyRotation: true,
      removalPolicy: props.removalPolicy,
    });
    this.topic = new sns.Topic(this, 'Topic', { masterKey: key, enforceSSL: true });
    // On the topic: with a policy of its own (TLS only) it loses the default one, under which alarms may publish. And on the key:
    // alarms could not use SNS's own, whose policy does not name CloudWatch and can't be changed.
    this.topic.grantPublish(cloudwatch);
  }
}
