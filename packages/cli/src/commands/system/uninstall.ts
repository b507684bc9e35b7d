import { changeSystem } from '../../inspect-host.ts';
import type { Run } from '../../load-command.ts';

export const run: Run<'system uninstall'> = async (cli, { flags }) => {
  const installation = await changeSystem('uninstall', { purge: flags.purge });
  if (cli.isJson) cli.printJson(installation);
  else
    cli.print(
      `banger is no longer installed for the whole system${flags.purge ? ', and its machines are gone' : ''}.\n`,
    );
  return 0;
};
