/** Changes what a stopped vm gets at its next start. */
import type { VmSet } from '@banger/contract/api/vms.ts';
import type { Task } from '../platform/task.ts';
import { UndoStack } from '../platform/undo-stack.ts';
import type { VmRecord } from '../store/records/vms.ts';
import { checkMemory } from './check-memory.ts';
import { checkNetwork } from './check-network.ts';
import type { VmParts } from './vm-parts.ts';
import { expectState } from './vm-states.ts';

export async function setVm(task: Task, parts: VmParts, vm: VmRecord, change: VmSet): Promise<void> {
  expectState(vm, 'stopped', 'changed');
  const changed: VmRecord = {
    ...vm,
    cpus: change.cpus ?? vm.cpus,
    memoryBytes: change.memoryBytes ?? vm.memoryBytes,
    diskBytes: change.diskBytes ?? vm.diskBytes,
    driver: change.driver ?? vm.driver,
    network: change.network ?? vm.network,
    allow: change.allow ?? vm.allow,
    autostart: change.autostart ?? vm.autostart,
  };
  checkMemory(changed.memoryBytes, parts.readHost());
  checkNetwork(changed);
  parts.drivers.checkLimits(changed);
  if (change.driver !== undefined) await parts.drivers.checkHere(task, changed);
  await using undo = new UndoStack(parts.log);
  // A disk that is larger than its record says is harmless, one that is smaller is not: the file goes first.
  for (const capability of parts.capabilities) {
    undo.add(`put back ${capability.name}`, () => capability.unsize?.(vm));
    await capability.resize?.(task, changed, vm);
  }
  parts.records.update(changed);
  undo.keep();
}
