/** One of Tributary's functions with all that belongs to it alone: its role, its log group, the alarm on its errors. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Duration, type RemovalPolicy } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import { RustFunction } from 'cargo-lambda-cdk';
import { Construct } from 'constructs';
import { acknowledgeWildcards } from './acknowledge.ts';
import { addAlarm, type AlarmContext, type RunbookHeading } from './alarms.ts';
import {
  type FileAccess,
  type IcebergTable,
  filesArns,
  tableName,
  tableStatements,
} from './iceberg-table.ts';
import type { Schedules } from './schedules.ts';

/** The functions: their names are those of their folders below `functions/` and of their binaries. */
export const FUNCTION_NAMES = ['ingest', 'compaction', 'snapshot-expiry', 'retention', 'data-quality'] as const;

/** The name of a function. */
export type FunctionName = (typeof FUNCTION_NAMES)[number];

/** What the functions of one table share. */
export interface TableContext {
  /** The table. */
  readonly table: IcebergTable;

  /** Where alarms go. */
  readonly alarms: AlarmContext;

  /** Where schedules are added. */
  readonly schedules: Schedules;

  /** A folder with `NAME/bootstrap` or `NAME/bootstrap.zip` for each function; absent: they are built. */
  readonly artefacts?: string;

  /** Directives of `TRIBUTARY_LOG`. */
  readonly logDirectives?: string;

  /** How long logs are kept. */
  readonly logRetention: logs.RetentionDays;

  /** What becomes of log groups when the stack is deleted. */
  readonly removalPolicy: RemovalPolicy;
}

/** Size and time of a function. */
export interface FunctionSize {
  /**
   * Memory in MB; it buys CPU too.
   *
   * @default - see the function
   */
  readonly memorySize?: number;

  /**
   * When Lambda ends an invocation. The functions stop by themselves before.
   *
   * @default - see the function
   */
  readonly timeout?: Duration;
}

/** Settings of a function of a table. */
export interface TableFunctionProps extends Required<FunctionSize> {
  /** Which one. */
  readonly name: FunctionName;

  /** What the functions of the table share. */
  readonly context: TableContext;

  /** What it may do with the table. */
  readonly access: FileAccess;

  /**
   * Further rights, by the name of the policy they go to.
   *
   * @default - none
   */
  readonly rights?: Record<string, iam.PolicyStatement[]>;

  /**
   * Environment beside the table's.
   *
   * @default - none
   */
  readonly environment?: Record<string, string>;

  /** Where the runbook says what to do about errors. */
  readonly heading: RunbookHeading;

  /**
   * Periods of five minutes in a row with errors that raise the alarm.
   *
   * @default 1
   */
  readonly errorPeriods?: number;
}

/** One of Tributary's functions. */
export class TableFunction extends Construct {
  /** The Lambda function. */
  readonly function: lambda.Function;

  /** Its role: the rights written out here, none added by the CDK. */
  readonly role: iam.Role;

  /** Its log group. */
  readonly logGroup: logs.LogGroup;

  constructor(scope: Construct, id: string, props: TableFunctionProps) {
    super(scope, id);
    const { context } = props;
    this.logGroup = new logs.LogGroup(this, 'Logs', {
      retention: context.logRetention,
      removalPolicy: context.removalPolicy,
    });
    this.role = this.addRole(props);
    this.function = this.addFunction(props);
    addAlarm(this, 'Errors', context.alarms, {
      metric: this.function.metricErrors({ statistic: 'Sum', period: Duration.minutes(5) }),
      means: `invocations of ${props.name} fail`,
      heading: props.heading,
      periods: props.errorPeriods ?? 1,
    });
  }

  /**
   * For a function that schedules start: an event waits in Lambda's queue no longer than this, and a run that fails is not
   * repeated (see `schedules.ts`).
   */
  protected runBySchedule(maxEventAge: Duration): void {
    this.function.configureAsyncInvoke({ retryAttempts: 0, maxEventAge });
  }

  private addRole(props: TableFunctionProps): iam.Role {
    const policies: Record<string, iam.PolicyStatement[]> = {
      Logs: [
        new iam.PolicyStatement({
          sid: 'Logs',
          actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
          resources: [this.logGroup.logGroupArn],
        }),
      ],
      Table: tableStatements(this, props.context.table, props.access),
      ...props.rights,
    };
    const role = new iam.Role(this, 'Role', {
      description: `${props.name} of ${tableName(props.context.table)}`,
      assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com'),
      // Part of the role itself, so that nothing that needs the rights is made before them.
      inlinePolicies: Object.fromEntries(
        Object.entries(policies).map(([name, statements]) => [name, new iam.PolicyDocument({ statements })]),
      ),
    });
    const reason = 'files of the table, whose names are made up when they are written';
    acknowledgeWildcards(role, filesArns(props.context.table), reason);
    return role;
  }

  private addFunction(props: TableFunctionProps): lambda.Function {
    const { context, name } = props;
    const account = context.table.catalogAccount;
    const options: lambda.FunctionOptions = {
      description: `Tributary ${name} of ${tableName(context.table)}`,
      role: this.role,
      logGroup: this.logGroup,
      architecture: lambda.Architecture.X86_64,
      memorySize: props.memorySize,
      timeout: props.timeout,
      environment: {
        TRIBUTARY_TABLE: tableName(context.table),
        ...(account === undefined ? {} : { TRIBUTARY_CATALOG: `glue:${account}` }),
        ...(context.logDirectives === undefined ? {} : { TRIBUTARY_LOG: context.logDirectives }),
        ...props.environment,
      },
    };
    return context.artefacts === undefined
      ? builtFunction(this, name, options)
      : prebuiltFunction(this, name, options, context.artefacts);
  }
}

/** The function with its binary built from this repository by `cargo lambda build` when the stack is synthesised. */
function builtFunction(scope: Construct, name: FunctionName, options: lambda.FunctionOptions): lambda.Function {
  return new RustFunction(scope, 'Function', {
    ...options,
    runtime: 'provided.al2023',
    binaryName: name,
    manifestPath: fileURLToPath(new URL('../../Cargo.toml', import.meta.url)),
    bundling: { architecture: lambda.Architecture.X86_64, cargoLambdaFlags: ['--locked'] },
  });
}

/** The function with a binary that was built before, in the folders that `cargo lambda build` makes. */
function prebuiltFunction(
  scope: Construct,
  name: FunctionName,
  options: lambda.FunctionOptions,
  artefacts: string,
): lambda.Function {
  const folder = join(artefacts, name);
  const archive = join(folder, 'bootstrap.zip');
  if (!existsSync(archive) && !existsSync(join(folder, 'bootstrap'))) {
    throw new Error(
      `build function \`${name}\` first (\`cargo lambda build --release --bin ${name}\`), or give no \`artefacts\`: ` +
        `expected \`bootstrap\` or \`bootstrap.zip\` in \`${folder}\`, found neither`,
    );
  }
  return new lambda.Function(scope, 'Function', {
    ...options,
    runtime: lambda.Runtime.PROVIDED_AL2023,
    handler: 'bootstrap',
    code: lambda.Code.fromAsset(existsSync(archive) ? archive : folder),
  });
}
