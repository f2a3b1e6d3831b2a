/**
 * A table as IAM sees it: a pointer in Glue and files below a folder of S3. The statements here are all the rights to tables
 * that any function is given; each function names the actions it needs.
 */
import { Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';

/** A folder of a bucket. */
export interface TableLocation {
  /**
   * The bucket. Where it is encrypted with a KMS key of yours, the functions need rights on that key: a bucket imported by
   * `Bucket.fromBucketAttributes` says so by `encryptionKey`.
   */
  readonly bucket: IBucket;

  /** The folder in it, without the bucket's name, such as `lake/orders`. */
  readonly prefix: string;
}

/** An Iceberg table in AWS Glue. */
export interface IcebergTable {
  /** Glue's database, which is Iceberg's namespace. */
  readonly database: string;

  /** The table's name in it. */
  readonly name: string;

  /** Where its data and metadata are. The table itself must say the same: the functions take locations from the table alone. */
  readonly location: TableLocation;

  /**
   * Where `write.data.path` and `write.metadata.path` point, if they point elsewhere.
   *
   * @default - everything is below `location`
   */
  readonly otherLocations?: TableLocation[];

  /**
   * The AWS account whose Glue catalog has the table.
   *
   * @default - the stack's own account
   */
  readonly catalogAccount?: string;
}

/** Actions on files, by what a function does with them. */
export const FILE_ACTIONS = {
  read: ['s3:GetObject'],
  write: ['s3:GetObject', 's3:PutObject'],
  maintain: ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'],
} as const;

/** What a function does with a table's files. */
export type FileAccess = keyof typeof FILE_ACTIONS;

/** `namespace.name`, as the functions' settings have it. */
export function tableName(table: IcebergTable): string {
  return `${table.database}.${table.name}`;
}

/** Refuses what would make a right wider than the table, or match nothing. */
export function checkTable(table: IcebergTable): void {
  for (const part of [table.database, table.name]) {
    if (!/^[^\s./*?]+$/.test(part)) {
      throw new Error(
        `expected names of a Glue database and table without \`.\`, \`/\` and wildcards, found \`${part}\``,
      );
    }
  }
  for (const { prefix } of locations(table)) {
    if (folder(prefix) === '' || /[*?]/.test(prefix)) {
      throw new Error(
        `expected a folder of its own for table \`${tableName(table)}\`, such as \`lake/orders\`, found prefix \`${prefix}\`: ` +
          'its maintenance may delete files below that folder',
      );
    }
  }
}

/** Every right that access to a table takes: its pointer, its files and the keys these are encrypted with. */
export function tableStatements(scope: Construct, table: IcebergTable, access: FileAccess): iam.PolicyStatement[] {
  const pointer = access === 'read' ? ['glue:GetTable'] : ['glue:GetTable', 'glue:UpdateTable'];
  return [
    new iam.PolicyStatement({ sid: 'Pointer', actions: pointer, resources: glueArns(scope, table) }),
    new iam.PolicyStatement({ sid: 'Files', actions: [...FILE_ACTIONS[access]], resources: filesArns(table) }),
    ...keyStatements('Keys', keys(table), access === 'read' ? 'decrypt' : 'encrypt'),
  ];
}

/** The right to list the table's folders, and nothing else of their buckets. */
export function listStatements(table: IcebergTable): iam.PolicyStatement[] {
  return locations(table).map(
    ({ bucket, prefix }, index) =>
      new iam.PolicyStatement({
        sid: `List${index}`,
        actions: ['s3:ListBucket'],
        resources: [bucket.bucketArn],
        conditions: { StringLike: { 's3:prefix': [`${folder(prefix)}/*`] } },
      }),
  );
}

/** Rights on KMS keys; none where there are no keys. */
export function keyStatements(sid: string, keys: IKey[], use: 'decrypt' | 'encrypt'): iam.PolicyStatement[] {
  // S3 and SNS encrypt with a data key of their own, and read one back to add to what is there: writing takes both.
  const actions = use === 'decrypt' ? ['kms:Decrypt'] : ['kms:Decrypt', 'kms:GenerateDataKey'];
  return keys.length === 0 ? [] : [new iam.PolicyStatement({ sid, actions, resources: keys.map((key) => key.keyArn) })];
}

/** The files of a table, as resources of IAM. */
export function filesArns(table: IcebergTable): string[] {
  return locations(table).map(({ bucket, prefix }) => bucket.arnForObjects(`${folder(prefix)}/*`));
}

function glueArns(scope: Construct, table: IcebergTable): string[] {
  const { partition, region, account } = Stack.of(scope);
  const catalog = `arn:${partition}:glue:${region}:${table.catalogAccount ?? account}`;
  // Glue asks for the right on every level above the table too.
  return [
    `${catalog}:catalog`,
    `${catalog}:database/${table.database}`,
    `${catalog}:table/${table.database}/${table.name}`,
  ];
}

function locations(table: IcebergTable): TableLocation[] {
  return [table.location, ...(table.otherLocations ?? [])];
}

function keys(table: IcebergTable): IKey[] {
  const found = locations(table).flatMap(({ bucket }) => (bucket.encryptionKey ? [bucket.encryptionKey] : []));
  return [...new Set(found)];
}

function folder(prefix: string): string {
  return prefix.replace(/^\/+|\/+$/g, '');
}
