import type { Client } from '@banger/sdk/connect.ts';
import { LIVE_KINDS, type LiveKind } from '../commands.ts';
import { renderBash } from '../completion/bash.ts';
import { describeCompletions } from '../completion/completions.ts';
import { renderFish } from '../completion/fish.ts';
import { renderZsh } from '../completion/zsh.ts';
import type { Run } from '../load-command.ts';

/** Somebody waits with a finger on the Tab key */
const LIVE_LIMIT_MS = 700;

const RENDERERS = { bash: renderBash, zsh: renderZsh, fish: renderFish };

export const run: Run<'completion'> = async (cli, { arguments: { shell } }) => {
  const text = isLive(shell) ? await liveNames(cli.runningClient, shell) : RENDERERS[shell](describeCompletions());
  if (cli.isJson) cli.printJson({ shell, text });
  else cli.print(text);
  return 0;
};

function isLive(word: string): word is LiveKind {
  return (LIVE_KINDS as readonly string[]).includes(word);
}

/** What the scripts ask for. Nothing where no daemon runs: a Tab starts none, and prints no error. */
async function liveNames(client: Client, kind: LiveKind): Promise<string> {
  const options = { signal: AbortSignal.timeout(LIVE_LIMIT_MS) };
  const ask = {
    vms: async () => (await client.vmList({}, options)).vms,
    images: async () => (await client.imageList({}, options)).images,
    kernels: async () => (await client.kernelList({}, options)).kernels,
  };
  try {
    return (await ask[kind]()).map(({ name }) => `${name}\n`).join('');
  } catch {
    return '';
  }
}
