import { describeInstallation } from '../../describe-installation.ts';
import { changeSystem } from '../../inspect-host.ts';
import type { Run } from '../../load-command.ts';

export const run: Run<'system install'> = async (cli, { flags }) => {
  const installation = await changeSystem('install', { owner: flags.owner ?? null, caller: cli.env.SUDO_USER ?? null });
  if (cli.isJson) cli.printJson(installation);
  else cli.print(describeInstallation(installation));
  return 0;
};
