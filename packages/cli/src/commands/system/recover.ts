import type { Recovery } from '@banger/contract/api/recovery.ts';
import { cleanLine } from '@banger/contract/clean-text.ts';
import { recoverState } from '../../inspect-host.ts';
import type { Run } from '../../load-command.ts';
import { renderTable } from '../../output/table.ts';

export const run: Run<'system recover'> = async (cli, { flags }) => {
  const recovery = await recoverState({ dryRun: flags['dry-run'] });
  if (cli.isJson) cli.printJson(recovery);
  else cli.print(describe(recovery));
  return 0;
};

function describe({ items, fault, isChanged, keptAt, dryRun }: Recovery): string {
  const told = items.filter(({ is, note }) => is !== 'known' || note !== null);
  const rows = told.map(({ kind, name, is, note }) => [kind, name, is, note ?? '']);
  const count = items.filter(({ is }) => is === 'recovered').length;
  const recovered = `${count} of ${items.length} ${dryRun ? 'would be' : 'are'} recovered`;
  return [
    rows.length > 0 ? `${renderTable(['KIND', 'NAME', 'RECORD', 'NOTE'], rows)}\n` : '',
    fault === null ? '' : `The state could not be read: ${cleanLine(fault)}.\n`,
    isChanged ? `${recovered}.\n` : 'Nothing is missing in the state; it was left as it is.\n',
    keptAt === null ? '' : `The state as it was is kept in ${cleanLine(keptAt)}.\n`,
  ].join('');
}
