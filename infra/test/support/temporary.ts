/** One folder for all temporary files of a run, also those of the CDK, which leaves a folder for each application it makes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Makes the folder before the tests, and returns what removes it after them. */
export default function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'tributary-infra-'));
  process.env['TMPDIR'] = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
