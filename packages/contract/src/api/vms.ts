/** Machines, as the owner API shows them. Sizes in bytes, times in ISO 8601. */
import { z } from 'zod';
import { DRIVER_CHOICES, DRIVER_NAMES } from '../driver-names.ts';
import type { sessionInfoSchema } from '../guest/messages.ts';
import {
  describeLimits,
  describeSizeLimits,
  type Limits,
  MAX_HOST_PORTS,
  MAX_PUBLISHED,
  STOP_LIMITS_MS,
  TAIL_LIMITS,
  VM_LIMITS,
} from '../limits.ts';
import { NETWORK_CHOICES, REACHES } from '../network-words.ts';
import { digestSchema, pullChoiceSchema, registryAccessSchema } from './images.ts';
import { queryFlag } from './query-flag.ts';

export const MIB = 2 ** 20;

const cpus = within(VM_LIMITS.cpus, describeLimits);
const memoryBytes = within(VM_LIMITS.memoryBytes, describeSizeLimits);
const diskBytes = within(VM_LIMITS.diskBytes, describeSizeLimits);

function within(limits: Limits, describe: (limits: Limits) => string) {
  const error = `it must be a whole number ${describe(limits)}`;
  return z.int({ error }).min(limits.min, { error }).max(limits.max, { error });
}

export const driverNameSchema = z.enum(DRIVER_NAMES);
export const driverChoiceSchema = z.enum(DRIVER_CHOICES);

export const networkChoiceSchema = z.enum(NETWORK_CHOICES);
/** What a run has; null is none */
export const runNetworkSchema = z.enum(['routed', 'user']).nullable();

/** What the vm may reach besides what the config allows to all */
export const allowSchema = z
  .array(z.enum(REACHES))
  .refine((reaches) => new Set(reaches).size === reaches.length, 'what is allowed is named twice');

const portNumber = z.int().min(1).max(65_535);

/** A port of the vm that the daemon makes reachable on the host while the vm runs */
const publishedPortSchema = z.object({
  host: z.union([z.ipv4(), z.ipv6()], { error: 'a port is published at an IP address' }),
  hostPort: portNumber,
  guestPort: portNumber,
  /** Where somebody else has the address, the vm starts without it, rather than not at all */
  ifFree: z.literal(true).optional(),
});

export const publishedSchema = z
  .array(publishedPortSchema)
  .max(MAX_PUBLISHED, `a vm publishes at most ${MAX_PUBLISHED} ports`)
  .refine(
    (ports) => new Set(ports.map(({ host, hostPort }) => `${host} ${hostPort}`)).size === ports.length,
    'an address of the host is named twice',
  );

/** Ports of the host's loopback that this vm reaches, and others do not */
export const hostPortsSchema = z
  .array(portNumber)
  .max(MAX_HOST_PORTS, `a vm is given at most ${MAX_HOST_PORTS} ports of the host`)
  .refine((ports) => new Set(ports).size === ports.length, 'a port of the host is named twice');

/**
 * What a start waits for. `agent`: a command would be run now. `system`: besides, the image's own init has finished its
 * boot, where there is one.
 */
const waitFor = z.enum(['agent', 'system']);

export const vmCreateSchema = z.strictObject({
  /** A readable one is generated when it is left out */
  name: z.string().optional(),
  image: z.string().max(1024).optional(),
  /** When an image is asked of its registry; where it is not here, unless this says otherwise */
  pull: pullChoiceSchema.optional(),
  access: registryAccessSchema.optional(),
  kernel: z.string().optional(),
  cpus: cpus.optional(),
  memoryBytes: memoryBytes.optional(),
  diskBytes: diskBytes.optional(),
  publish: publishedSchema.default([]),
  hostPorts: hostPortsSchema.default([]),
  driver: driverChoiceSchema.optional(),
  network: networkChoiceSchema.optional(),
  allow: allowSchema.default([]),
  /** Start it when the host has booted, where the system's daemon does that */
  autostart: z.boolean().default(false),
  /** Start it at once */
  start: z.boolean().default(false),
  waitFor: waitFor.default('agent'),
  /** Remove it when the connection that watches this operation closes, or when the daemon ends */
  ephemeral: z.boolean().default(false),
});

export const vmSetSchema = z.strictObject({
  cpus: cpus.optional(),
  memoryBytes: memoryBytes.optional(),
  diskBytes: diskBytes.optional(),
  driver: driverChoiceSchema.optional(),
  network: networkChoiceSchema.optional(),
  /** In place of what it may reach so far */
  allow: allowSchema.optional(),
  autostart: z.boolean().optional(),
});

