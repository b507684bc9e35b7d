/** What banger goes by, and where each value comes from. */
import { z } from 'zod';
import { allowSchema, driverChoiceSchema, networkChoiceSchema } from './vms.ts';

/** `config`: the user's file; `host`: a share of this machine; `built-in`: neither said anything */
const origin = z.enum(['config', 'host', 'built-in']);

/** `why` reads in brackets: "line 4", "a quarter of 8 processors" */
const resolved = <Value extends z.ZodType>(value: Value) => z.object({ value, from: origin, why: z.string() });

export const vmDefaultsSchema = z.object({
  cpus: resolved(z.int()),
  memoryBytes: resolved(z.number()),
  diskBytes: resolved(z.number()),
  driver: resolved(driverChoiceSchema),
  network: resolved(networkChoiceSchema),
});

const fileSync = z.object({
  /** Absolute, on the host */
  from: z.string(),
  /** Absolute, in the guest */
  to: z.string(),
  /** Of files; null keeps that of the source */
  mode: z.int().nullable(),
});

export const configShownSchema = z.object({
  path: z.string(),
  isThere: z.boolean(),
  vmDefaults: vmDefaultsSchema,
  /** The user's own private key, instead of the one that banger makes */
  sshKey: resolved(z.string().nullable()),
  /** Null is never */
  idleStopAfterMs: resolved(z.number().nullable()),
  overcommitMemory: resolved(z.boolean()),
  /** Whether vms reach private networks */
  networkPrivate: resolved(z.boolean()),
  /** Of the host's loopback, that vms reach at host.banger; null is none */
  networkHostPorts: resolved(z.array(z.int()).nullable()),
  /** What vms with an address of their own reach besides the internet; null is nothing */
  networkAllow: resolved(allowSchema.nullable()),
  /** Registries that may be asked without HTTPS or a trusted certificate; null is none */
  insecureRegistries: resolved(z.array(z.string()).nullable()),
  /** Where the programs of hypervisors are fetched from */
  hypervisorReleases: resolved(z.string().nullable()),
  /** Whether vms get these of the host at each start */
  insideCaCertificates: resolved(z.boolean()),
  insideProxy: resolved(z.boolean()),
  insideTimeZone: resolved(z.boolean()),
  fileSync: z.array(fileSync.extend({ line: z.int().nullable() })),
});

export type Origin = z.infer<typeof origin>;
export type Resolved<Value> = { value: Value; from: Origin; why: string };
/** What a vm gets when nobody says */
export type VmDefaults = z.infer<typeof vmDefaultsSchema>;
export type FileSync = z.infer<typeof fileSync>;
export type ConfigShown = z.infer<typeof configShownSchema>;
