/** Writes into a vm's folder what the vm is: after its disk is made, and removes that before the disk. */
import type { VmManifests } from '../store/vm-manifest.ts';
import type { Capability } from './capability.ts';

export function createManifestCapability({ manifests }: { manifests: VmManifests }): Capability {
  return {
    name: 'manifest',
    create: (_task, vm) => manifests.write(vm),
    remove: (vm) => manifests.remove(vm),
    resize: (_task, vm) => manifests.write(vm),
    unsize: (vm) => manifests.write(vm),
  };
}
