import { cleanJson } from '@banger/contract/clean-text.ts';
import { BangerError, toBangerError } from '@banger/contract/errors.ts';
import type { Cli } from '../../cli.ts';
import { followInVm } from '../../follow-in-vm.ts';
import type { Run } from '../../load-command.ts';

export const run: Run<'vm attach'> = async (cli, input) => {
  const { vm, session: id } = input.arguments;
  const { sessions } = await cli.client.vmSessions({ vm });
  const session = sessions.find((each) => each.id === id);
  if (session === undefined) throw await missing(cli, vm, id);
  if (cli.terminal.isStdinTty) {
    cli.note(session.tty ? 'Ctrl-] leaves the command running.' : 'Ctrl-\\ leaves the command running.');
  }
  const { exit, exitCode } = await followInVm(cli, vm, {
    begin: (to) => to.attach(id),
    hasTty: session.tty,
    hasStdin: session.tty,
    canLeave: true,
    onStarted: ({ droppedBytes }) => {
      if (droppedBytes > 0) cli.note(`(${droppedBytes} bytes of earlier output are no longer kept)`);
    },
  });
  if (cli.isJson) cli.complain(cleanJson({ vm, session: id, exit }));
  return exitCode;
};

/** The agent knows whether there was one that is lost. */
async function missing(cli: Cli, vm: string, id: string): Promise<BangerError> {
  const refusal = await followInVm(cli, vm, { begin: (to) => to.attach(id), hasTty: false, hasStdin: false })
    .then(() => null)
    .catch(toBangerError);
  return new BangerError('SESSION_NOT_FOUND', {
    message: refusal?.code === 'SESSION_NOT_FOUND' ? refusal.message : `The vm ${vm} has no session "${id}".`,
    hint: `"banger vm sessions ${vm}" lists them.`,
  });
}
