import { parseCatalogName } from '@banger/contract/names.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import type { Run } from '../../load-command.ts';
import { watchOperation } from '../../watch-operation.ts';

export const run: Run<'kernel pull'> = async (cli, input) => {
  const name = parseCatalogName(input.arguments.kernel);
  const kernel = await watchOperation(cli, cli.client.kernelPull({ name, force: input.flags.force }));
  if (cli.isJson) cli.printJson(kernel);
  else cli.print(`${kernel.name}: ${kernel.digest} ${formatSize(kernel.sizeBytes ?? 0)}\n`);
  return 0;
};
