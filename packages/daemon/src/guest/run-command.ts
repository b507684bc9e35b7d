/** A short command of the daemon's own in the guest, with all that it printed, up to a bound. */
import type { Duplex } from 'node:stream';
import type { ExecExit } from '@banger/contract/guest/command-messages.ts';
import type { Task } from '../platform/task.ts';
import { followCommand } from './follow-command.ts';

/** More than this is dropped, separately for stdout and stderr */
const MAX_OUTPUT_BYTES = 1024 * 1024;

export type RunOptions = {
  user?: string;
  cwd?: string;
  env?: Record<string, string>;
  stdin?: Buffer;
  maxOutputBytes?: number;
};
export type CommandOutput = { exit: ExecExit; stdout: Buffer; stderr: Buffer };

/** Throws what the agent refuses, AGENT_PROTOCOL, or VM_LOST. */
export async function collectOutput(task: Task, stream: Duplex, options: RunOptions): Promise<CommandOutput> {
  const { stdin, maxOutputBytes = MAX_OUTPUT_BYTES } = options;
  const stdout = new BoundedOutput(maxOutputBytes);
  const stderr = new BoundedOutput(maxOutputBytes);
  const exit = await followCommand(task, stream, {
    stdin: stdin && [stdin],
    onStdout: (bytes) => stdout.add(bytes),
    onStderr: (bytes) => stderr.add(bytes),
  });
  return { exit, stdout: stdout.all(), stderr: stderr.all() };
}

class BoundedOutput {
  readonly #chunks: Buffer[] = [];
  #freeBytes: number;

  constructor(maxBytes: number) {
    this.#freeBytes = maxBytes;
  }

  add(bytes: Buffer): void {
    if (this.#freeBytes > 0) this.#chunks.push(bytes.subarray(0, this.#freeBytes));
    this.#freeBytes -= bytes.length;
  }

  all(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}
