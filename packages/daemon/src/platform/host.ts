/** What this machine has. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

export type Host = { cpus: number; memoryBytes: number; memoryAvailableBytes: number };

export function readHost(): Host {
  const meminfo = readFileSync('/proc/meminfo', 'utf8');
  const kib = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(meminfo)?.[1] ?? 0);
  return {
    cpus: availableParallelism(),
    memoryBytes: kib('MemTotal') * 1024,
    memoryAvailableBytes: kib('MemAvailable') * 1024,
  };
}

/** Changes at each boot of the host. */
export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
