/**
 * The QEMU driver. It starts machines that outlive the daemon, finds them again, and ends them.
 *
 * Everything it leaves on the host is one process and the walls around it, with the vm's runtime folder in their
 * arguments, and its own folder in that one.
 */
import { toBangerError } from '@banger/contract/errors.ts';
import { VM_LIMITS } from '@banger/contract/limits.ts';
import { z } from 'zod';
import type { Log } from '../../platform/log.ts';
import { isAlive } from '../../platform/processes.ts';
import { findStarted } from '../../platform/started.ts';
import type { Task } from '../../platform/task.ts';
import { connectSocket, type OnRead } from '../../platform/unix-sockets.ts';
import { keepBoundedLog } from '../bounded-log.ts';
import { findProgramObstacle } from '../find-obstacle.ts';
import type { Accel, Driver, DriverAbilities, Machine, MachinePlan, MachineRef, RefOf } from '../hypervisor.ts';
import type { ProveKvm } from '../prove-kvm.ts';
import { holdVmm, type StartVmm } from '../shut-in.ts';
import { launchQemu } from './launch-qemu.ts';
import { MachineEvents, QemuMachine } from './machine.ts';
import { machineSockets } from './plan-arguments.ts';
import { createQemuVersion } from './qemu-version.ts';
import { QmpConnection } from './qmp.ts';

const statusSchema = z.object({ status: z.string() });
const LIVING_STATES = ['running', 'paused', 'io-error', 'suspended'];

const INSTALL = 'Install QEMU 7.2 or newer: "sudo apt-get install qemu-system-x86".';

const ABILITIES: DriverAbilities = {
  networks: ['stream'], // a tap is the host's, and QEMU has a network of its own
  maxCpus: VM_LIMITS.cpus.max, // a microvm has up to 288, q35 as many and more
  agentLine: 'virtio-serial',
  endsBy: 'power-off',
  givesBackSpace: true,
  waitsForSpace: true,
};

type QemuParts = {
  qemuPath: string;
  startVmm: StartVmm;
  log: Log;
  proveKvm: ProveKvm;
};

export function createQemuDriver({ qemuPath, startVmm, log, proveKvm }: QemuParts): Driver {
  const qemuVersion = createQemuVersion(qemuPath);
  return {
    name: 'qemu',
    abilities: ABILITIES,
    findObstacle: (task) => findProgramObstacle(() => qemuVersion(task), INSTALL),
    launch,
    adopt,
    readTraffic: () => null, // it carries frames from and to passt by itself, and counts none
  };

  async function launch(task: Task, plan: MachinePlan): Promise<Machine> {
    const version = await qemuVersion(task);
    const hasKvm = await proveKvm(task, {
      ...{ driver: 'qemu', abilities: ABILITIES, version, plan },
      launch: launchUnder('kvm'),
    });
    return launchUnder(hasKvm ? 'kvm' : 'tcg')(task, plan);
  }

  function launchUnder(accel: Accel) {
    return (task: Task, plan: MachinePlan) => launchQemu(task, { qemuPath, startVmm, log }, plan, accel);
  }

  async function adopt(task: Task, ref: MachineRef, consolePath: string): Promise<Machine | 'silent' | null> {
    if (ref.driver !== 'qemu') return null;
    if (!isAlive(ref) || !findStarted(ref.runtimeFolder).some(({ pid }) => pid === ref.pid)) return null;
    try {
      return await adoptQemu(task, log, ref, consolePath);
    } catch (fault) {
      if (!isAlive(ref)) return null;
      log.warn(`QEMU ${ref.pid} is alive but does not answer`, fault);
      return task.signal.aborted || toBangerError(fault).code === 'VM_SILENT' ? 'silent' : null;
    }
  }
}

async function adoptQemu(task: Task, log: Log, ref: RefOf<'qemu'>, consolePath: string): Promise<QemuMachine> {
  const sockets = machineSockets(ref);
  const events = new MachineEvents();
  const qmp = await QmpConnection.connect(task, sockets.qmp, events.take);
  try {
    const { status } = statusSchema.parse(await qmp.execute(task, 'query-status'));
    if (!LIVING_STATES.includes(status)) throw new Error(`its state is "${status}"`);
    const open = (onRead: OnRead) => connectSocket(task, sockets.console, onRead);
    const console = await keepBoundedLog({ open, path: consolePath, log });
    const machine = new QemuMachine({ ref, vmm: holdVmm(ref), qmp, console, events, log });
    if (status !== 'running') events.onStop(); // it stopped while no daemon listened
    return machine;
  } catch (fault) {
    qmp.close();
    throw fault;
  }
}
