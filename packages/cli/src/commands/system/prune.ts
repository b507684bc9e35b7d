import { formatSize } from '@banger/contract/sizes.ts';
import type { Run } from '../../load-command.ts';
import { renderTable } from '../../output/table.ts';
import { watchOperation } from '../../watch-operation.ts';

export const run: Run<'system prune'> = async (cli, { flags, arguments: { unrecorded } }) => {
  const pruning = cli.client.diskSpacePrune({ dryRun: flags['dry-run'], all: flags.all, names: unrecorded });
  const { removed, bytes, dryRun } = await watchOperation(cli, pruning, { isBrief: true });
  if (cli.isJson) {
    cli.printJson({ removed, bytes, dryRun });
    return 0;
  }
  if (removed.length > 0) {
    cli.print(
      renderTable(
        ['KIND', 'NAME', 'ON HOST'],
        removed.map((each) => [each.kind, each.name, formatSize(each.bytes)]),
      ),
    );
    cli.print('\n');
  }
  cli.print(`${formatSize(bytes)} ${dryRun ? 'would be' : 'are'} free again\n`);
  return 0;
};
