/** Routes of ssh. */
import type { Ssh } from '../ssh/ssh.ts';
import type { Vms } from '../vms/vms.ts';
import { briefly, type Handlers } from './handlers.ts';

type SshRoutes = 'vmSsh' | 'sshConfig';

export function sshHandlers({ vms, ssh }: { vms: Vms; ssh: Ssh }): Handlers<SshRoutes> {
  return {
    sshConfig: (call) => ssh.config(briefly(call)),
    vmSsh: async (call) => {
      const task = briefly(call);
      const vm = vms.find(call.params.vm);
      return ssh.open(task, vm, await vms.guest(task, vm.id), vms.imageConfig(vm.id)?.env ?? []);
    },
  };
}
