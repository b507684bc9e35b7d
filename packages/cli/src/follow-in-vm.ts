/** One command in a vm, followed to its end; one that somebody else joined meanwhile is told from one that is lost. */
import { BangerError, toBangerError } from '@banger/contract/errors.ts';
import type { Cli } from './cli.ts';
import { followGuestCommand, type GuestCommand, type Outcome } from './guest-command.ts';

export async function followInVm(cli: Cli, vm: string, command: GuestCommand): Promise<Outcome> {
  const stream = await cli.client.vmExec({ vm });
  let session: string | null = null;
  try {
    return await followGuestCommand(stream, {
      ...command,
      onStarted: (started) => {
        session = started.id;
        command.onStarted?.(started);
      },
    });
  } catch (thrown) {
    const isCut = toBangerError(thrown).code === 'VM_LOST' && session !== null;
    if (!isCut || !(await isWithAnother(cli, vm, session))) throw thrown;
    throw new BangerError('SESSION_TAKEN', {
      message: `Somebody else joined the session ${session}; the command goes on with them.`,
      hint: `Take it back with "banger vm attach ${vm} ${session}".`,
      details: { vm, session },
    });
  }
}

async function isWithAnother(cli: Cli, vm: string, session: string | null): Promise<boolean> {
  const { sessions } = await cli.client.vmSessions({ vm }).catch(() => ({ sessions: [] }));
  return sessions.some(({ id, attached }) => id === session && attached);
}
