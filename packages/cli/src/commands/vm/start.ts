import { describeState } from '../../describe-vm.ts';
import { forEach } from '../../each-vm.ts';
import type { Run } from '../../load-command.ts';

export const run: Run<'vm start'> = (cli, input) => {
  const { wait } = input.flags;
  const waiting = wait === undefined ? {} : { waitFor: wait };
  return forEach(cli, input.arguments.vm, {
    begin: (vm) => cli.client.vmStart({ vm, ...waiting }),
    describe: ({ state }) => describeState(state),
  });
};
