/** `docs/configuration.md`, which is generated from the code of the functions: the settings and options that they read. */
import { readFileSync } from 'node:fs';

/** What one function reads. */
export interface Section {
  /** Environment variables. */
  readonly variables: string[];

  /** Those without which it does not start. */
  readonly required: string[];

  /** Options in its event; none for a function without them. */
  readonly options: string[];
}

/** The sections of the page, by function. */
export function sections(page = readPage()): Map<string, Section> {
  const parts = page.split(/^## /m).slice(1);
  return new Map(parts.map((part) => [part.slice(0, part.indexOf('\n')).trim(), section(part)]));
}

function readPage(): string {
  return readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');
}

function section(text: string): Section {
  const variables = rows(text, 'variable');
  return {
    variables: variables.map(name),
    required: variables.filter((row) => row.at(-1) === '(required)').map(name),
    options: rows(text, 'option').map(name),
  };
}

/** The rows of the table whose first column has this heading. */
function rows(text: string, heading: string): string[][] {
  const lines = text.split('\n').map((line) => line.trim());
  const first = lines.findIndex((line) => line.startsWith(`| ${heading} |`));
  if (first < 0) {
    return [];
  }
  const table = lines.slice(first + 2);
  const end = table.findIndex((line) => !line.startsWith('|'));
  return table.slice(0, end < 0 ? undefined : end).map(cells);
}

/** The cells of a row; a bar inside one is written `\|`. */
function cells(row: string): string[] {
  return row
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim());
}

function name(row: string[]): string {
  const [, found] = /^`([^`]+)`$/.exec(row[0] ?? '') ?? [];
  if (found === undefined) {
    throw new Error(`expected a name in backticks in the first column of a table, found \`${row[0]}\``);
  }
  return found;
}
