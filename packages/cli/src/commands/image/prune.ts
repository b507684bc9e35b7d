import type { Run } from '../../load-command.ts';
import { printPruned } from '../../print-pruned.ts';
import { watchOperation } from '../../watch-operation.ts';

export const run: Run<'image prune'> = async (cli, { flags }) => {
  const pruning = cli.client.diskSpacePrune({ onlyImages: true, dryRun: flags['dry-run'], all: flags.all });
  printPruned(cli, await watchOperation(cli, pruning, { isBrief: true }));
  return 0;
};
