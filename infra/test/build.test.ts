/** How binaries are built when none are given: by cargo-lambda. A recorder takes the place of `cargo` on the path. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { afterEach, expect, test, vi } from 'vitest';
import { StreamingTable } from '../lib/index.ts';
import { MSK, RULES, tableIn, temporaryFolder } from './support/stacks.ts';

/** Writes down its arguments, and puts a `bootstrap` where cargo-lambda would. */
const RECORDER = `#!/bin/sh
echo "$PWD: $*" >> "$RECORDED"
while [ $# -gt 0 ]; do
  if [ "$1" = --lambda-dir ]; then out=$2; fi
  if [ "$1" = --bin ]; then name=$2; fi
  shift
done
if [ -n "$out" ]; then mkdir -p "$out" && echo "$name" > "$out/bootstrap"; fi
`;

afterEach(() => {
  vi.unstubAllEnvs();
});

test('each function is its own binary of the workspace, built in release by the versions of the lockfile', () => {
  const folder = temporaryFolder();
  const recorded = join(folder, 'recorded');
  mkdirSync(join(folder, 'bin'));
  writeFileSync(join(folder, 'bin', 'cargo'), RECORDER);
  chmodSync(join(folder, 'bin', 'cargo'), 0o755);
  vi.stubEnv('PATH', `${join(folder, 'bin')}:${process.env['PATH']}`);
  vi.stubEnv('RECORDED', recorded);

  const stack = new Stack(new App(), 'Test');
  const retention = { options: { column: 'event_time', retain: '30d' } };
  new StreamingTable(stack, 'Orders', { table: tableIn(stack), source: MSK, dataQuality: { rulesFile: RULES }, retention });

  const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
  const builds = readFileSync(recorded, 'utf8').split('\n').filter((line) => line.includes('lambda build'));
  const built = builds.map((line) => line.replace(/--lambda-dir \S+ /, ''));
  const expected = ['ingest', 'compaction', 'snapshot-expiry', 'retention', 'data-quality'].map(
    (name) => `${root}: lambda build --release --x86-64 --bin ${name} --flatten ${name} --locked`,
  );
  expect(built).toEqual(expected);
  const functions = Object.values(Template.fromStack(stack).findResources('AWS::Lambda::Function'));
  const code = functions.map((found) => found['Properties'].Code.S3Key);
  expect(new Set(code).size).toBe(5);
  for (const found of functions) {
    expect(found['Properties']).toMatchObject({ Runtime: 'provided.al2023', Handler: 'bootstrap', Architectures: ['x86_64'] });
  }
});
