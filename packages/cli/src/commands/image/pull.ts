import { parseImageRef } from '@banger/contract/image-ref.ts';
import { isCatalogName } from '@banger/contract/names.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import type { Run } from '../../load-command.ts';
import { registryAccess } from '../../registry-access.ts';
import { watchNoting } from '../../watch-operation.ts';

export const run: Run<'image pull'> = async (cli, input) => {
  const name = input.arguments.image;
  if (!isCatalogName(name)) parseImageRef(name);
  const { force } = input.flags;
  const image = await watchNoting(cli, cli.client.imagePull({ name, force, access: registryAccess(cli) }));
  if (cli.isJson) cli.printJson(image);
  else cli.print(`${image.name}: ${image.digest} ${formatSize(image.sizeBytes ?? 0)}\n`);
  return 0;
};
