/**
 * A unit of host integration that hooks into a vm's life.
 *
 * Each hook has its opposite, which is safe to repeat and safe when the hook never ran: it is how a failed step is
 * undone, and how reconcile tidies up after a daemon that was killed.
 */
import type { RunNetwork } from '@banger/contract/api/vms.ts';
import type { InterfaceConfig } from '@banger/contract/guest/messages.ts';
import type { VmId } from '@banger/contract/names.ts';
import type { Guest } from '../guest/guest.ts';
import type { Drive, DriverAbilities, MachineNetwork } from '../hypervisor/hypervisor.ts';
import type { Task } from '../platform/task.ts';
import type { VmRecord } from '../store/records/vms.ts';

/** What a capability adds to the machine that is about to be launched. */
export type Contribution = {
  drives?: Drive[];
  /** What carries it, and what the guest is to set up on it */
  network?: { is: NonNullable<RunNetwork>; machine: MachineNetwork; guest: InterfaceConfig };
};

export type Capability = {
  name: string;
  /** It has files of the guest's, so a machine that is booted only to read these gets it too, and nothing of the others */
  holdsFiles?: boolean;
  /** Makes what lasts as long as the vm */
  create?(task: Task, vm: VmRecord): Promise<void>;
  remove?(vm: VmRecord): Promise<void>;
  /** Makes what lasts as long as one run of it, for the driver that will run it */
  prepare?(task: Task, vm: VmRecord, abilities: DriverAbilities): Promise<Contribution>;
  release?(vm: VmRecord): Promise<void>;
  /** Makes again, for a machine that an earlier daemon started, what ended with that daemon */
  adopt?(vm: VmRecord): Promise<void>;
  /** Whether what this run was given has ended before it */
  hasEnded?(vm: VmRecord): boolean;
  /** Calls when that ends, whichever daemon gave it. Returns what ends the watch. */
  watchEnd?(vm: VmRecord, onEnd: () => void): () => void;
  /** Finishes inside the guest, once its agent answers and before the vm counts as running */
  finish?(task: Task, vm: VmRecord, guest: Guest): Promise<void>;
  /**
   * After a run by a driver with these abilities, while the vm is stopped and nobody waits. It may take long, is cancelled as
   * soon as anybody wants the vm, and has let go of everything when it ends.
   */
  tidy?(task: Task, vm: VmRecord, ran: DriverAbilities): Promise<void>;
  /** At the daemon's start, once its vms are as they should be: clears what was cut off, and what belongs to no vm */
  sweep?(known: ReadonlySet<VmId>): Promise<void>;
  /** Follows a change of cpus, memory or disk size of a stopped vm; `vm` is the new record */
  resize?(task: Task, vm: VmRecord, before: VmRecord): Promise<void>;
  /** The change did not come to pass: `vm` is the old record. A disk may stay larger */
  unsize?(vm: VmRecord): Promise<void>;
};
