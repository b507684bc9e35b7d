import type { Reach } from '@banger/contract/api/vms.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { describeSize } from '../../describe-vm.ts';
import type { Run } from '../../load-command.ts';
import { watchOperation } from '../../watch-operation.ts';

export const run: Run<'vm set'> = async (cli, input) => {
  const { cpus, memory, 'disk-size': diskSize, driver, network, autostart } = input.flags;
  const allow = readAllow(input.flags.allow);
  const change = {
    ...(cpus !== undefined && { cpus }),
    ...(memory !== undefined && { memoryBytes: memory }),
    ...(diskSize !== undefined && { diskBytes: diskSize }),
    ...(driver !== undefined && { driver }),
    ...(network !== undefined && { network }),
    ...(allow !== undefined && { allow }),
    ...(autostart !== undefined && { autostart: autostart === 'on' }),
  };
  if (Object.keys(change).length === 0) {
    throw new BangerError('USAGE', {
      message: '"banger vm set" needs something to change.',
      hint: 'Give --cpus, --memory, --disk-size, --driver, --network, --allow or --autostart.',
    });
  }
  const vm = await watchOperation(cli, cli.client.vmSet({ vm: input.arguments.vm, ...change }));
  if (cli.isJson) cli.printJson(vm);
  else {
    const more = [
      ...(driver === undefined ? [] : [`driver ${vm.driver}`]),
      ...(network === undefined ? [] : [`network ${vm.network}`]),
      ...(allow === undefined ? [] : [`allow ${vm.allow.join(', ') || 'none'}`]),
      ...(autostart === undefined ? [] : [`autostart ${autostart}`]),
    ];
    cli.print(`${vm.name}: ${[describeSize(vm), ...more].join(', ')}\n`);
  }
  return 0;
};

function readAllow(words: readonly (Reach | 'none')[]): Reach[] | undefined {
  if (words.length === 0) return undefined;
  const reaches = [...new Set(words)].filter((word) => word !== 'none');
  if (reaches.length > 0 && words.includes('none')) {
    throw new BangerError('USAGE', {
      message: `"--allow none" goes with no other: ${reaches.join(', ')}.`,
      hint: 'Leave out the one or the other.',
    });
  }
  return reaches;
}
