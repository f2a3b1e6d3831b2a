/** What the stack sets is what the functions read: names on both sides, which no compiler compares. */
import { describe, expect, test } from 'vitest';
import type {
  CompactionOptions,
  DataQualityOptions,
  ExpiryOptions,
  OrphanOptions,
  RetentionOptions,
} from '../lib/index.ts';
import { FUNCTION_NAMES, type FunctionName } from '../lib/table-function.ts';
import { type Section, sections } from './support/configuration.ts';
import { RULES, Synthesised, everything, tableIn } from './support/stacks.ts';

/** Every option that the constructs offer: the compiler sees to it that none is missing. */
const compaction: Required<CompactionOptions> = {
  'strategy': 'binpack',
  'target-file-size-bytes': 1,
  'min-file-size-bytes': 1,
  'max-file-size-bytes': 1,
  'min-input-files': 1,
  'max-file-group-size-bytes': 1,
  'max-file-group-input-files': 1,
  'max-files-to-rewrite': 1,
  'max-rewrite-bytes': 1,
  'rewrite-job-order': 'files-desc',
  'partial-progress.enabled': true,
  'partial-progress.max-commits': 1,
  'max-concurrent-file-group-rewrites': 1,
  'use-starting-sequence-number': true,
  'delete-file-threshold': 1,
  'delete-ratio-threshold': 0.5,
  'rewrite-all': false,
  'skip-newest-partitions': 1,
  'deadline-margin-ms': 1,
  'dry-run': true,
};
const expiry: Required<ExpiryOptions> = {
  'older-than': '5d',
  'retain-last': 1,
  'clean-expired-metadata': true,
  'min-snapshots-to-expire': 1,
  'max-concurrent-deletes': 1,
  'deadline-margin-ms': 1,
  'dry-run': true,
};
const orphans: Required<OrphanOptions> = {
  'older-than': '3d',
  'max-concurrent-deletes': 1,
  'deadline-margin-ms': 1,
  'dry-run': true,
};
const retention: Required<RetentionOptions> = {
  'column': 'event_time',
  'retain': '30d',
  'level': 'file',
  'measured-from': 'clock',
  'max-removed-ratio': 0.5,
  'deadline-margin-ms': 1,
  'dry-run': true,
};
const dataQuality: Required<DataQualityOptions> = { 'remind-after': '4h', 'dry-run': true };

const stacks = {
  'with the defaults': new Synthesised({ retention: { options: { column: 'event_time', retain: '30d' } } }),
  'with every setting': new Synthesised((stack) => ({
    ...everything(stack),
    compaction: { options: compaction },
    snapshotExpiry: { options: expiry, orphanOptions: orphans },
    retention: { options: retention },
    dataQuality: { rulesFile: RULES, resultsTable: tableIn(stack, 'results'), options: dataQuality },
  })),
};

const page = sections();

/** The section of a function; without one, nothing says what it reads. */
function section(name: FunctionName): Section {
  const found = page.get(name);
  if (found === undefined) {
    throw new Error(`docs/configuration.md: expected a section \`## ${name}\`, found ${[...page.keys()].join(', ')}`);
  }
  return found;
}

describe.each(FUNCTION_NAMES)('%s', (name) => {
  test.each(Object.entries(stacks))('reads every variable that is set %s', (_, stack) => {
    const { variables } = section(name);
    expect(variables).toEqual(expect.arrayContaining(Object.keys(stack.environment(name))));
  });

  test('has every variable that it requires', () => {
    const { required } = section(name);
    const set = Object.keys(stacks['with the defaults'].environment(name));
    expect(set).toEqual(expect.arrayContaining(required));
  });

  test.each(Object.entries(stacks))('knows every option in its events %s', (_, stack) => {
    const { options } = section(name);
    const sent = stack.schedules(name).flatMap(({ event }) => Object.keys(event));
    expect(options).toEqual(expect.arrayContaining(sent));
  });
});

describe('the page', () => {
  const sample = [
    '# Settings',
    '## one',
    '| variable | what it does | values | default |',
    '|---|---|---|---|',
    '| `A` | this \\| that | a name | (required) |',
    '| `B` | the other | a name | `x` |',
    '',
    '| option | what it does |',
    '|---|---|',
    '| `max-bytes` | a bound |',
    '## two',
    'no tables',
  ].join('\n');

  test('is read by section and table', () => {
    expect(Object.fromEntries(sections(sample))).toEqual({
      one: { variables: ['A', 'B'], required: ['A'], options: ['max-bytes'] },
      two: { variables: [], required: [], options: [] },
    });
  });

  test('names the table of ingest as required, as the functions do', () => {
    expect(section('ingest').required).toEqual(['TRIBUTARY_TABLE']);
  });
});
