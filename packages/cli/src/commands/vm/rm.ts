import { forEach } from '../../each-vm.ts';
import type { Run } from '../../load-command.ts';

export const run: Run<'vm rm'> = (cli, input) =>
  forEach(cli, input.arguments.vm, {
    begin: (vm) => cli.client.vmRemove({ vm, force: input.flags.force }),
    describe: () => 'removed',
  });
