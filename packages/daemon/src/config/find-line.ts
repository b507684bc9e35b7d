/** Where in a TOML text something stands; the parser tells what it read, not where. */
import { parse } from 'smol-toml';

export type KeyPath = readonly (string | number)[];

/**
 * The line, counted from 1, on which the statement begins that first brings `path`; null when the text has no such key.
 * Found by reading ever more of the text, which is fast enough for a file of a few dozen lines.
 */
export function findLine(text: string, path: KeyPath): number | null {
  const lines = text.split('\n');
  let beginsAt = 0;
  for (let end = 1; end <= lines.length; end++) {
    const document = parseOrNull(lines.slice(0, end).join('\n'));
    if (document === null) continue; // in the middle of a value of several lines
    if (has(document, path)) return skipEmpty(lines, beginsAt, end) + 1;
    beginsAt = end;
  }
  return null;
}

function parseOrNull(text: string): unknown {
  try {
    return parse(text);
  } catch {
    return null;
  }
}

function has(document: unknown, path: KeyPath): boolean {
  let value = document;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return false;
    value = (value as Record<string | number, unknown>)[key];
  }
  return true;
}

function skipEmpty(lines: readonly string[], from: number, end: number): number {
  let line = from;
  while (line < end - 1 && /^\s*(#.*)?$/.test(lines[line] as string)) line++;
  return line;
}
