/** A vm as the owner API shows it: the record, and what its disk takes now. */
import type { Vm, VmState } from '@banger/contract/api/vms.ts';
import { allocatedBytes } from '../platform/files.ts';
import type { VmRecord, VmRecordState } from '../store/records/vms.ts';
import type { VmFolders } from '../store/vm-folders.ts';

export async function showVm(
  { folders }: { folders: VmFolders },
  vm: VmRecord,
): Promise<Omit<Vm, 'idleStopAt' | 'fromHost'>> {
  return {
    id: vm.id,
    name: vm.name,
    state: showState(vm.state),
    fault: vm.fault,
    image: { name: vm.imageName, digest: vm.imageDigest },
    kernel: { name: vm.kernelName, digest: vm.kernelDigest },
    cpus: vm.cpus,
    memoryBytes: vm.memoryBytes,
    diskBytes: vm.diskBytes,
    diskAllocatedBytes: await allocatedBytes(folders.of(vm.id).disk),
    publish: vm.publish,
    hostPorts: vm.hostPorts,
    driver: vm.driver,
    ephemeral: vm.ephemeral,
    createdAt: vm.createdAt,
  };
}

export function showState(state: VmRecordState): VmState {
  if (state.is === 'running') {
    const { pid, driver, accel } = state.machine;
    return { is: 'running', since: state.since, pid, driver, accel };
  }
  return state.is === 'stopping' ? { is: 'stopping' } : state;
}
