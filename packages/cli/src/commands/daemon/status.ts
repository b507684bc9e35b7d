import { ERRORS } from '@banger/contract/errors.ts';
import { daemonSocketPath } from '@banger/contract/paths.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { isNobodyThere } from '@banger/sdk/connect.ts';
import type { Run } from '../../load-command.ts';
import { formatAge, renderFacts } from '../../output/table.ts';

export const run: Run<'daemon status'> = async (cli) => {
  const status = await cli.runningClient.daemonStatus().catch((error) => {
    if (isNobodyThere(error)) return null;
    throw error;
  });
  if (cli.isJson) cli.printJson(status === null ? { running: false } : { running: true, ...status });
  else if (status === null) cli.print('The daemon is not running.\n');
  if (status === null) return ERRORS.DAEMON_UNREACHABLE.exit;
  if (cli.isJson) return 0;
  cli.print(
    renderFacts([
      ['state', 'running'],
      ['process', String(status.pid)],
      ['version', status.version],
      ['started', formatAge(status.startedAt, Date.now())],
      ['memory', formatSize(status.memoryBytes)],
      ['vms', `${status.vms.running} running of ${status.vms.total}`],
      ['socket', daemonSocketPath(cli.findPaths())],
      ...Object.entries(status.paths),
    ]),
  );
  return 0;
};
