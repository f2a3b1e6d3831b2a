/** Findings of cdk-nag that are meant, each with its reason, so that a stack built from these constructs passes its checks. */
import { Stack, Validations } from 'aws-cdk-lib';
import type { Construct } from 'constructs';

/** A finding that stands. */
export function acknowledge(scope: Construct, id: string, reason: string): void {
  Validations.of(scope).acknowledge({ id, reason });
}

/** A wildcard in a policy that stands: this resource alone, so that a wider one is still found. */
export function acknowledgeWildcards(scope: Construct, resources: string[], reason: string): void {
  for (const resource of resources) {
    const found = flattened(Stack.of(scope).resolve(resource));
    acknowledge(scope, `AwsSolutions-IAM5[Resource::${found}]`, reason);
  }
}

/** A resource as cdk-nag writes it in a finding: references in angle brackets. */
function flattened(value: unknown): string {
  if (typeof value === 'string') {
    return value;
  }
  const { Ref: ref, 'Fn::GetAtt': attribute, 'Fn::Join': join } = value as Record<string, unknown>;
  if (Array.isArray(join)) {
    return (join[1] as unknown[]).map(flattened).join(String(join[0]));
  }
  if (Array.isArray(attribute)) {
    return `<${attribute.join('.')}>`;
  }
  return ref === undefined ? JSON.stringify(value) : `<${String(ref)}>`;
}
