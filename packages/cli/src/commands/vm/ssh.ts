import { vmOfHost } from '@banger/contract/names.ts';
import type { Run } from '../../load-command.ts';
import { remindOfRunning } from '../../remind-of-running.ts';
import { remoteLine } from '../../ssh/remote-line.ts';
import { runSsh } from '../../ssh/run-ssh.ts';

export const run: Run<'vm ssh'> = async (cli, { arguments: { vm }, flags, command }) => {
  const name = vmOfHost(vm);
  // Asked here too, and not only by the ProxyCommand: so a failure is told in our words and with its own exit code.
  const { host, configPath } = await cli.client.vmSsh({ vm: name });
  const user = flags.user === undefined ? [] : ['-l', flags.user];
  const tty = flags.tty ? ['-t'] : [];
  const line = command === null ? [] : [remoteLine(command)];
  const exitCode = await runSsh(['-F', configPath, ...user, ...tty, '--', host, ...line]);
  if (command === null && cli.terminal.isStdinTty) await remindOfRunning(cli, name);
  return exitCode;
};
