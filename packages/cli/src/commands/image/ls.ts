import { formatSize } from '@banger/contract/sizes.ts';
import type { Run } from '../../load-command.ts';
import { formatAge, renderTable } from '../../output/table.ts';

export const run: Run<'image ls'> = async (cli) => {
  const { images } = await cli.client.imageList();
  if (cli.isJson) {
    cli.printJson({ images });
    return 0;
  }
  const nowMs = Date.now();
  const rows = images.map((image) => [
    image.isDefault ? `${image.name} (default)` : image.name,
    image.digest === null ? 'not pulled' : image.digest.slice(0, 19),
    image.sizeBytes === null ? '-' : formatSize(image.sizeBytes),
    formatAge(image.createdAt, nowMs),
    String(image.usedBy.length),
    image.description,
  ]);
  cli.print(renderTable(['NAME', 'DIGEST', 'SIZE', 'CREATED', 'VMS', 'DESCRIPTION'], rows));
  return 0;
};
