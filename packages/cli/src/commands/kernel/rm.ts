import { forEach } from '../../each-vm.ts';
import type { Run } from '../../load-command.ts';

export const run: Run<'kernel rm'> = (cli, input) =>
  forEach(cli, input.arguments.kernel, {
    begin: (kernel) => cli.client.kernelRemove({ kernel }),
    describe: () => 'removed',
  });
