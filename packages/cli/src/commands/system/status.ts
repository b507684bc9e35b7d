import { ERRORS } from '@banger/contract/errors.ts';
import { isNobodyThere } from '@banger/sdk/connect.ts';
import type { Cli } from '../../cli.ts';
import { describeInstallation, noteDaemons } from '../../describe-installation.ts';
import { changeSystem } from '../../inspect-host.ts';
import type { Run } from '../../load-command.ts';

export const run: Run<'system status'> = async (cli) => {
  const found = await changeSystem('status');
  const isOwner = found.installed?.owner.uid === cli.owner.uid;
  const notes = isOwner ? noteDaemons(found.daemonPid, await ownDaemonPid(cli)) : [];
  const installation = { ...found, notes: [...found.notes, ...notes] };
  if (cli.isJson) cli.printJson(installation);
  else cli.print(describeInstallation(installation));
  return installation.installed === null ? ERRORS.HELPER_MISSING.exit : 0;
};

/** Of the daemon that this command would use */
async function ownDaemonPid({ runningClient }: Cli): Promise<number | null> {
  try {
    return (await runningClient.daemonStatus()).pid;
  } catch (error) {
    if (isNobodyThere(error)) return null;
    throw error;
  }
}
