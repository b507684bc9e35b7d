import { isNobodyThere } from '@banger/sdk/connect.ts';
import type { Run } from '../../load-command.ts';

export const run: Run<'daemon start'> = async (cli) => {
  const before = await cli.runningClient.daemonStatus().catch((error) => {
    if (isNobodyThere(error)) return null;
    throw error;
  });
  const status = before ?? (await cli.client.daemonStatus());
  if (cli.isJson) cli.printJson({ started: before === null, ...status });
  else cli.print(`The daemon ${before === null ? 'is started' : 'runs already'}: process ${status.pid}.\n`);
  return 0;
};
