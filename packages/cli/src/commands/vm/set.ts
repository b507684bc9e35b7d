import { BangerError } from '@banger/contract/errors.ts';
import { describeSize } from '../../describe-vm.ts';
import type { Run } from '../../load-command.ts';
import { watchOperation } from '../../watch-operation.ts';

export const run: Run<'vm set'> = async (cli, input) => {
  const { cpus, memory, 'disk-size': diskSize, driver, network, autostart } = input.flags;
  const change = {
    ...(cpus !== undefined && { cpus }),
    ...(memory !== undefined && { memoryBytes: memory }),
    ...(diskSize !== undefined && { diskBytes: diskSize }),
    ...(driver !== undefined && { driver }),
    ...(network !== undefined && { network }),
    ...(autostart !== undefined && { autostart: autostart === 'on' }),
  };
  if (Object.keys(change).length === 0) {
    throw new BangerError('USAGE', {
      message: '"banger vm set" needs something to change.',
      hint: 'Give --cpus, --memory, --disk-size, --driver, --network or --autostart.',
    });
  }
  const vm = await watchOperation(cli, cli.client.vmSet({ vm: input.arguments.vm, ...change }));
  if (cli.isJson) cli.printJson(vm);
  else {
    const more = [
      ...(driver === undefined ? [] : [`driver ${vm.driver}`]),
      ...(network === undefined ? [] : [`network ${vm.network}`]),
      ...(autostart === undefined ? [] : [`autostart ${autostart}`]),
    ];
    cli.print(`${vm.name}: ${[describeSize(vm), ...more].join(', ')}\n`);
  }
  return 0;
};
