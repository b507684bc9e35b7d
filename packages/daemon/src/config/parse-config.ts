/** The text of config.toml to what it says, or CONFIG_INVALID with the line and the nearest known key. */
import { BangerError } from '@banger/contract/errors.ts';
import { nearest } from '@banger/contract/suggest.ts';
import { parse, TomlError } from 'smol-toml';
import type { z } from 'zod';
import { type ConfigFile, configSchema } from './config-schema.ts';
import { findLine, type KeyPath } from './find-line.ts';

const KNOWN_KEYS: Record<string, readonly string[]> = {
  '': ['ssh_key', 'vm_defaults', 'vm', 'network', 'registries', 'hypervisor', 'inside', 'file_sync'],
  vm_defaults: ['cpus', 'memory', 'disk_size', 'driver', 'network'],
  vm: ['idle_stop_after', 'overcommit_memory'],
  network: ['private', 'host_ports', 'allow'],
  registries: ['insecure'],
  hypervisor: ['releases'],
  inside: ['ca_certificates', 'proxy', 'time_zone'],
  file_sync: ['from', 'to', 'mode'],
};

type Source = { text: string; path: string; home: string };

export function parseConfig(source: Source): ConfigFile {
  const parsed = configSchema(source.home).safeParse(readToml(source));
  if (parsed.success) return parsed.data;
  throw wrongValue(source, parsed.error.issues);
}

function readToml({ text, path }: Source): unknown {
  try {
    return parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const reason = /^Invalid TOML document: (.*)/.exec(cause.message)?.[1] ?? cause.message;
    throw invalid(path, cause.line, `this is not TOML: ${reason}`, null, cause);
  }
}

/** The first in the file, which is what the reader sees first. */
function wrongValue(source: Source, issues: readonly z.core.$ZodIssue[]): BangerError {
  const [first] = issues
    .flatMap((issue) => describe(issue))
    .map((found) => ({ ...found, line: findLine(source.text, found.at) }))
    .sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
  const { line, what, hint } = first as { line: number | null; what: string; hint: string | null };
  return invalid(source.path, line, what, hint);
}

type Found = { at: KeyPath; what: string; hint: string | null };

function describe(issue: z.core.$ZodIssue): Found[] {
  const path = issue.path as KeyPath;
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(path, key));
  const isMissing = issue.message === 'it is missing';
  const message = issue.code === 'invalid_type' && !issue.message.startsWith('it ') ? expected(issue) : issue.message;
  return [{ at: isMissing ? path.slice(0, -1) : path, what: `${nameOf(path)}: ${message}`, hint: null }];
}

function unknownKey(path: KeyPath, key: string): Found {
  const known = KNOWN_KEYS[String(path[0] ?? '')] ?? [];
  const elsewhere = Object.entries(KNOWN_KEYS).find(([table, keys]) => table !== '' && keys.includes(key));
  const found = nearest(key, known);
  const where = path.length === 0 ? '' : ` in ${nameOf(path.slice(0, 1))}`;
  const hint = found
    ? `Did you mean "${found}"?`
    : elsewhere && path.length === 0
      ? `"${key}" belongs below [${elsewhere[0]}].`
      : `Known${where} are: ${known.join(', ')}.`;
  return { at: [...path, key], what: `there is no key "${key.slice(0, 80)}"${where}`, hint };
}

/** [vm_defaults] memory */
function nameOf(path: KeyPath): string {
  const [first, ...rest] = path;
  if (first === 'file_sync') return ['[[file_sync]]', ...rest.filter((part) => typeof part === 'string')].join(' ');
  if (typeof first === 'string' && Object.hasOwn(KNOWN_KEYS, first)) return [`[${first}]`, ...rest].join(' ');
  return path.join('.');
}

function expected(issue: z.core.$ZodIssueInvalidType): string {
  const table = nameOf(issue.path as KeyPath);
  if (issue.expected === 'object') return `it must be a table; write ${table} on a line of its own`;
  return issue.expected === 'array' ? `it must be a list of tables; write ${table} above each` : issue.message;
}

function invalid(path: string, line: number | null, what: string, hint: string | null, cause?: unknown): BangerError {
  return new BangerError('CONFIG_INVALID', {
    message: `${path}${line === null ? '' : `, line ${line}`}: ${what}.`,
    hint: hint ?? 'docs/guide/config.md lists every key; "banger config path" names the file.',
    details: { path, line },
    cause,
  });
}
