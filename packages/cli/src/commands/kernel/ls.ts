import { formatSize } from '@banger/contract/sizes.ts';
import type { Run } from '../../load-command.ts';
import { formatAge, renderTable } from '../../output/table.ts';

export const run: Run<'kernel ls'> = async (cli) => {
  const { kernels } = await cli.client.kernelList();
  if (cli.isJson) {
    cli.printJson({ kernels });
    return 0;
  }
  const nowMs = Date.now();
  const rows = kernels.map((kernel) => [
    kernel.isDefault ? `${kernel.name} (default)` : kernel.name,
    kernel.digest === null ? 'not pulled' : (kernel.release ?? '-'),
    kernel.sizeBytes === null ? '-' : formatSize(kernel.sizeBytes),
    formatAge(kernel.createdAt, nowMs),
    String(kernel.usedBy.length),
    kernel.description,
  ]);
  cli.print(renderTable(['NAME', 'RELEASE', 'SIZE', 'CREATED', 'VMS', 'DESCRIPTION'], rows));
  return 0;
};
