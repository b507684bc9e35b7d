/** What ssh keeps of a vm goes with the vm. It is made at the first use, so that a vm without ssh starts no slower. */
import type { Ssh } from '../ssh/ssh.ts';
import type { Capability } from './capability.ts';

export function createSshCapability({ ssh }: { ssh: Ssh }): Capability {
  return {
    name: 'ssh',
    remove: (vm) => ssh.forget(vm),
    release: async (vm) => ssh.closed(vm),
    sweep: () => ssh.sweep(),
  };
}
