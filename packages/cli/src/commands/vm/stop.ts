import { formatDuration } from '@banger/contract/sizes.ts';
import { describeStop } from '../../describe-vm.ts';
import { forEach } from '../../each-vm.ts';
import type { Run } from '../../load-command.ts';

export const run: Run<'vm stop'> = (cli, input) => {
  const timeoutMs = input.flags.timeout;
  const limit = timeoutMs === undefined ? 'the time limit' : formatDuration(timeoutMs);
  return forEach(cli, input.arguments.vm, {
    begin: (vm) => cli.client.vmStop({ vm, ...(timeoutMs !== undefined && { timeoutMs }) }),
    describe: (result) => (result.how === 'killed' ? `killed after ${limit}` : describeStop(result)),
  });
};
