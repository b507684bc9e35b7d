import { parseCatalogName } from '@banger/contract/names.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { hostPath } from '../../host-path.ts';
import type { Run } from '../../load-command.ts';
import { watchOperation } from '../../watch-operation.ts';

export const run: Run<'image import'> = async (cli, input) => {
  const name = parseCatalogName(input.arguments.image);
  const path = hostPath(cli, input.arguments.tarball);
  const image = await watchOperation(cli, cli.client.imageImport({ name, path }));
  if (cli.isJson) cli.printJson(image);
  else cli.print(`${image.name}: ${image.digest} ${formatSize(image.sizeBytes ?? 0)}\n`);
  return 0;
};
