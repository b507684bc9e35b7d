/** User-mode network: a peer process of its own for each run of a vm. */
import type { UserNetwork } from '../network/passt.ts';
import type { Reach } from '../network/reach.ts';
import type { VmRecord } from '../store/records/vms.ts';
import type { VmFolders } from '../store/vm-folders.ts';
import type { Capability } from './capability.ts';

type NetworkParts = {
  folders: VmFolders;
  userNetwork: UserNetwork;
  /** What the config and the vm say now. Throws CONFIG_INVALID. */
  readReach: (vm: VmRecord) => Promise<Reach>;
};

export function createNetworkCapability({ folders, userNetwork, readReach }: NetworkParts): Capability {
  return {
    name: 'network',
    async prepare(task, vm) {
      const link = await userNetwork.connect(task, folders.of(vm.id).runtime, await readReach(vm));
      if (!link) return {};
      return { network: { is: 'user', machine: { by: 'stream', socketPath: link.socketPath }, guest: link.network } };
    },
    hasEnded: ({ id }) => userNetwork.hasEnded(folders.of(id).runtime),
    watchEnd: ({ id }, onEnd) => userNetwork.watchEnd(folders.of(id).runtime, onEnd),
    async release({ id }) {
      await userNetwork.release(folders.of(id).runtime);
    },
  };
}
