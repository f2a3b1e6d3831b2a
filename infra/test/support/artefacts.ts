/**
 * Stands in for the functions' binaries where only templates are looked at: building five release binaries takes minutes and says
 * nothing about a template. Run as a program, it writes them into the folder given.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FUNCTION_NAMES } from '../../lib/table-function.ts';

const script = (name: string): string => `#!/bin/sh
echo '${name} made for template checks alone: deploy without "artefacts", or with those that cargo lambda build made' >&2
exit 1
`;

/** Writes `NAME/bootstrap` for each function below a folder, and returns the folder. */
export function placeArtefacts(folder: string): string {
  for (const name of FUNCTION_NAMES) {
    mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, name, 'bootstrap'), script(name), { mode: 0o755 });
  }
  return folder;
}

const [, program, folder] = process.argv;
if (program === fileURLToPath(import.meta.url) && folder !== undefined) {
  placeArtefacts(folder);
}
