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
    image.allocatedBytes === null ? '-' : formatSize(image.allocatedBytes),
    image.allocatedBytes === null || image.sharedWith.length === 0 ? '-' : formatSize(image.allocatedBytes),
    formatAge(image.createdAt, nowMs),
    image.usedBy.join(', ') || '-',
    image.description,
  ]);
  cli.print(renderTable(['NAME', 'DIGEST', 'ON HOST', 'SHARED', 'CREATED', 'USED BY', 'DESCRIPTION'], rows));
  return 0;
};
