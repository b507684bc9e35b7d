import { parsePort } from '@banger/contract/forward.ts';
import { vmOfHost } from '@banger/contract/names.ts';
/** stdin and stdout as a connection into a vm: what ssh calls as its ProxyCommand, and others may too. */
import type { Cli } from '../../cli.ts';
import { followGuestCommand } from '../../guest-command.ts';
import { openGuestOutput } from '../../guest-output.ts';
import type { Run } from '../../load-command.ts';
import { EXIT_BROKEN_PIPE } from '../../output/terminal.ts';

export const run: Run<'vm proxy'> = (cli, { arguments: { vm, port } }) => {
  const name = vmOfHost(vm);
  return port === '' ? joinSsh(cli, name) : joinPort(cli, name, parsePort(port));
};

/** A server of its own for this connection; it ends with us. */
async function joinSsh(cli: Cli, vm: string): Promise<number> {
  const { server } = await cli.client.vmSsh({ vm });
  const { exitCode } = await followGuestCommand(await cli.client.vmExec({ vm }), {
    begin: (to) => to.start({ argv: server, env: {}, cwd: '/', user: null, tty: null, stdin: true, keep: false }),
    hasTty: false,
    hasStdin: true,
    canLeave: true,
  });
  return exitCode;
}

/** Ends when the program in the guest has said its last; the end of stdin is passed on, and the answer still comes. */
async function joinPort(cli: Cli, vm: string, port: number): Promise<number> {
  const guest = await cli.client.vmConnect({ vm, port });
  const stdout = openGuestOutput(1);
  process.stdin.on('error', () => guest.end()).pipe(guest);
  return Promise.race([copy(), stdout.broken.then(() => EXIT_BROKEN_PIPE)]);

  async function copy(): Promise<number> {
    for await (const bytes of guest) await stdout.write(bytes as Buffer);
    await stdout.flush();
    return 0;
  }
}
