/** The examples' settings, from the environment (`TRIBUTARY_CDK_NAME`) or the CDK's context (`cdk.json`, `--context NAME=VALUE`). */
import { fileURLToPath } from 'node:url';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import type { DataQualitySettings, IcebergTable } from '../lib/index.ts';

/** A setting, if it is there. The environment wins: the context always has the values of `cdk.json`. */
export function optionalSetting(scope: Construct, name: string): string | undefined {
  const value: unknown = process.env[variable(name)] ?? scope.node.tryGetContext(name);
  return value === undefined ? undefined : String(value);
}

/** A setting that must be there. */
export function setting(scope: Construct, name: string): string {
  const value = optionalSetting(scope, name);
  if (value === undefined || value === '') {
    throw new Error(
      `set \`--context ${name}=VALUE\` or environment variable \`${variable(name)}\`: expected a value, found none`,
    );
  }
  return value;
}

/** The table of the settings. */
export function tableOf(scope: Construct): IcebergTable {
  return {
    database: setting(scope, 'database'),
    name: setting(scope, 'table'),
    // Known by name: nothing is looked up in an account when the stack is synthesised.
    location: { bucket: Bucket.fromBucketName(scope, 'Lake', setting(scope, 'bucket')), prefix: setting(scope, 'prefix') },
  };
}

/** The checks of the settings: `rules` is the path of a rules file. */
export function dataQualityOf(scope: Construct): DataQualitySettings {
  const example = fileURLToPath(new URL('orders-rules.yaml', import.meta.url));
  return { rulesFile: optionalSetting(scope, 'rules') ?? example };
}

function variable(name: string): string {
  return `TRIBUTARY_CDK_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}
