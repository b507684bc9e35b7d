/**
 * The port that every driver fills: start a machine, find it again, end it.
 *
 * A driver knows nothing of images, agents or users. It is given a finished plan, hands over the byte stream of the
 * agent's port, and says when and why the machine ended. Machines outlive the daemon: `adopt` finds one again from what
 * `launch` recorded. driver-suite.ts holds every driver to this.
 */
import type { Duplex } from 'node:stream';
import type { DriverName } from '@banger/contract/api/vms.ts';
import type { VmId } from '@banger/contract/names.ts';
import { z } from 'zod';
import type { Traffic } from '../platform/device-traffic.ts';
import type { ProcessRef } from '../platform/processes.ts';
import type { Task } from '../platform/task.ts';

export type Drive = { path: string; readOnly: boolean };

/**
 * What carries the machine's network. `stream`: a unix socket whose other side takes and gives Ethernet frames, as passt
 * does; `tap`: a device of the host that is there already, and open to whoever starts the machine.
 */
export type MachineNetwork = { by: 'stream'; socketPath: string } | { by: 'tap'; device: string };

export type MachinePlan = {
  vmId: VmId;
  /** Holds the sockets and pid files of this run; short, since socket paths are limited to 107 bytes */
  runtimeFolder: string;
  cpus: number;
  memoryBytes: number;
  kernelPath: string;
  initramfsPath: string;
  kernelArguments: string[];
  /** In order: the first is the guest's /dev/vda */
  drives: Drive[];
  network: MachineNetwork | null;
  /** The serial console is appended here */
  consolePath: string;
  /** What the hypervisor itself prints is appended here */
  logPath: string;
};

/** What it is tried with whether KVM runs guests: what the vm that waits for it boots */
export type Trial = Pick<MachinePlan, 'vmId' | 'runtimeFolder' | 'kernelPath' | 'initramfsPath'>;

/** Why a driver cannot run a vm on this host, without a full stop, and what may change that */
export type Obstacle = { why: string; hint: string };

const accelSchema = z.enum(['kvm', 'tcg']);
export type Accel = z.infer<typeof accelSchema>;

const processSchema = z.object({
  pid: z.int().min(1),
  startTicks: z.int().min(0),
  runtimeFolder: z.string().startsWith('/'),
}) satisfies z.ZodType<ProcessRef>;

/** What is written down to find the machine again, by whichever version. Each driver has its own. */
export const machineRefSchema = z.discriminatedUnion('driver', [
  processSchema.extend({
    driver: z.literal('qemu'),
    accel: accelSchema,
    /** Whether its sockets are in a folder of its own; a banger from before there was one may have started it */
    hasOwnFolder: z.boolean().default(false),
  }),
  processSchema.extend({
    driver: z.literal('firecracker'),
    accel: z.literal('kvm'),
    /** The id that it gives when it is asked who it is */
    answersAs: z.string(),
  }),
]) satisfies z.ZodType<{ driver: DriverName }>;
export type MachineRef = z.infer<typeof machineRefSchema>;
export type RefOf<Name extends DriverName> = Extract<MachineRef, { driver: Name }>;

/**
 * `guest`: the guest powered itself off, or reset itself, which is the end of a machine too; `host`: it was told to quit
 * or was killed; `lost`: anything else
 */
export type MachineExit =
  | { by: 'guest'; how: 'power-off' | 'reset'; detail: string }
  | { by: 'host' | 'lost'; detail: string };

/** Why a guest does not run though its machine lives: the host's disk is full, and nothing is lost */
export type MachineStall = 'disk-full';

export type Machine = {
  ref: MachineRef;
  /** Resolves once, when the machine no longer runs */
  exited: Promise<MachineExit>;
  /**
   * A new connection to the agent's port; the one before it ends. Opening it says nothing about the guest. Throws VM_LOST
   * when the machine has ended.
   */
  openAgentStream(task: Task): Promise<Duplex>;
  /**
   * Called when an agent opened its port, and when it let go of it: it ended, and may come back. Of several changes within
   * a second only the last may be told. One listener.
   */
  onAgentPort(listener: (isOpen: boolean) => void): void;
  /** What the guest waits for now; null while it runs */
  readonly stall: MachineStall | null;
  /** Called when the guest stalls, and with null when it goes on, which it does by itself. One listener. */
  onStall(listener: (stall: MachineStall | null) => void): void;
  /** Ends it at once and waits until it is gone. Safe to repeat. */
  kill(): Promise<void>;
  /** Lets go of it without touching it: the daemon ends, the machine goes on. */
  release(): void;
};

/** What differs from driver to driver. Others go by this, and ask no driver for its name. */
export type DriverAbilities = {
  /** What may carry a machine's network, the one to be preferred first */
  networks: readonly MachineNetwork['by'][];
  maxCpus: number;
  /**
   * What leads to the agent. `vsock`: by the ports of contract/guest/vsock.ts, and the guest's kernel has to know it; an
   * agent that has come calls, and is called by one that comes later.
   */
  agentLine: 'virtio-serial' | 'vsock';
  /** What the guest does to end its machine */
  endsBy: 'power-off' | 'reset';
  /** Whether what the guest's filesystem frees and trims is the host's again while it runs */
  givesBackSpace: boolean;
  /** Whether a full disk of the host makes the guest wait, where it would else be given an error */
  waitsForSpace: boolean;
};

export type Driver = {
  name: DriverName;
  abilities: DriverAbilities;
  /**
   * Null when it can run a vm here now. With a trial a guest may be run to find that out; without one it is only looked at
   * what is there.
   */
  findObstacle(task: Task, trial: Trial | null): Promise<Obstacle | null>;
  /** Throws TOOL_MISSING, TOOL_TOO_OLD or HYPERVISOR_FAILED; nothing of the machine is left then. */
  launch(task: Task, plan: MachinePlan): Promise<Machine>;
  /**
   * Null when it no longer runs, or does not answer as the machine that it should be; `silent` when it lives and had not
   * answered by the end of the task. Its console is appended to `consolePath` again.
   */
  adopt(task: Task, ref: MachineRef, consolePath: string): Promise<Machine | 'silent' | null>;
  /** What has passed the network card of a machine, seen from its guest; null where nobody counts it. */
  readTraffic(ref: MachineRef): Traffic | null;
};
