import { describeInstallation } from '../../describe-installation.ts';
import { changeSystem } from '../../inspect-host.ts';
import type { Run } from '../../load-command.ts';

export const run: Run<'system restart'> = async (cli) => {
  const installation = await changeSystem('restart');
  if (cli.isJson) cli.printJson(installation);
  else cli.print(describeInstallation(installation));
  return 0;
};
