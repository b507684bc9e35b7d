/**
 * What a machine does unasked, and how its record follows: it waits for space, its agent or its network is gone, it reboots, it ends.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { MachineExit, MachineStall } from '../hypervisor/hypervisor.ts';
import type { OneAtATime } from '../platform/one-at-a-time.ts';
import { Task } from '../platform/task.ts';
import type { VmRecord } from '../store/records/vms.ts';
import { consoleBytes, findReason, readConsoleTail } from './console.ts';
import { createRebootLimit, REBOOTS } from './reboot-limit.ts';
import { finishStop } from './stop-vm.ts';
import { clearFault, hasFault, raiseFault } from './vm-faults.ts';
import type { VmParts } from './vm-parts.ts';

/** Far more than lies between the end of a machine and that of its network */
const MOMENT_MS = 1000;

type WatchParts = {
  parts: VmParts;
  oneAtATime: OneAtATime;
  startAgain: (vm: VmRecord) => Promise<unknown>;
  tellTime: (vm: VmRecord) => Promise<void>;
};

export function createWatch({ parts, oneAtATime, startAgain, tellTime }: WatchParts) {
  const { records, running, folders, log } = parts;
  const rebootLimit = createRebootLimit(parts);
  return { watch, forget: rebootLimit.forget };

  /** From now to the end of this run. */
  function watch(record: VmRecord): void {
    const { id, name, state } = record;
    if (state.is !== 'running') return;
    const { pid } = state.machine;
    const vm = running.find(id);
    const machine = vm?.machine;
    const consoleFrom = consoleBytes(folders.of(id).console); // a panic of an earlier run is no reason for this one
    machine?.onStall((stall) => noteStall(record, stall));
    if (hasFault(parts, id, 'DISK_FULL') && machine?.stall === null) noteStall(record, null); // it went on while no daemon looked
    vm?.onAgentLost((isLost) => noteAgent(record, isLost));
    if (parts.capabilities.some((capability) => capability.hasEnded?.(record))) noteNetwork(record); // while nobody watched
    const watches = machine ? watchCapabilities(record, machine.exited) : [];
    void machine?.exited.then(async (exit) => {
      for (const end of watches) end();
      try {
        await oneAtATime.run(Task.background(), id, async () => {
          const vm = records.findById(id);
          if (vm?.state.is === 'running' && vm.state.machine.pid === pid) await endedUnasked(vm, exit, consoleFrom);
        });
      } catch (fault) {
        log.warn(`vm ${name} ended, and its record could not follow`, fault);
      }
    });
  }

  /** The guest waits while the host's disk is full, and its record says so; nothing is lost. */
  function noteStall({ id, name }: VmRecord, stall: MachineStall | null): void {
    log.info(`vm ${name} ${stall ? `waits: ${stall}` : 'goes on'}`);
    const message = 'It waits, since the filesystem of its disk on the host is full; it goes on once there is space.';
    if (stall) raiseFault(parts, id, { code: 'DISK_FULL', message });
    else clearFault(parts, id, 'DISK_FULL');
    const vm = records.findById(id);
    if (!stall && vm) void tellTime(vm);
  }

  /** What a run was given ends with it, a moment before that is known: only what ends without it is told. */
  function watchCapabilities(record: VmRecord, exited: Promise<MachineExit>): (() => void)[] {
    const tell = async () => {
      const moment = delay(MOMENT_MS, null, { ref: false });
      if ((await Promise.race([exited, moment])) === null) noteNetwork(record);
    };
    return parts.capabilities.flatMap((capability) => capability.watchEnd?.(record, () => void tell()) ?? []);
  }

  /** A machine whose network has ended runs on without one: its hypervisor does not connect again. */
  function noteNetwork({ id, name }: VmRecord): void {
    const message = `Its network has ended, so it reaches nothing; "banger vm restart ${name}" gives it a new one.`;
    if (raiseFault(parts, id, { code: 'NETWORK_FAILED', message })) log.info(`vm ${name}: its network has ended`);
  }

  /** A machine whose agent is gone runs on, and nobody reaches it. */
  function noteAgent({ id, name }: VmRecord, isLost: boolean): void {
    const message = `Its agent does not answer, so nothing can be asked of it; "banger vm kill ${name}" ends it.`;
    const isNews = isLost ? raiseFault(parts, id, { code: 'VM_LOST', message }) : clearFault(parts, id, 'VM_LOST');
    if (isNews) log.info(`vm ${name}: its agent ${isLost ? 'does not answer' : 'answers again'}`);
  }

  async function endedUnasked(vm: VmRecord, exit: MachineExit, consoleFrom: number): Promise<void> {
    log.info(`vm ${vm.name} ended by itself: ${exit.detail}`);
    const lines = await readConsoleTail(folders.of(vm.id).console, consoleFrom);
    const reason = findReason(lines);
    if (exit.by === 'guest' && reason === null) {
      const stopped = await finishStop(parts, vm, 'guest', null);
      if (exit.how === 'reset' && !vm.ephemeral) await comeBack(stopped);
      return;
    }
    const what = reason ?? `It ended unasked: ${exit.detail}.`;
    const message = [`${what} The last lines of its console:`, ...lines.slice(-12)].join('\n  ');
    await finishStop(parts, vm, 'crashed', { code: 'VM_LOST', message, at: parts.now().toISOString() });
  }

  /** A guest that rebooted: its machine ended, and is started like any other. */
  async function comeBack(vm: VmRecord): Promise<void> {
    if (!rebootLimit.mayComeBack(vm.id)) {
      const message = `It rebooted ${REBOOTS.max + 1} times within ${REBOOTS.withinMs / 60_000} min, so it stays off.`;
      records.note({ ...vm, fault: { code: 'VM_LOST', message, at: parts.now().toISOString() } });
      return;
    }
    log.info(`vm ${vm.name} rebooted and is started again`);
    await startAgain(vm);
  }
}
