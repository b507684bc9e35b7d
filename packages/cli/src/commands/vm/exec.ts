import { cleanJson } from '@banger/contract/clean-text.ts';
import { planExec } from '../../exec-request.ts';
import { followInVm } from '../../follow-in-vm.ts';
import { startDetached, terminalSize } from '../../guest-command.ts';
import type { Run } from '../../load-command.ts';
import { remindOfRunning } from '../../remind-of-running.ts';

export const run: Run<'vm exec'> = async (cli, { arguments: { vm }, flags, command }) => {
  const start = planExec({ command, flags, terminal: cli.terminal, env: cli.env, size: terminalSize });
  if (flags.detach) {
    const { id, pid } = await startDetached(await cli.client.vmExec({ vm }), start);
    if (cli.isJson) cli.printJson({ session: id, pid });
    else cli.print(`${id}\n`);
    return 0;
  }
  const { exit, exitCode } = await followInVm(cli, vm, {
    begin: (to) => to.start(start),
    hasTty: start.tty !== null,
    hasStdin: start.stdin,
  });
  if (cli.isJson) cli.complain(cleanJson({ vm, exit }));
  if (command === null && start.tty !== null) await remindOfRunning(cli, vm);
  return exitCode;
};
