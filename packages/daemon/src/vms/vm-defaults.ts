/** How large a vm is when nobody said: a share of this host, within bounds. */
import { MIB } from '@banger/contract/api/vms.ts';
import type { Host } from '../platform/host.ts';

export type VmSize = { cpus: number; memoryBytes: number; diskBytes: number };

const FLOOR = { cpus: 1, memoryBytes: 512 * MIB };
const CEILING = { cpus: 4, memoryBytes: 8192 * MIB };
/** Sparse: a vm takes only what is written to it */
const DISK_BYTES = 8192 * MIB;

/** A quarter of the processors and an eighth of the memory, in whole 64 MiB. */
export function defaultSize(host: Host): VmSize {
  return {
    cpus: clamp(Math.floor(host.cpus / 4), FLOOR.cpus, CEILING.cpus),
    memoryBytes: clamp(
      Math.floor(host.memoryBytes / 8 / (64 * MIB)) * 64 * MIB,
      FLOOR.memoryBytes,
      CEILING.memoryBytes,
    ),
    diskBytes: DISK_BYTES,
  };
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}
