/** Bounds of what people choose, for the command, the API and the config alike. */
import { formatSize } from './sizes.ts';

export type Limits = { min: number; max: number };

const MIB = 2 ** 20;
const GIB = 2 ** 30;

export const VM_LIMITS = {
  cpus: { min: 1, max: 64 },
  memoryBytes: { min: 64 * MIB, max: 4096 * GIB },
  diskBytes: { min: 256 * MIB, max: 64 * 1024 * GIB },
} as const satisfies Record<string, Limits>;

/** Registries that the config may name */
export const MAX_REGISTRIES = 100;
/** Ports that one vm may publish */
export const MAX_PUBLISHED = 32;
/** Ports of the host that one vm may be given, and as many that the config gives to all */
export const MAX_HOST_PORTS = 32;

export const STOP_LIMITS_MS = { min: 0, max: 3_600_000 } as const satisfies Limits;
export const TAIL_LIMITS = { min: 0, max: 1_000_000 } as const satisfies Limits;

/** "from 64M to 4T" */
export function describeLimits({ min, max }: Limits, format: (value: number) => string = String): string {
  return `from ${format(min)} to ${format(max)}`;
}

export const describeSizeLimits = (limits: Limits): string => describeLimits(limits, formatSize);
