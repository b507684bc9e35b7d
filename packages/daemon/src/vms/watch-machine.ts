/**
 * What a machine does unasked, and how its record follows: it waits for space, its agent or its network is gone, it reboots, it ends.
 */
import type { MachineExit, MachineStall } from '../hypervisor/hypervisor.ts';
import type { OneAtATime } from '../platform/one-at-a-time.ts';
import { Task } from '../platform/task.ts';
import type { VmRecord } from '../store/records/vms.ts';
import { consoleBytes, findReason, readConsoleTail } from './console.ts';
import { createRebootLimit, REBOOTS } from './reboot-limit.ts';
import { finishStop } from './stop-vm.ts';
import type { VmParts } from './vm-parts.ts';

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
    const { id, name, state, fault } = record;
    if (state.is !== 'running') return;
    const { pid } = state.machine;
    const vm = running.find(id);
    const machine = vm?.machine;
    const consoleFrom = consoleBytes(folders.of(id).console); // a panic of an earlier run is no reason for this one
    machine?.onStall((stall) => noteStall(id, stall));
    if (fault?.code === 'DISK_FULL' && machine?.stall === null) noteStall(id, null); // it went on while no daemon looked
    machine?.onNetworkEnd(() => noteNetwork(id));
    if (parts.capabilities.some((capability) => capability.hasEnded?.(record))) noteNetwork(id); // while nobody watched
    vm?.onAgentLost((isLost) => noteAgent(id, isLost));
    void machine?.exited.then(async (exit) => {
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
  function noteStall(id: VmRecord['id'], stall: MachineStall | null): void {
    const vm = records.findById(id);
    if (vm?.state.is !== 'running') return;
    const message = 'It waits, since the filesystem of its disk on the host is full; it goes on once there is space.';
    log.info(`vm ${vm.name} ${stall ? `waits: ${stall}` : 'goes on'}`);
    if (!stall) void tellTime(vm);
    records.note({ ...vm, fault: stall && { code: 'DISK_FULL', message, at: parts.now().toISOString() } });
  }

  /** A machine whose network has ended runs on without one: its hypervisor does not connect again. */
  function noteNetwork(id: VmRecord['id']): void {
    const vm = records.findById(id);
    if (vm?.state.is !== 'running' || vm.fault !== null) return;
    log.info(`vm ${vm.name}: its network has ended`);
    const message = `Its network has ended, so it reaches nothing; "banger vm restart ${vm.name}" gives it a new one.`;
    records.note({ ...vm, fault: { code: 'NETWORK_FAILED', message, at: parts.now().toISOString() } });
  }

  /** A machine whose agent is gone runs on, and nobody reaches it. */
  function noteAgent(id: VmRecord['id'], isLost: boolean): void {
    const vm = records.findById(id);
    const isToldOtherwise = isLost ? vm?.fault?.code === 'DISK_FULL' : vm?.fault?.code !== 'VM_LOST';
    if (vm?.state.is !== 'running' || isToldOtherwise) return;
    log.info(`vm ${vm.name}: its agent ${isLost ? 'does not answer' : 'answers again'}`);
    const message = `Its agent does not answer, so nothing can be asked of it; "banger vm kill ${vm.name}" ends it.`;
    records.note({ ...vm, fault: isLost ? { code: 'VM_LOST', message, at: parts.now().toISOString() } : null });
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
