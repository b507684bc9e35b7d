/** What a run is connected by: an address of its own, this host's, or nothing. */
import { BangerError } from '@banger/contract/errors.ts';
import { chooseNetwork } from '../network/choose-network.ts';
import { watchEnd } from '../network/held.ts';
import type { UserNetwork } from '../network/passt.ts';
import type { OwnersReach } from '../network/reach.ts';
import type { RoutedNetwork } from '../network/routed.ts';
import type { Task } from '../platform/task.ts';
import type { VmRecord } from '../store/records/vms.ts';
import type { VmFolders } from '../store/vm-folders.ts';
import type { Capability, Contribution } from './capability.ts';

type NetworkParts = {
  folders: VmFolders;
  user: UserNetwork;
  routed: RoutedNetwork;
  /** What the config and the vm say now. Throws CONFIG_INVALID. */
  readReach: (vm: VmRecord) => Promise<OwnersReach>;
};

export function createNetworkCapability({ folders, user, routed, readReach }: NetworkParts): Capability {
  const runtimeOf = ({ id }: Pick<VmRecord, 'id'>) => folders.of(id).runtime;
  return {
    name: 'network',
    async prepare(task, vm, { networks }) {
      const reach = await readReach(vm);
      const { network, note } = await chooseNetwork(vm.network, reach.hostPorts, () => routed.look(task, vm.place));
      if (note !== null) task.note(note);
      if (network === 'none') return {};
      if (!networks.includes('stream')) throw takesNone(vm);
      return network === 'routed' ? connectRouted(task, vm, reach) : connectUser(task, vm, reach);
    },
    hasEnded: (vm) => user.hasEnded(runtimeOf(vm)) || routed.hasEnded(runtimeOf(vm)),
    watchEnd: (vm, onEnd) => watchEnd(runtimeOf(vm), onEnd),
    async release(vm) {
      await user.release(runtimeOf(vm));
      await routed.release(vm.id, runtimeOf(vm));
    },
    sweep: () => routed.sweep(),
  };

  async function connectRouted(task: Task, vm: VmRecord, { allowed, hostPorts }: OwnersReach): Promise<Contribution> {
    if (hostPorts.length > 0) {
      task.note(
        `The machine does not reach ports of the host's loopback (${hostPorts.join(', ')}) from its own address.`,
      );
    }
    const { socketPath, network } = await routed.connect(task, vm, runtimeOf(vm), allowed);
    return { network: { is: 'routed', machine: { by: 'stream', socketPath }, guest: network } };
  }

  async function connectUser(task: Task, vm: VmRecord, reach: OwnersReach): Promise<Contribution> {
    const beyond = vm.allow.filter((each) => each !== 'private');
    if (beyond.length > 0) task.note(`Without an address of its own the machine does not reach: ${beyond.join(', ')}.`);
    const link = await user.connect(task, runtimeOf(vm), reach);
    if (!link) return {};
    return { network: { is: 'user', machine: { by: 'stream', socketPath: link.socketPath }, guest: link.network } };
  }
}

function takesNone({ name }: VmRecord): BangerError {
  return new BangerError('NETWORK_FAILED', {
    message: `The hypervisor of "${name}" takes no network that this host gives.`,
    hint: `"banger vm set --network none ${name}" starts it without one.`,
  });
}
