/** The folder of a vm tells what it is. After the disk when it is made, before it when it goes. */
import type { VmManifests } from '../store/vm-manifest.ts';
import type { Capability } from './capability.ts';

export function createManifestCapability({ manifests }: { manifests: VmManifests }): Capability {
  return {
    name: 'manifest',
    create: (_task, vm) => manifests.write(vm),
    remove: (vm) => manifests.remove(vm),
    resize: (_task, vm) => manifests.write(vm),
  };
}