export const vmStartSchema = z.strictObject({ waitFor: waitFor.default('agent') });

export const vmStopSchema = z.strictObject({
  /** How long the guest may take to shut down before it is killed */
  timeoutMs: within(STOP_LIMITS_MS, describeLimits).default(30_000),
});

export const vmRestartSchema = vmStopSchema.extend(vmStartSchema.shape);

export const vmRemoveSchema = z.strictObject({
  /** Kill it first when it runs */
  force: z.boolean().default(false),
});

export const vmCommitSchema = z.strictObject({
  /** What the image is called */
  name: z.string(),
  /** Also where another image is called so */
  force: z.boolean().default(false),
});

export const stopReasonSchema = z.enum([
  'new', // never started
  'shut-down', // the guest shut down as it was asked to
  'guest', // the guest shut down or reset itself
  'killed', // kill, or stop after the time limit
  'crashed', // the hypervisor ended, the guest panicked, or the host went down
  'recovered', // its record was lost, and made anew from its folder
]);

export const vmStateSchema = z.discriminatedUnion('is', [
  z.object({ is: z.literal('creating') }),
  z.object({ is: z.literal('stopped'), why: stopReasonSchema, at: z.string() }),
  z.object({ is: z.literal('starting') }),
  z.object({
    is: z.literal('running'),
    since: z.string(),
    pid: z.int(),
    driver: driverNameSchema,
    accel: z.string(),
    network: runNetworkSchema,
  }),
  z.object({ is: z.literal('stopping') }),
  z.object({ is: z.literal('removing') }),
]);

/** `how` is null when the vm was not running */
export const stopResultSchema = z.object({ how: z.enum(['shut-down', 'killed']).nullable() });

export const filesQuerySchema = z.strictObject({ path: z.string().min(1).max(4096).startsWith('/') });

export const logsQuerySchema = z.strictObject({
  /** Lines from the end; 0 is none */
  tail: z.coerce.number().pipe(within(TAIL_LIMITS, describeLimits)).optional(),
  follow: queryFlag,
});

export const connectQuerySchema = z.strictObject({ port: z.coerce.number().int().min(1).max(65_535) });

export const vmFaultSchema = z.object({ code: z.string(), message: z.string(), at: z.string() });

const fromHost = z.enum(['ca-certificates', 'proxy', 'time-zone']);

export const vmSchema = z.object({
  id: z.string(),
  name: z.string(),
  state: vmStateSchema,
  /** Why the last start failed, or what ended it unasked; null when all went well */
  fault: vmFaultSchema.nullable(),
  image: z.object({
    ...{ name: z.string(), digest: digestSchema },
    /** Whether it says what to run when nobody does */
    hasCommand: z.boolean(),
  }),
  kernel: z.object({ name: z.string(), digest: digestSchema }),
  cpus: z.int(),
  memoryBytes: z.number(),
  diskBytes: z.number(),
  /** What the disk file really takes on the host */
  diskAllocatedBytes: z.number(),
  publish: publishedSchema,
  hostPorts: hostPortsSchema,
  autostart: z.boolean(),
  /** The one it wants; one that runs has in its state which it got */
  driver: driverChoiceSchema,
  /** Likewise */
  network: networkChoiceSchema,
  allow: allowSchema,
  /** Its own, at which the host reaches it while it runs, and which it keeps; null where it has none */
  address: z.string().nullable(),
  ephemeral: z.boolean(),
  /** When it stops unless somebody uses it; null while somebody does, and where the config does not ask for it */
  idleStopAt: z.string().nullable(),
  /** Which of the host's settings it gets at each start, as the config says now */
  fromHost: z.array(fromHost),
  createdAt: z.string(),
});

export type Vm = z.infer<typeof vmSchema>;
export type FromHost = z.infer<typeof fromHost>;
export type DriverChoice = z.infer<typeof driverChoiceSchema>;
export type NetworkChoice = z.infer<typeof networkChoiceSchema>;
export type Reach = z.infer<typeof allowSchema>[number];
export type RunNetwork = z.infer<typeof runNetworkSchema>;
export type DriverName = z.infer<typeof driverNameSchema>;
export type VmState = z.infer<typeof vmStateSchema>;
export type WaitFor = z.infer<typeof waitFor>;
export type StopReason = z.infer<typeof stopReasonSchema>;
export type VmCreate = z.input<typeof vmCreateSchema>;
export type VmSet = z.input<typeof vmSetSchema>;
export type Session = z.infer<typeof sessionInfoSchema>;
export type StopResult = z.infer<typeof stopResultSchema>;
