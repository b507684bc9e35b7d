import { once } from 'node:events';
import { cleanConsole } from '@banger/contract/clean-text.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import type { Cli } from '../../../cli.ts';
import type { Run } from '../../../load-command.ts';
import { stdout } from '../../../output/standard-streams.ts';
import { noteAll, whichWorkspace } from '../../../workspace-request.ts';

const MAX_JSON_BYTES = 32 * 1024 * 1024;

export const run: Run<'vm workspace diff'> = async (cli, { arguments: { vm }, flags }) => {
  const diff = await cli.client.workspaceDiff({ vm, ...whichWorkspace(cli, flags) });
  noteAll(cli, diff.notes);
  if (cli.isJson) cli.printJson({ vm, diff: await collectText(diff), notes: diff.notes });
  else await printDiff(cli, diff);
  return 0;
};

/** To a terminal without control characters of the guest's; to a file or a pipe as it is. */
export async function printDiff({ terminal }: Cli, diff: AsyncIterable<Uint8Array>): Promise<void> {
  const decoder = new TextDecoder();
  for await (const bytes of diff) {
    const text = terminal.isStdoutTty ? cleanConsole(decoder.decode(bytes, { stream: true })) : bytes;
    if (!stdout().write(text)) await once(stdout(), 'drain');
  }
}

/** One string of JSON has to fit in memory, several times over. */
async function collectText(diff: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const bytes of diff) {
    sizeBytes += bytes.length;
    if (sizeBytes > MAX_JSON_BYTES) {
      throw new BangerError('USAGE', {
        message: `The diff has more than the ${formatSize(MAX_JSON_BYTES)} that --json takes.`,
        hint: 'Leave --json out, and write it to a file or a pipe.',
      });
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}
