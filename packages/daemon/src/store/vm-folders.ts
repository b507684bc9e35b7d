/** Where a vm's files are. One folder for what lasts, one for the sockets of the present run. */
import { join } from 'node:path';
import type { VmId } from '@banger/contract/names.ts';

export type VmFolders = ReturnType<typeof createVmFolders>;

export function createVmFolders({ dataFolder, runtimeFolder }: { dataFolder: string; runtimeFolder: string }) {
  const data = join(dataFolder, 'vms');
  const runtime = join(runtimeFolder, 'vms');
  return {
    /** The parents, whose entries are vm ids */
    data,
    runtime,
    of(id: VmId) {
      return {
        data: join(data, id),
        disk: join(data, id, 'disk.ext4'),
        manifest: join(data, id, 'vm.json'),
        brought: join(data, id, 'brought.json'),
        console: join(data, id, 'console.log'),
        hypervisorLog: join(data, id, 'hypervisor.log'),
        runtime: join(runtime, id),
        machine: join(runtime, id, 'machine.json'),
      };
    },
  };
}
