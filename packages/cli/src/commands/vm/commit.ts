import { parseCatalogName } from '@banger/contract/names.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import type { Run } from '../../load-command.ts';
import { watchOperation } from '../../watch-operation.ts';

export const run: Run<'vm commit'> = async (cli, { arguments: { vm, image: given }, flags: { force } }) => {
  const image = await watchOperation(cli, cli.client.vmCommit({ vm, name: parseCatalogName(given), force }));
  if (cli.isJson) cli.printJson(image);
  else cli.print(`${image.name}: ${image.digest} ${formatSize(image.sizeBytes ?? 0)}\n`);
  return 0;
};
