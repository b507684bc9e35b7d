/** What the stories of a vm's life are told with. */
import type { VmDefaults } from '@banger/contract/api/config.ts';
import type { FromHost } from '@banger/contract/api/vms.ts';
import type { VmId } from '@banger/contract/names.ts';
import type { Capability } from '../capabilities/capability.ts';
import type { Drivers } from '../hypervisor/drivers.ts';
import type { Images } from '../images/images.ts';
import type { Kernels } from '../kernels/kernels.ts';
import type { Host } from '../platform/host.ts';
import type { Log } from '../platform/log.ts';
import { killStarted } from '../platform/started.ts';
import type { VmFault, VmRecord, VmRecordState, VmRecords } from '../store/records/vms.ts';
import type { VmFolders } from '../store/vm-folders.ts';
import type { BroughtIn } from './left-out.ts';
import type { RunningVms } from './running-vms.ts';
import type { Tidying } from './tidying.ts';
import { assertMove } from './vm-states.ts';

export type VmParts = {
  records: VmRecords;
  running: RunningVms;
  tidying: Tidying;
  folders: VmFolders;
  /** In the order in which they are made; undone in reverse */
  capabilities: readonly Capability[];
  drivers: Drivers;
  images: Images;
  kernels: Kernels;
  log: Log;
  now: () => Date;
  /** Milliseconds since some moment, by a clock that nobody sets */
  monotonicMs: () => number;
  readHost: () => Host;
  /** Whether the running vms may be promised more memory than the host has. Throws CONFIG_INVALID. */
  mayOvercommit: () => Promise<boolean>;
  /** How long nobody may use a vm before it is stopped; null is forever. Throws CONFIG_INVALID. */
  readIdleLimitMs: () => Promise<number | null>;
  /** Which of the host's settings vms get at each start. Throws CONFIG_INVALID. */
  readFromHost: () => Promise<FromHost[]>;
  /** What a vm gets when nobody says. Throws CONFIG_INVALID. */
  readDefaults: () => Promise<VmDefaults>;
  /** What was brought into a vm and is no part of an image of it. Throws CONFIG_INVALID, FILE_NOT_FOUND. */
  readBrought: (id: VmId) => Promise<BroughtIn>;
  /** How long a guest may take from launch to its agent's hello */
  bootTimeoutMs: number;
};

/** What only tells that a run or a vm ends: it must not wait for room on the disk, which is what it makes. */
const ENDINGS: readonly VmRecordState['is'][] = ['stopping', 'stopped', 'removing'];

/** Writes the new state down, durably unless it is an ending on a full disk, and gives the new record. */
export function moveVm(
  { records }: Pick<VmParts, 'records'>,
  vm: VmRecord,
  state: VmRecordState,
  fault: VmFault | null = vm.fault,
): VmRecord {
  assertMove(vm.state.is, state.is);
  const moved = { ...vm, state, fault };
  if (ENDINGS.includes(state.is)) records.note(moved);
  else records.update(moved);
  return moved;
}

/** Ends all that was started for its run, by whichever daemon. */
export async function killRun({ folders }: Pick<VmParts, 'folders'>, id: VmId): Promise<void> {
  await killStarted(folders.of(id).runtime);
}

/** What one run of a vm left on the host goes; safe to repeat. */
export async function releaseRun(
  { capabilities, log }: Pick<VmParts, 'capabilities' | 'log'>,
  vm: VmRecord,
): Promise<void> {
  for (const capability of [...capabilities].reverse()) {
    try {
      await capability.release?.(vm);
    } catch (fault) {
      log.warn(`vm ${vm.name}: could not release ${capability.name}`, fault);
    }
  }
}
