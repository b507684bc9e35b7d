import { BangerError } from '@banger/contract/errors.ts';
import { followInVm } from '../../follow-in-vm.ts';
import type { Run } from '../../load-command.ts';

export const run: Run<'vm attach'> = async (cli, input) => {
  const { vm, session: id } = input.arguments;
  const { sessions } = await cli.client.vmSessions({ vm });
  const session = sessions.find((each) => each.id === id);
  if (session === undefined) {
    throw new BangerError('SESSION_NOT_FOUND', {
      message: `The vm ${vm} has no session "${id}".`,
      hint: `"banger vm sessions ${vm}" lists them.`,
    });
  }
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
  if (cli.isJson) cli.complain(JSON.stringify({ vm, session: id, exit }));
  return exitCode;
};
