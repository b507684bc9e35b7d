/** A command that banger runs in a vm for the caller before theirs: nobody types into it, and it ends with the signal. */
import { BangerError } from '@banger/contract/errors.ts';
import type { ExecExit } from '@banger/contract/guest/command-messages.ts';
import type { ExecStart } from '@banger/contract/guest/messages.ts';
import type { Cli } from './cli.ts';
import { failureOf } from './guest-command.ts';

type RunParts = {
  vm: string;
  signal: AbortSignal;
  start: Pick<ExecStart, 'argv' | 'env' | 'cwd' | 'user' | 'image'>;
  /** All that it reads */
  stdin?: string;
  onOutput?: (bytes: Uint8Array) => void;
};

/** Throws CANCELLED, VM_LOST, and what the agent refuses. */
export async function runInVm(cli: Cli, parts: RunParts): Promise<ExecExit> {
  const { vm, signal, start, stdin = '', onOutput = () => {} } = parts;
  const stream = await cli.client.vmExec({ vm }, { signal });
  try {
    await stream.start({ ...start, tty: null, stdin: stdin !== '', keep: false });
    for await (const event of stream.events()) {
      if (event.is === 'failed') throw failureOf(event.failure);
      if (event.is === 'exit') return event.exit;
      if (event.is !== 'started') onOutput(event.bytes);
      else if (stdin !== '') {
        await stream.stdin(Buffer.from(stdin));
        await stream.endStdin();
      }
    }
    throw lost(vm);
  } catch (fault) {
    throw signal.aborted ? interrupted(fault) : fault;
  } finally {
    stream.close(); // and a command that still runs ends with it
  }
}

function interrupted(cause: unknown): BangerError {
  return new BangerError('CANCELLED', { message: 'You interrupted what was being done in the vm.', cause });
}

function lost(vm: string): BangerError {
  return new BangerError('VM_LOST', {
    message: `The connection to "${vm}" broke before a command of its preparation ended.`,
    hint: `"banger vm show ${vm}" says how the vm is, "banger vm logs ${vm}" shows its console.`,
  });
}
