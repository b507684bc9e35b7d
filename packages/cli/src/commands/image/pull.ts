import { parseCatalogName } from '@banger/contract/names.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import type { Run } from '../../load-command.ts';
import { watchOperation } from '../../watch-operation.ts';

export const run: Run<'image pull'> = async (cli, input) => {
  const name = parseCatalogName(input.arguments.image);
  const image = await watchOperation(cli, cli.client.imagePull({ name, force: input.flags.force }));
  if (cli.isJson) cli.printJson(image);
  else cli.print(`${image.name}: ${image.digest} ${formatSize(image.sizeBytes ?? 0)}\n`);
  return 0;
};
