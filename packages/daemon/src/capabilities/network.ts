/** User-mode network: a peer process of its own for each run of a vm. */
import type { UserNetwork } from '../network/passt.ts';
import type { VmFolders } from '../store/vm-folders.ts';
import type { Capability } from './capability.ts';

export function createNetworkCapability(parts: { folders: VmFolders; userNetwork: UserNetwork }): Capability {
  const { folders, userNetwork } = parts;
  return {
    name: 'network',
    async prepare(task, { id }) {
      const link = await userNetwork.connect(task, folders.of(id).runtime);
      return link ? { networkSocket: link.socketPath, network: link.network } : {};
    },
    async release({ id }) {
      await userNetwork.release(folders.of(id).runtime);
    },
  };
}
