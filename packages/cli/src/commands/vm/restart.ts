import { describeState } from '../../describe-vm.ts';
import { forEach } from '../../each-vm.ts';
import type { Run } from '../../load-command.ts';

export const run: Run<'vm restart'> = (cli, input) => {
  const timeoutMs = input.flags.timeout;
  const { wait } = input.flags;
  const waiting = wait === undefined ? {} : { waitFor: wait };
  return forEach(cli, input.arguments.vm, {
    begin: (vm) => cli.client.vmRestart({ vm, ...(timeoutMs !== undefined && { timeoutMs }), ...waiting }),
    describe: ({ state }) => describeState(state),
  });
};
