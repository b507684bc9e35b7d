import { BangerError } from '@banger/contract/errors.ts';
import { parseForward } from '@banger/contract/forward.ts';
import type { Cli } from '../../cli.ts';
import { describeState } from '../../describe-vm.ts';
import { type Listening, listen } from '../../forward/listen.ts';
import { INTERRUPTS } from '../../interrupts.ts';
import type { Run } from '../../load-command.ts';
import { reportError } from '../../report-error.ts';

export const run: Run<'vm forward'> = async (cli, { arguments: { vm: given, port } }) => {
  const forwards = port.map(parseForward);
  const vm = await cli.client.vmShow({ vm: given });
  if (vm.state.is !== 'running') throw notRunning(vm.name, describeState(vm.state));

  const refused = createRefusals(cli);
  const connect = (guestPort: number) => cli.client.vmConnect({ vm: vm.id, port: guestPort });
  const listening: Listening[] = [];
  for (const forward of forwards) listening.push(await listen({ forward, connect, onRefused: refused }));
  announce(cli, vm.name, listening);

  await Promise.race([untilAsked(), untilStopped(cli, vm)]);
  return 0;
};

function announce(cli: Cli, vm: string, listening: Listening[]): void {
  if (cli.isJson) cli.printJson({ vm, forwards: listening });
  else for (const { address, guestPort } of listening) cli.print(`${address} -> ${vm} port ${guestPort}\n`);
  cli.note('Ctrl-C ends it.');
}

/** Ctrl-C is how it is meant to end. */
function untilAsked(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of INTERRUPTS) process.once(signal, () => resolve());
  });
}

/** Throws when the vm no longer runs. One that rebooted runs again. */
async function untilStopped(cli: Cli, { id, name }: { id: string; name: string }): Promise<never> {
  const waitOnce = () =>
    cli.runningClient.vmWait({ vm: id }).catch((thrown) => {
      if ((thrown as BangerError).code === 'VM_NOT_FOUND') return null;
      throw thrown;
    });
  let vm = await waitOnce();
  while (vm?.state.is === 'running') vm = await waitOnce();
  throw new BangerError('VM_LOST', {
    message: `"${name}" ${vm === null ? 'was removed' : 'has stopped'}; nothing is forwarded any more.`,
    ...(vm !== null && { hint: `"banger vm start ${name}" starts it again; then forward again.` }),
  });
}

/** Each reason once: a browser tries again and again. */
function createRefusals(cli: Cli): (thrown: unknown) => void {
  const told = new Set<string>();
  return (thrown) => {
    const { text } = reportError(thrown);
    if (!told.has(text)) cli.complain(text.trimEnd());
    told.add(text);
  };
}

function notRunning(name: string, state: string): BangerError {
  return new BangerError('VM_WRONG_STATE', {
    message: `"${name}" is ${state}; only a running vm has ports.`,
    hint: `Run "banger vm start ${name}" first.`,
  });
}
