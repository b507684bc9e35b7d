import type { Session } from '@banger/contract/api/vms.ts';
import type { Run } from '../../load-command.ts';
import { formatAge, renderTable } from '../../output/table.ts';

export const run: Run<'vm sessions'> = async (cli, { arguments: { vm }, flags }) => {
  if (flags.end !== undefined) {
    await cli.client.vmSessionEnd({ vm, session: flags.end });
    if (cli.isJson) cli.printJson({ ended: flags.end });
    else cli.print(`${flags.end}: ended\n`);
    return 0;
  }
  const { sessions } = await cli.client.vmSessions({ vm });
  if (cli.isJson) {
    cli.printJson({ sessions });
    return 0;
  }
  const nowMs = Date.now();
  const rows = sessions.map((session) => [
    session.id,
    describeSession(session),
    session.user,
    session.tty ? 'yes' : 'no',
    formatAge(new Date(session.startedUnixMs).toISOString(), nowMs),
    session.argv.length === 0 ? '(login shell)' : session.argv.join(' ').slice(0, 100),
  ]);
  cli.print(renderTable(['SESSION', 'STATE', 'USER', 'TTY', 'STARTED', 'COMMAND'], rows));
  return 0;
};

function describeSession({ exit, attached }: Session): string {
  if (exit === null) return attached ? 'attached' : 'detached';
  return 'code' in exit ? `exited ${exit.code}` : `ended by ${exit.signal}`;
}
