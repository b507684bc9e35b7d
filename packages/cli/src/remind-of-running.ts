/** After a session that a person had: the vm that they leave behind, and how it stops. */
import type { Cli } from './cli.ts';

export async function remindOfRunning(cli: Cli, name: string): Promise<void> {
  if (cli.isQuiet) return;
  const vm = await cli.runningClient.vmShow({ vm: name }).catch(() => null); // gone, or the daemon is: nothing to say
  if (vm?.state.is !== 'running' || vm.ephemeral) return;
  cli.note(
    `${vm.name} goes on running: "banger vm stop ${vm.name}" stops it, "banger vm rm --force ${vm.name}" removes it.`,
  );
}
