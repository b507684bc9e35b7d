/** What a prune has removed, or would. */
import type { PruneResult } from '@banger/contract/api/disk-space.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import type { Cli } from './cli.ts';
import { renderTable } from './output/table.ts';

export function printPruned(cli: Cli, { removed, bytes, dryRun }: PruneResult): void {
  if (cli.isJson) {
    cli.printJson({ removed, bytes, dryRun });
    return;
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
}
