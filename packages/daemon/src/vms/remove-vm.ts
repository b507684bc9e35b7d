/** The vm and everything that it has on the host goes. */
import { BangerError } from '@banger/contract/errors.ts';
import { removeTree } from '../platform/files.ts';
import { removeRun } from '../platform/remove-run.ts';
import type { Task } from '../platform/task.ts';
import type { VmRecord } from '../store/records/vms.ts';
import { killRun, moveVm, releaseRun, type VmParts } from './vm-parts.ts';

export async function removeVm(task: Task, parts: VmParts, vm: VmRecord, force: boolean): Promise<void> {
  if (vm.state.is === 'running' && !force) {
    throw new BangerError('VM_WRONG_STATE', {
      message: `"${vm.name}" is running.`,
      hint: `Stop it with "banger vm stop ${vm.name}", or remove it as it is with "banger vm rm --force ${vm.name}".`,
      details: { vm: vm.name },
    });
  }
  task.step('remove');
  const removing = vm.state.is === 'removing' ? vm : moveVm(parts, vm, { is: 'removing' });
  await finishRemove(parts, removing);
  await releaseBases(parts, removing);
}

/** Its name may mean another image by now: then nobody needs the one that it was made from. */
async function releaseBases({ images, kernels, log }: VmParts, { imageDigest, kernelDigest }: VmRecord): Promise<void> {
  try {
    await images.release(imageDigest);
    await kernels.release(kernelDigest);
  } catch (fault) {
    log.warn('what no vm needs any more could not be removed', fault); // the next daemon tries again
  }
}

/** From the intent on there is no way back: this is also what reconcile does with what a dead daemon left. */
export async function finishRemove(parts: VmParts, vm: VmRecord): Promise<void> {
  await parts.running.find(vm.id)?.machine.kill();
  if (parts.running.isSilent(vm.id)) await killRun(parts, vm.id);
  parts.running.remove(vm.id);
  await releaseRun(parts, vm);
  await removeRun(parts.folders.of(vm.id).runtime);
  for (const capability of [...parts.capabilities].reverse()) await capability.remove?.(vm);
  await removeTree(parts.folders.of(vm.id).data);
  parts.records.remove(vm.id);
}
