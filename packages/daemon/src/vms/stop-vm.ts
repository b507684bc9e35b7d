/** From a running vm to a stopped one: asked first, made to after a while. */
import { setTimeout as delay } from 'node:timers/promises';
import type { StopReason, StopResult } from '@banger/contract/api/vms.ts';
import { removeRun } from '../platform/remove-run.ts';
import { Task } from '../platform/task.ts';
import type { VmFault, VmRecord } from '../store/records/vms.ts';
import type { RunningVm } from './running-vms.ts';
import { killRun, moveVm, releaseRun, type VmParts } from './vm-parts.ts';
import { expectState } from './vm-states.ts';

/** A machine may end while it is asked to */
const LAST_WORDS_MS = 1000;
const forever = new Promise<never>(() => {});

/** Lets the guest shut down within `timeoutMs`, then kills it; says which it was. Zero kills at once. */
export async function stopVm(
  task: Task,
  parts: VmParts,
  vm: VmRecord,
  timeoutMs: number,
): Promise<StopResult & { vm: VmRecord }> {
  if (vm.state.is === 'stopped') return { how: null, vm };
  expectState(vm, 'running', 'stopped');
  // A machine that does not answer can be killed, and not asked.
  const running = timeoutMs > 0 ? parts.running.get(vm.id, vm.name) : parts.running.find(vm.id);

  task.step(timeoutMs > 0 ? 'shut down' : 'kill');
  // From here on it cannot be cancelled: half a shutdown cannot be undone, and a kill is not what was asked for.
  const stopping = moveVm(parts, vm, { is: 'stopping', machine: vm.state.machine });
  const hasShutDown = running !== null && timeoutMs > 0 && (await shutDown(parts, running, timeoutMs));
  if (!hasShutDown) {
    if (timeoutMs > 0) task.note('It did not shut down in time and is killed.');
    await (running ? running.machine.kill() : killRun(parts, vm.id));
  }
  const how = hasShutDown ? 'shut-down' : 'killed';
  return { how, vm: await finishStop(parts, stopping, how, null) };
}

/** What every end of a run comes to, whoever ended it. */
export async function finishStop(
  parts: VmParts,
  vm: VmRecord,
  why: StopReason,
  fault: VmFault | null,
): Promise<VmRecord> {
  parts.running.remove(vm.id);
  await releaseRun(parts, vm);
  await removeRun(parts.folders.of(vm.id).runtime);
  const stopped = moveVm(parts, vm, { is: 'stopped', why, at: parts.now().toISOString() }, fault);
  if ('machine' in vm.state) parts.tidying.begin(stopped, vm.state.machine);
  return stopped;
}

/** Whether the machine ended by itself in time. */
async function shutDown(parts: VmParts, running: RunningVm, timeoutMs: number): Promise<boolean> {
  const limited = Task.background().within(timeoutMs);
  const asking = (async () => {
    await (await running.guest(limited)).shutdown(limited, 'poweroff', timeoutMs);
  })();
  const refused = asking.then(
    () => forever,
    async (fault) => {
      parts.log.warn('the guest did not take the request to shut down', fault);
      return delay(LAST_WORDS_MS, 'late' as const, { ref: false });
    },
  );
  const late = delay(timeoutMs, 'late' as const, { ref: false });
  return (await Promise.race([running.machine.exited, refused, late])) !== 'late';
}
