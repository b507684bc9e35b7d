import { describeStop } from '../../describe-vm.ts';
import { forEach } from '../../each-vm.ts';
import type { Run } from '../../load-command.ts';

export const run: Run<'vm kill'> = (cli, input) =>
  forEach(cli, input.arguments.vm, { begin: (vm) => cli.client.vmKill({ vm }), describe: describeStop });
