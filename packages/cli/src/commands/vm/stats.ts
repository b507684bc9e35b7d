import type { StatsSample } from '@banger/contract/api/stats.ts';
import { cleanJson } from '@banger/contract/clean-text.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { renderUsage } from '../../describe-usage.ts';
import type { Run } from '../../load-command.ts';

export const run: Run<'vm stats'> = async (cli, { arguments: { vm: names }, flags: { once } }) => {
  const { isJson, terminal } = cli;
  const samples = await cli.client.vmStats(names.length > 0 ? { vms: names } : {});
  try {
    if (!once && isJson) return await printAll();
    if (!once && terminal.isStdoutLive) return await showAll();
    return await printOne();
  } finally {
    samples.close();
  }

  async function printOne(): Promise<number> {
    for await (const sample of samples) {
      if (isJson) cli.printJson(sample);
      else cli.print(renderUsage(sample));
      return 0;
    }
    throw new BangerError('VM_NOT_FOUND', {
      message: 'What was to be measured has just been removed.',
      hint: 'Run "banger vm ls" to see what there is.',
    });
  }

  async function printAll(): Promise<number> {
    for await (const sample of samples) cli.print(`${cleanJson(sample)}\n`);
    return 0;
  }

  async function showAll(): Promise<number> {
    const { showLive } = await import('../../output/live-view.ts');
    return showLive(pagesOf(samples));
  }
};

async function* pagesOf(samples: AsyncIterable<StatsSample>): AsyncGenerator<string, void> {
  for await (const sample of samples) yield renderUsage(sample);
}
