import type { Run } from '../../load-command.ts';
import { printPruned } from '../../print-pruned.ts';
import { watchOperation } from '../../watch-operation.ts';

export const run: Run<'system prune'> = async (cli, { flags, arguments: { unrecorded } }) => {
  const pruning = cli.client.diskSpacePrune({ dryRun: flags['dry-run'], all: flags.all, names: unrecorded });
  printPruned(cli, await watchOperation(cli, pruning, { isBrief: true }));
  return 0;
};
