/**
 * The example stacks. `cdk deploy TributaryMsk` or `cdk deploy TributarySelfManaged`, with your own values for the context that
 * `cdk.json` has examples of. Each stack is checked by cdk-nag; a finding that is not acknowledged ends the synthesis.
 */
import { App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { MskStack } from '../examples/msk-stack.ts';
import { SelfManagedStack } from '../examples/self-managed-stack.ts';

const app = new App();
Validations.of(app).addPlugins(new AwsSolutionsChecks(app, { verbose: true }));
new MskStack(app, 'TributaryMsk', { description: 'An Iceberg table fed from Amazon MSK by Tributary' });
new SelfManagedStack(app, 'TributarySelfManaged', {
  description: 'An Iceberg table fed from a self-managed Kafka cluster by Tributary',
});
