/**
 * What vms take of the host, told every few seconds. It is measured on the host, so a guest cannot say anything about it; what
 * nobody there counts is null, and no zero. Sizes in bytes, times in ISO 8601.
 */
import { z } from 'zod';
import { vmStateSchema } from './vms.ts';

/** More than names fit into the head of a request */
const MAX_NAMES_LENGTH = 8192;

export const statsQuerySchema = z.strictObject({
  /** Names or ids, with commas between them; without it all that run at the moment */
  vms: z
    .string()
    .min(1, 'a name is empty')
    .max(
      MAX_NAMES_LENGTH,
      `the names are longer than ${MAX_NAMES_LENGTH} characters together; without names it is about all that run`,
    )
    .transform((text) => text.split(','))
    .optional(),
});

/** Something that only grows during a run */
const counterSchema = z.object({
  /** Since the run began */
  total: z.number(),
  /** On average since the sample before this one; null when that was of another run */
  perSecond: z.number().nullable(),
});

const machineUsageSchema = z.object({
  /** Of the hypervisor's process, in milliseconds of a processor: 1500 a second are one processor and a half */
  cpuMs: counterSchema,
  /** The host's memory that the hypervisor's process holds now, the guest's in it */
  residentBytes: z.number(),
  /** From and to the host's drives: what the host's memory had already is not in it. Null where the host does not count */
  diskReadBytes: counterSchema.nullable(),
  diskWrittenBytes: counterSchema.nullable(),
  /** By its network card, seen from the guest; null where nobody counts, as with QEMU and without an address of its own */
  receivedBytes: counterSchema.nullable(),
  sentBytes: counterSchema.nullable(),
});

export const vmUsageSchema = z.object({
  id: z.string(),
  name: z.string(),
  state: z.enum(vmStateSchema.options.map((option) => option.shape.is.value)),
  /** What it may have */
  cpus: z.int(),
  memoryBytes: z.number(),
  diskBytes: z.number(),
  /** What the disk file really takes on the host */
  diskAllocatedBytes: z.number(),
  /** Null for one that does not run */
  machine: machineUsageSchema.nullable(),
});

/** All vms that were asked for, at one time; those that were removed meanwhile are in no later one */
export const statsSampleSchema = z.object({ at: z.string(), vms: z.array(vmUsageSchema) });

export type Counter = z.infer<typeof counterSchema>;
export type MachineUsage = z.infer<typeof machineUsageSchema>;
export type VmUsage = z.infer<typeof vmUsageSchema>;
export type StatsSample = z.infer<typeof statsSampleSchema>;
