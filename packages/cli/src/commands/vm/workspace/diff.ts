import { once } from 'node:events';
import type { Run } from '../../../load-command.ts';
import { cleanConsole } from '../../../output/clean-text.ts';

/** To a terminal without control characters of the guest's; to a file or a pipe as it is. */
export const run: Run<'vm workspace diff'> = async (cli, { arguments: { vm }, flags }) => {
  const diff = await cli.client.workspaceDiff({ vm, ...(flags.at !== undefined && { at: flags.at }) });
  if (cli.isJson) {
    cli.printJson({ vm, diff: Buffer.concat(await Array.fromAsync(diff)).toString('utf8') });
    return 0;
  }
  const decoder = new TextDecoder();
  for await (const bytes of diff) {
    const text = cli.terminal.isStdoutTty ? cleanConsole(decoder.decode(bytes, { stream: true })) : bytes;
    if (!process.stdout.write(text)) await once(process.stdout, 'drain');
  }
  return 0;
};
