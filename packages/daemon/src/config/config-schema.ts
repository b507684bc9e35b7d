/** What config.toml may hold, and in which words it is refused. */

import { posix } from 'node:path';
import { DRIVER_CHOICES } from '@banger/contract/driver-names.ts';
import { toBangerError } from '@banger/contract/errors.ts';
import { parseRegistry } from '@banger/contract/image-ref.ts';
import { MAX_HOST_PORTS, MAX_REGISTRIES, VM_LIMITS } from '@banger/contract/limits.ts';
import { NETWORK_CHOICES, REACHES } from '@banger/contract/network-words.ts';
import { faultOfReleases } from '@banger/contract/releases-address.ts';
import { formatSize, parseDurationMs, parseSizeBytes } from '@banger/contract/sizes.ts';
import { z } from 'zod';

const MAX_FILE_SYNCS = 100;
/** A shorter one would stop a vm between two commands that are typed */
const MIN_IDLE_MS = 1000;

export type ConfigFile = z.output<ReturnType<typeof configSchema>>;

/** `home` stands for "~" in paths of the host. */
export function configSchema(home: string) {
  return z.strictObject({
    ssh_key: hostPath(home).optional(),
    vm_defaults: z
      .strictObject({
        cpus: count(VM_LIMITS.cpus).optional(),
        memory: size(VM_LIMITS.memoryBytes).optional(),
        disk_size: size(VM_LIMITS.diskBytes).optional(),
        driver: oneOf(DRIVER_CHOICES).optional(),
        network: oneOf(NETWORK_CHOICES).optional(),
      })
      .optional(),
    vm: z.strictObject({ idle_stop_after: duration().optional(), overcommit_memory: yesOrNo().optional() }).optional(),
    network: z
      .strictObject({ private: yesOrNo().optional(), host_ports: hostPorts().optional(), allow: allow().optional() })
      .optional(),
    registries: z.strictObject({ insecure: registries().optional() }).optional(),
    hypervisor: z.strictObject({ releases: releases().optional() }).optional(),
    inside: z
      .strictObject({
        ca_certificates: yesOrNo().optional(),
        proxy: yesOrNo().optional(),
        time_zone: yesOrNo().optional(),
      })
      .optional(),
    file_sync: z
      .array(z.strictObject({ from: hostPath(home), to: guestPath(), mode: mode().optional() }))
      .max(MAX_FILE_SYNCS, `at most ${MAX_FILE_SYNCS} of them are allowed`)
      .optional(),
  });
}

function text(example: string) {
  return z.string({
    error: ({ input }) => (input === undefined ? 'it is missing' : `it must be a text, such as ${example}`),
  });
}

/** Runs one of our own parsers; the message of its error becomes the issue's. */
function parsedBy<Value>(example: string, parse: (given: string) => Value) {
  return text(example).transform((given, context): Value => {
    try {
      return parse(given);
    } catch (fault) {
      const { message, hint } = toBangerError(fault);
      context.addIssue({
        code: 'custom',
        message: [message.replace(/\.$/, ''), hint?.replace(/\.$/, '')].filter(Boolean).join('; '),
      });
      return z.NEVER;
    }
  });
}

function count({ min, max }: { min: number; max: number }) {
  const message = `it must be a whole number from ${min} to ${max}`;
  return z.int({ error: message }).min(min, message).max(max, message);
}

function size({ min, max }: { min: number; max: number }) {
  return parsedBy('"2G"', (given) => {
    if (/^\s*[\d.]+\s*$/.test(given))
      throw new Error(`"${given}" has no unit; write "${given.trim()}M" or "${given.trim()}G"`);
    const bytes = parseSizeBytes(given);
    if (bytes >= min && bytes <= max) return bytes;
    throw new Error(`it must be between ${formatSize(min)} and ${formatSize(max)}`);
  });
}

function oneOf<const Words extends readonly string[]>(words: Words) {
  return z.enum(words, { error: `it must be one of ${quoted(words)}` });
}

function allow() {
  const message = `it must be a list of ${quoted(REACHES)}`;
  return z.array(z.enum(REACHES, { error: message }), { error: message }).transform((reaches) => [...new Set(reaches)]);
}

function quoted(words: readonly string[]): string {
  return words.map((word) => `"${word}"`).join(', ');
}

function hostPorts() {
  const message = 'it must be a list of ports, such as [5432]';
  const port = z.int({ error: message }).min(1, message).max(65_535, message);
  return z
    .array(port, { error: message })
    .max(MAX_HOST_PORTS, `at most ${MAX_HOST_PORTS} of them are allowed`)
    .transform((ports) => [...new Set(ports)]);
}

function registries() {
  return z
    .array(parsedBy('"host:5000"', parseRegistry), { error: 'it must be a list of registries, such as ["host:5000"]' })
    .max(MAX_REGISTRIES, `at most ${MAX_REGISTRIES} of them are allowed`)
    .transform((names) => [...new Set(names)]);
}

function releases() {
  return parsedBy('"https://example.com/releases"', (given) => {
    const fault = given.length > 4096 ? 'it must be shorter' : faultOfReleases(given);
    if (fault === null) return given;
    throw new Error(fault);
  });
}

function yesOrNo() {
  return z.boolean({ error: 'it must be true or false' });
}

function duration() {
  return parsedBy('"30m"', (given) => {
    const durationMs = parseDurationMs(given);
    if (durationMs >= MIN_IDLE_MS) return durationMs;
    throw new Error('it must be at least "1s"; leave it out to never stop one');
  });
}

function mode() {
  return parsedBy('"0644"', (given) => {
    if (/^0?[0-7]{3}$/.test(given)) return Number.parseInt(given, 8);
    throw new Error('it must be a file mode of three octal digits, such as "0644"');
  });
}

function hostPath(home: string) {
  return parsedBy('"~/.gitconfig"', (given) => {
    checkPath(given);
    if (given === '~' || given.startsWith('~/')) return posix.normalize(`${home}${given.slice(1)}`);
    if (given.startsWith('/')) return posix.normalize(given);
    throw new Error('it must be an absolute path, or begin with "~/"');
  });
}

/** "~" is the home of root, who a vm's commands run as. */
function guestPath() {
  return parsedBy('"~/.gitconfig"', (given) => {
    checkPath(given);
    const path = given.startsWith('~/') ? `/root${given.slice(1)}` : given;
    const isPlain = path.startsWith('/') && path === posix.normalize(path) && path !== '/' && !path.endsWith('/');
    if (isPlain) return path;
    throw new Error('it must be the absolute path of a file, or begin with "~/", without "." and ".."');
  });
}

function checkPath(given: string): void {
  if (given.length === 0 || given.length > 4096 || given.includes('\0')) throw new Error('it must be a path');
}
