/** How large a vm is, who runs it and what connects it, when nobody said: what the config says, else a share of this host, else a floor. */
import type { Resolved, VmDefaults } from '@banger/contract/api/config.ts';
import { type DriverChoice, MIB, type NetworkChoice } from '@banger/contract/api/vms.ts';
import type { Host } from '../platform/host.ts';

export type VmSize = { cpus: number; memoryBytes: number; diskBytes: number };

/** Null where the config says nothing */
type Configured = { [Key in keyof VmSize]: number | null } & {
  driver: DriverChoice | null;
  network: NetworkChoice | null;
};

const NOTHING_CONFIGURED: Configured = { cpus: null, memoryBytes: null, diskBytes: null, driver: null, network: null };
const FLOOR = { cpus: 1, memoryBytes: 512 * MIB };
const CEILING = { cpus: 4, memoryBytes: 8192 * MIB };
/** Sparse: a vm takes only what is written to it */
const DISK_BYTES = 8192 * MIB;

export function resolveVmDefaults(host: Host, configured: Configured = NOTHING_CONFIGURED): VmDefaults {
  return {
    cpus: chosen(configured.cpus) ?? share(Math.floor(host.cpus / 4), 'cpus', 'a quarter of the processors'),
    memoryBytes:
      chosen(configured.memoryBytes) ??
      share(Math.floor(host.memoryBytes / 8 / (64 * MIB)) * 64 * MIB, 'memoryBytes', 'an eighth of the memory'),
    diskBytes: chosen(configured.diskBytes) ?? { value: DISK_BYTES, from: 'built-in', why: 'takes what is written' },
    driver: chosen(configured.driver) ?? { value: 'auto', from: 'built-in', why: 'the best that works here' },
    network: chosen(configured.network) ?? {
      ...{ value: 'auto', from: 'built-in', why: 'an address of its own where the root helper gives one' },
    },
  };
}

export function sizeOf({ cpus, memoryBytes, diskBytes }: VmDefaults): VmSize {
  return { cpus: cpus.value, memoryBytes: memoryBytes.value, diskBytes: diskBytes.value };
}

function chosen<Value>(value: Value | null): Resolved<Value> | null {
  return value === null ? null : { value, from: 'config', why: 'config.toml' };
}

function share(wanted: number, of: keyof typeof FLOOR, why: string): Resolved<number> {
  if (wanted < FLOOR[of]) return { value: FLOOR[of], from: 'built-in', why: 'the least on a small host' };
  if (wanted > CEILING[of]) return { value: CEILING[of], from: 'host', why: `${why}, at most this` };
  return { value: wanted, from: 'host', why };
}
