import { describeState } from '../../describe-vm.ts';
import { forEach } from '../../each-vm.ts';
import type { Run } from '../../load-command.ts';
import { waitForOf } from '../../wait-for.ts';

export const run: Run<'vm start'> = (cli, input) => {
  const waiting = waitForOf(input.flags.wait);
  return forEach(cli, input.arguments.vm, {
    begin: (vm) => cli.client.vmStart({ vm, ...waiting }),
    describe: ({ state }) => describeState(state),
  });
};
