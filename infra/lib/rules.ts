/** The data-quality rules of a table, read for what a stack must know of them. The function itself checks the whole file. */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

/** Kinds of checks that the heartbeat schedule runs: they read metadata alone, so they may run often. */
const HEARTBEAT_KINDS = ['heartbeat', 'freshness'];

/**
 * The kinds of checks in a rules file that the heartbeat schedule runs. Refuses a file of another table, and one without a
 * heartbeat: the heartbeat's alarm takes silence for failure, and would never end.
 */
export function heartbeatKinds(path: string, table: string): string[] {
  const { table: named, checks } = read(path);
  if (named !== undefined && named !== table) {
    throw new Error(`correct \`table\` in rules file \`${path}\`: expected \`${table}\`, found \`${String(named)}\``);
  }
  const found = Array.isArray(checks) ? checks.flatMap((check) => Object.keys(check as object)) : [];
  if (!found.includes('heartbeat')) {
    throw new Error(
      `add a heartbeat to rules file \`${path}\` (\`checks: [{heartbeat: {last_commit_within: 15m}}]\`): ` +
        `expected one among its checks, found ${found.length === 0 ? 'no checks' : `\`${found.join('`, `')}\``}`,
    );
  }
  return HEARTBEAT_KINDS.filter((kind) => found.includes(kind));
}

/** The parts of a rules file that matter here; absent where it has none. */
function read(path: string): { table?: unknown; checks?: unknown } {
  const text = readFileSync(path, 'utf8');
  try {
    return (parse(text) as { table?: unknown; checks?: unknown } | null) ?? {};
  } catch (error) {
    throw new Error(`correct rules file \`${path}\`: expected YAML, found ${String(error)}`);
  }
}
