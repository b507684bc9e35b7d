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
    if (toBangerError(thrown).code !== 'VM_LOST' || session === null) throw thrown;
    throw (await whatCameOf(cli, vm, session)) ?? thrown;
  }
}

/** Null when the vm cannot say, or when nothing has happened but that the connection broke. */
async function whatCameOf(cli: Cli, vm: string, session: string): Promise<BangerError | null> {
  const answer = await cli.client.vmSessions({ vm }).catch(() => null);
  const found = answer?.sessions.find(({ id }) => id === session);
  if (answer && !found) {
    return new BangerError('SESSION_LOST', {
      message: `The command was lost: what ran it in "${vm}" ended, and the vm goes on without it.`,
      hint: `"banger vm logs ${vm}" may show why.`,
      details: { vm, session },
    });
  }
  if (!found?.attached) return null;
  return new BangerError('SESSION_TAKEN', {
    message: `Somebody else joined the session ${session}; the command goes on with them.`,
    hint: `Take it back with "banger vm attach ${vm} ${session}".`,
    details: { vm, session },
  });
}
