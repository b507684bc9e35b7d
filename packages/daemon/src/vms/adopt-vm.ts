/**
 * Takes over machines that an earlier daemon started.
 *
 * One that lives and does not answer, on a busy host or since somebody stopped its process, is not lost: its record says
 * so, and it is adopted as soon as it answers. Nothing looks for that: its control socket is connected to, and tells.
 */
import { toBangerError } from '@banger/contract/errors.ts';
import type { Machine } from '../hypervisor/hypervisor.ts';
import type { OneAtATime } from '../platform/one-at-a-time.ts';
import { Task } from '../platform/task.ts';
import type { VmRecord } from '../store/records/vms.ts';
import { createRunningVm } from './running-vms.ts';
import { finishStop } from './stop-vm.ts';
import { raiseFault, takeOverFaults } from './vm-faults.ts';
import { killRun, type VmParts } from './vm-parts.ts';

/** The daemon does not listen before; on a host that is not busy a machine answers within milliseconds */
const FIRST_ANSWER_LIMIT_MS = 2000;

type RunningRecord = VmRecord & { state: { is: 'running' } };

export function isRunning(vm: VmRecord | null): vm is RunningRecord {
  return vm?.state.is === 'running';
}

/** Null when it does not answer yet; its record says so then. One that has gone is stopped as crashed. */
export async function adoptVm(parts: VmParts, vm: RunningRecord): Promise<VmRecord | null> {
  const task = Task.background().within(FIRST_ANSWER_LIMIT_MS);
  const machine = await adoptMachine(task, parts, vm);
  if (machine !== 'silent') return takeOver(parts, vm, machine);
  parts.running.markSilent(vm.id);
  const message = 'Its hypervisor does not answer, as on a busy host; it is used again as soon as it does.';
  parts.records.note({ ...vm, fault: { code: 'VM_SILENT', message, at: parts.now().toISOString() } });
  return null;
}

/** Resolves once a silent machine was adopted, has gone or was ended; `watch` is told of the first. */
export async function adoptWhenItAnswers(
  task: Task,
  parts: VmParts,
  { id }: VmRecord,
  { oneAtATime, watch }: { oneAtATime: OneAtATime; watch: (vm: VmRecord) => void },
): Promise<void> {
  for (;;) {
    const vm = parts.records.findById(id);
    if (!isRunning(vm) || !parts.running.isSilent(id)) return;
    const machine = await adoptMachine(task, parts, vm);
    task.check();
    if (machine === 'silent') continue; // it answered, and then no more
    await oneAtATime.run(task, id, async () => {
      const now = parts.records.findById(id);
      if (isRunning(now) && parts.running.isSilent(id)) watch(await takeOver(parts, now, machine));
      else machine?.release();
    });
    return;
  }
}

function adoptMachine(task: Task, { drivers, folders }: VmParts, { id, state }: RunningRecord) {
  return drivers.of(state.machine).adopt(task, state.machine, folders.of(id).console);
}

async function takeOver(parts: VmParts, vm: RunningRecord, machine: Machine | null): Promise<VmRecord> {
  if (machine === null) {
    await killRun(parts, vm.id);
    const message = 'It ended while no daemon watched, for example when the host went down.';
    return finishStop(parts, vm, 'crashed', { code: 'VM_LOST', message, at: parts.now().toISOString() });
  }
  parts.running.set(vm.id, createRunningVm(vm.name, { machine, guest: null, bootTimeoutMs: parts.bootTimeoutMs }));
  takeOverFaults(parts, vm.id);
  await adoptCapabilities(parts, vm);
  return parts.records.findById(vm.id) ?? vm;
}

/** What one of them could not make again is told; the machine goes on without it. */
async function adoptCapabilities(parts: VmParts, vm: RunningRecord): Promise<void> {
  for (const capability of parts.capabilities) {
    try {
      await capability.adopt?.(vm);
    } catch (thrown) {
      parts.log.warn(`vm ${vm.name}: could not adopt its ${capability.name}`, thrown);
      const { code, message } = toBangerError(thrown);
      raiseFault(parts, vm.id, { code, message: `${message} "banger vm restart ${vm.name}" tries again.` });
    }
  }
}
