/**
 * The Firecracker driver. It starts machines that outlive the daemon, finds them again, and ends them.
 *
 * Everything it leaves on the host is one process with the vm's runtime folder in its arguments, and what is in that
 * folder. It needs KVM.
 */
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { readGuestTraffic } from '../../platform/device-traffic.ts';
import { readSmallFile } from '../../platform/files.ts';
import type { Log } from '../../platform/log.ts';
import { isAlive, isStopped } from '../../platform/processes.ts';
import { findStarted } from '../../platform/started.ts';
import type { Task } from '../../platform/task.ts';
import { UndoStack } from '../../platform/undo-stack.ts';
import { findProgramObstacle } from '../find-obstacle.ts';
import type {
  Driver,
  DriverAbilities,
  Machine,
  MachinePlan,
  MachineRef,
  Obstacle,
  RefOf,
  Trial,
} from '../hypervisor.ts';
import { canOpen, type ProveKvm } from '../prove-kvm.ts';
import { holdVmm, type StartVmm } from '../shut-in.ts';
import { askFirecracker, holdFirecracker } from './api.ts';
import { createFirecrackerVersion } from './firecracker-version.ts';
import { GuestSockets } from './guest-sockets.ts';
import type { HaltLooks } from './halt-watch.ts';
import { launchFirecracker } from './launch-firecracker.ts';
import { FirecrackerMachine } from './machine.ts';
import { keepOutputs } from './outputs.ts';
import { machineFiles, TAP_OF_STREAM } from './plan-config.ts';
import { HOST_ROOM, type RoomSource } from './space-watch.ts';

const ABILITIES: DriverAbilities = {
  networks: ['stream', 'tap'],
  maxCpus: 32,
  agentLine: 'vsock',
  endsBy: 'reset',
  givesBackSpace: false,
  waitsForSpace: true,
};

const INSTALL = '"banger hypervisor pull firecracker" fetches it. QEMU runs vms without it.';
const NO_KVM = {
  why: 'KVM runs no guests here, and Firecracker needs it',
  hint: '"banger doctor" says why. QEMU runs vms without KVM.',
};

/** Between two questions to one that is busy, or that many ask */
const ASK_AGAIN_MS = 500;

type FirecrackerParts = {
  /** Where its program is now: another one may have been pulled */
  findProgram: () => Promise<string>;
  /** What makes a tap of a stream */
  linkPath: string;
  startVmm: StartVmm;
  log: Log;
  proveKvm: ProveKvm;
  room?: RoomSource;
  looks?: HaltLooks;
  kvmDevice?: string;
};

export function createFirecrackerDriver(parts: FirecrackerParts): Driver {
  const { findProgram, log, proveKvm, room = HOST_ROOM, looks, kvmDevice = '/dev/kvm' } = parts;
  const firecrackerVersion = createFirecrackerVersion();
  return {
    name: 'firecracker',
    abilities: ABILITIES,
    findObstacle,
    launch,
    adopt,
    readTraffic: ({ pid }) => readGuestTraffic(pid, TAP_OF_STREAM),
  };

  async function findObstacle(task: Task, trial: Trial | null): Promise<Obstacle | null> {
    const program = await findProgram();
    const obstacle = await findProgramObstacle(() => firecrackerVersion(task, program), INSTALL);
    if (obstacle) return obstacle;
    if (trial === null) return (await canOpen(kvmDevice)) ? null : NO_KVM;
    const version = await firecrackerVersion(task, program);
    const hasKvm = await proveKvm(task, {
      ...{ driver: 'firecracker', abilities: ABILITIES, version },
      ...{ plan: trial, launch },
    });
    return hasKvm ? null : NO_KVM;
  }

  async function launch(task: Task, plan: MachinePlan): Promise<Machine> {
    return launchFirecracker(task, { ...parts, room, looks, firecrackerPath: await findProgram() }, plan);
  }

  async function adopt(task: Task, ref: MachineRef, consolePath: string): Promise<Machine | 'silent' | null> {
    if (ref.driver !== 'firecracker') return null;
    if (!isAlive(ref) || !findStarted(ref.runtimeFolder).some(({ pid }) => pid === ref.pid)) return null;
    // One that was stopped for want of space answers once it goes on, which it does when it is looked after again.
    const isStalled = existsSync(machineFiles(ref.runtimeFolder).stalled) && isStopped(ref);
    const answer = isStalled ? 'ours' : await askUntilAnswered(task, ref, log);
    return answer === 'ours' ? takeOver(task, ref, { isStalled, consolePath, room, looks, log }) : answer;
  }
}

async function askUntilAnswered(task: Task, ref: RefOf<'firecracker'>, log: Log): Promise<'ours' | 'silent' | null> {
  for (let attempt = 1; isAlive(ref); attempt++) {
    try {
      const { id } = await askFirecracker(task, machineFiles(ref.runtimeFolder).api);
      return id === ref.answersAs ? 'ours' : null;
    } catch (fault) {
      if (attempt === 1) log.warn(`Firecracker ${ref.pid} is alive but does not answer`, fault);
      const isSilent = task.signal.aborted || (fault as NodeJS.ErrnoException).code === 'ECONNRESET';
      if (!isSilent) return null;
      await delay(ASK_AGAIN_MS, undefined, { ref: false, signal: task.signal }).catch(() => {});
      if (task.signal.aborted) return isAlive(ref) ? 'silent' : null;
    }
  }
  return null;
}

type Adoption = { isStalled: boolean; consolePath: string; room: RoomSource; looks: HaltLooks | undefined; log: Log };

async function takeOver(
  task: Task,
  ref: RefOf<'firecracker'>,
  { isStalled, consolePath, room, looks, log }: Adoption,
): Promise<Machine | null> {
  const files = machineFiles(ref.runtimeFolder);
  await using undo = new UndoStack(log);
  try {
    const api = await holdFirecracker(task, files.api);
    undo.add('let go of its control socket', () => void api.destroy());
    const outputs = await keepOutputs(files, consolePath, log);
    undo.add('let go of what it writes', outputs.stop);
    const sockets = await GuestSockets.listen(files, { isBooting: false });
    const disks = readDisks(files.config);
    undo.keep();
    return new FirecrackerMachine({
      ...{ ref, vmm: holdVmm(ref), api, sockets, outputs, disks, room, looks, log },
      ...{ ending: null, stall: isStalled ? 'disk-full' : null },
    });
  } catch (fault) {
    if (isAlive(ref)) throw fault;
    return null;
  }
}

const disksSchema = z.object({ drives: z.array(z.object({ path_on_host: z.string(), is_read_only: z.boolean() })) });

/** The files that the guest writes to, from the configuration that its machine was started with. */
function readDisks(configPath: string): string[] {
  const { drives } = disksSchema.parse(JSON.parse(readSmallFile(configPath)));
  return drives.filter((drive) => !drive.is_read_only).map((drive) => drive.path_on_host);
}
