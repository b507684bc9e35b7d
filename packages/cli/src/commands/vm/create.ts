import type { VmCreate } from '@banger/contract/api/vms.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { parsePort, parsePublish } from '@banger/contract/forward.ts';
import { checkImageChoice } from '@banger/contract/image-ref.ts';
import { parseCatalogName, parseVmName } from '@banger/contract/names.ts';
import type { Cli } from '../../cli.ts';
import type { Input } from '../../commands.ts';
import type { Run } from '../../load-command.ts';
import { registryAccess } from '../../registry-access.ts';
import { watchOperation } from '../../watch-operation.ts';

export const run: Run<'vm create'> = async (cli, { flags }) => {
  if (flags.wait !== undefined && !flags.start) {
    throw new BangerError('USAGE', {
      message: '--wait means nothing for a vm that is not started.',
      hint: 'Add --start, or wait with "banger vm start".',
    });
  }
  const vm = await watchOperation(cli, cli.client.vmCreate({ ...vmCreateBody(cli, flags), start: flags.start }));
  if (cli.isJson) cli.printJson(vm);
  else cli.print(`${vm.name}\n`);
  return 0;
};

/** Only what was said: the daemon knows the defaults. */
export function vmCreateBody(cli: Cli, flags: Omit<Input<'vm create'>['flags'], 'start'>): VmCreate {
  const { name, image, kernel, cpus, memory, 'disk-size': diskSize, publish, 'host-port': hostPorts } = flags;
  return {
    ...(flags.wait !== undefined && { waitFor: flags.wait }),
    ...(name !== undefined && { name: parseVmName(name) }),
    ...(image !== undefined && { image: checkImageChoice(image), access: registryAccess(cli) }),
    ...(flags.pull !== undefined && { pull: flags.pull }),
    ...(kernel !== undefined && { kernel: parseCatalogName(kernel) }),
    ...(cpus !== undefined && { cpus }),
    ...(memory !== undefined && { memoryBytes: memory }),
    ...(diskSize !== undefined && { diskBytes: diskSize }),
    ...(flags.driver !== undefined && { driver: flags.driver }),
    ...(flags.network !== undefined && { network: flags.network }),
    ...(flags.allow.length > 0 && { allow: [...new Set(flags.allow)] }),
    ...(flags.autostart && { autostart: true }),
    ...(publish.length > 0 && { publish: publish.map(parsePublish) }),
    ...(hostPorts.length > 0 && { hostPorts: hostPorts.map((port) => parsePort(port)) }),
  };
}
