/** A vm as the owner API shows it: the record, and what its disk takes now. */
import type { ImageConfig } from '@banger/contract/api/image-config.ts';
import type { Vm, VmState } from '@banger/contract/api/vms.ts';
import { addressOf } from '@banger/contract/privileged/places.ts';
import type { Images } from '../images/images.ts';
import { allocatedBytes } from '../platform/files.ts';
import type { VmRecord, VmRecordState } from '../store/records/vms.ts';
import type { VmFolders } from '../store/vm-folders.ts';

export async function showVm(
  { folders, images }: { folders: VmFolders; images: Pick<Images, 'configOf'> },
  vm: VmRecord,
): Promise<Omit<Vm, 'idleStopAt' | 'fromHost'>> {
  return {
    id: vm.id,
    name: vm.name,
    state: showState(vm.state),
    fault: vm.fault,
    image: { name: vm.imageName, digest: vm.imageDigest, hasCommand: hasCommand(images.configOf(vm.imageDigest)) },
    kernel: { name: vm.kernelName, digest: vm.kernelDigest },
    cpus: vm.cpus,
    memoryBytes: vm.memoryBytes,
    diskBytes: vm.diskBytes,
    diskAllocatedBytes: await allocatedBytes(folders.of(vm.id).disk),
    publish: vm.publish,
    hostPorts: vm.hostPorts,
    driver: vm.driver,
    network: vm.network,
    allow: vm.allow,
    address: keptAddress(vm),
    autostart: vm.autostart,
    ephemeral: vm.ephemeral,
    createdAt: vm.createdAt,
  };
}

function hasCommand(config: ImageConfig | null): boolean {
  return config !== null && config.entrypoint.length + config.command.length > 0;
}

/** At which the host reaches it now; null where it does not run, or has no address of its own. */
export function reachedAt({ state, place }: VmRecord): string | null {
  return state.is === 'running' && state.network === 'routed' && place !== null ? addressOf(place) : null;
}

/** One that runs without it has none. */
function keptAddress(vm: VmRecord): string | null {
  if (vm.state.is === 'running') return reachedAt(vm);
  return vm.place === null || vm.network === 'user' || vm.network === 'none' ? null : addressOf(vm.place);
}

export function showState(state: VmRecordState): VmState {
  if (state.is === 'running') {
    const { pid, driver, accel } = state.machine;
    return { is: 'running', since: state.since, pid, driver, accel, network: state.network };
  }
  return state.is === 'stopping' ? { is: 'stopping' } : state;
}
