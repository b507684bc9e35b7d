import { formatSize } from '@banger/contract/sizes.ts';
import type { Run } from '../../load-command.ts';
import { formatAge, renderTable } from '../../output/table.ts';

export const run: Run<'hypervisor ls'> = async (cli) => {
  const { hypervisors } = await cli.client.hypervisorList();
  if (cli.isJson) {
    cli.printJson({ hypervisors });
    return 0;
  }
  const nowMs = Date.now();
  const rows = hypervisors.map(({ name, version, pulled, description }) => [
    name,
    pulled?.version ?? 'not pulled',
    pulled === null ? '-' : formatSize(pulled.sizeBytes),
    formatAge(pulled?.createdAt ?? null, nowMs),
    version,
    description,
  ]);
  cli.print(renderTable(['NAME', 'VERSION', 'SIZE', 'PULLED', 'CATALOG', 'DESCRIPTION'], rows));
  return 0;
};
