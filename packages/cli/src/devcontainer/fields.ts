/** What the fields of a devcontainer.json may be. Pure; each throws DEVCONTAINER_INVALID for what is none of it. */
import { type Document, documentOf, invalid, quoted } from './read-document.ts';

/** Of one thing that there may be many of: commands at once, ports, variables, arguments */
const MAX_MANY = 1000;

export function textOf(value: unknown, key: string): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string' && !value.includes('\0')) return value;
  throw invalid(`${quoted(key)} is not a text.`);
}

export function listOf(value: unknown, key: string): unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value) && value.length <= MAX_MANY) return value;
  throw invalid(`${quoted(key)} is not a list of at most ${MAX_MANY}.`);
}

export function objectOf(value: unknown, key: string): Document {
  const found: Document = value === undefined || value === null ? new Map() : documentOf(value, quoted(key));
  if (found.size > MAX_MANY) throw invalid(`${quoted(key)} has more than ${MAX_MANY} entries.`);
  return found;
}

export function switchOf(value: unknown, key: string): boolean | undefined {
  if (value === undefined || typeof value === 'boolean') return value;
  throw invalid(`${quoted(key)} is neither true nor false.`);
}

/** Values by their names; null takes one back. */
export function variablesOf(value: unknown, key: string): [name: string, value: string | null][] {
  return [...objectOf(value, key)].map(([name, each]) => {
    if (!/^[^\s=\0]{1,1000}$/.test(name)) throw invalid(`${quoted(name)} in ${quoted(key)} is no name of a variable.`);
    if (each === null) return [name, null];
    if (typeof each === 'number' || typeof each === 'boolean') return [name, String(each)];
    return [name, textOf(each, `${key}.${name}`) ?? null];
  });
}

export type Run = {
  /** Where several run at once */
  label: string | null;
  argv: string[];
};

/** A line for the shell, the words of a command, or several of these by their labels, which run at once. */
export function runsOf(value: unknown, key: string): Run[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return runOf(value, key, null);
  return [...objectOf(value, key)].flatMap(([label, each]) => runOf(each, `${key}.${label}`, label));
}

function runOf(value: unknown, key: string, label: string | null): Run[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) {
    const argv = listOf(value, key).map((word) => textOf(word, key) ?? '');
    return argv.length === 0 ? [] : [{ label, argv }];
  }
  const line = typeof value === 'string' ? (textOf(value, key) ?? '') : null;
  if (line === null) throw invalid(`${quoted(key)} is neither a command nor a list of its words.`);
  return line.trim() === '' ? [] : [{ label, argv: ['/bin/sh', '-c', line] }];
}
