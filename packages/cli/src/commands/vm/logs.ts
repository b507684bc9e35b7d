import { StringDecoder } from 'node:string_decoder';
import { cleanConsole } from '@banger/contract/clean-text.ts';
import { openGuestOutput } from '../../guest-output.ts';
import type { Run } from '../../load-command.ts';
import { EXIT_BROKEN_PIPE } from '../../output/terminal.ts';

export const run: Run<'vm logs'> = async (cli, { arguments: { vm }, flags }) => {
  const { follow, tail } = flags;
  const log = await cli.client.vmLogs({ vm, follow, ...(tail !== undefined && { tail }) });
  const stdout = openGuestOutput(1);
  const copy = cli.terminal.isStdoutTty ? copyLines() : copyBytes();
  return Promise.race([copy, stdout.broken.then(() => EXIT_BROKEN_PIPE)]);

  async function copyBytes(): Promise<number> {
    for await (const bytes of log) await stdout.write(bytes);
    await stdout.flush();
    return 0;
  }

  /** A terminal gets only whole lines, without what could drive it. */
  async function copyLines(): Promise<number> {
    const decoder = new StringDecoder('utf8');
    let pending = '';
    for await (const bytes of log) {
      pending += decoder.write(bytes);
      const end = pending.lastIndexOf('\n') + 1;
      await stdout.write(Buffer.from(cleanConsole(pending.slice(0, end))));
      pending = pending.slice(end);
    }
    await stdout.write(Buffer.from(cleanConsole(pending)));
    return 0;
  }
};
