import { formatSize } from '@banger/contract/sizes.ts';
import type { Run } from '../../load-command.ts';
import { renderTable } from '../../output/table.ts';

const UNRECORDED =
  'What is unrecorded stays: "banger system recover" makes records of what it can, "banger system prune <name>" removes.';

export const run: Run<'system df'> = async (cli) => {
  const space = await cli.client.diskSpaceShow();
  if (cli.isJson) {
    cli.printJson(space);
    return 0;
  }
  const rows = space.uses.map(({ kind, name, bytes, usedBy, describes }) => [
    kind,
    describes === null ? name : `${name} (${describes})`,
    formatSize(bytes),
    usedBy.join(', ') || '-',
  ]);
  cli.print(renderTable(['KIND', 'NAME', 'ON HOST', 'NEEDED BY'], rows));
  cli.print(`\n${formatSize(space.totalBytes)} taken, ${formatSize(space.freeBytes)} free\n`);
  for (const { name, comesBackBytes } of space.uses) {
    if (comesBackBytes !== null) {
      cli.note(
        `About ${formatSize(comesBackBytes)} of "${name}" was deleted in there, and comes back when the vm next shuts down.`,
      );
    }
  }
  if (space.uses.some(({ kind }) => kind === 'unrecorded')) cli.note(UNRECORDED);
  return 0;
};
