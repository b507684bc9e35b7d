import { parseCatalogName } from '@banger/contract/names.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { hostPath } from '../../host-path.ts';
import type { Run } from '../../load-command.ts';
import { watchOperation } from '../../watch-operation.ts';

export const run: Run<'kernel import'> = async (cli, input) => {
  const name = parseCatalogName(input.arguments.kernel);
  const path = hostPath(cli, input.arguments.file);
  const { modules } = input.flags;
  const modulesPath = modules === undefined ? {} : { modulesPath: hostPath(cli, modules) };
  const kernel = await watchOperation(cli, cli.client.kernelImport({ name, path, ...modulesPath }));
  if (cli.isJson) cli.printJson(kernel);
  else cli.print(`${kernel.name}: ${kernel.digest} ${formatSize(kernel.sizeBytes ?? 0)}\n`);
  return 0;
};
