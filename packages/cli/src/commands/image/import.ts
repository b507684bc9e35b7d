import { parseCatalogName } from '@banger/contract/names.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { hostPath } from '../../host-path.ts';
import type { Run } from '../../load-command.ts';
import { openStdin } from '../../open-stdin.ts';
import { watchOperation } from '../../watch-operation.ts';

export const run: Run<'image import'> = async (cli, { arguments: { image: given, tarball }, flags: { ref } }) => {
  const name = parseCatalogName(given);
  const importing =
    tarball === '-'
      ? cli.client.imagePut({
          image: name,
          tar: openStdin(cli, `docker export box | banger image import ${name} -`),
          ref,
        })
      : cli.client.imageImport({ name, path: hostPath(cli, tarball), ref });
  const image = await watchOperation(cli, importing);
  if (cli.isJson) cli.printJson(image);
  else cli.print(`${image.name}: ${image.digest} ${formatSize(image.sizeBytes ?? 0)}\n`);
  return 0;
};
