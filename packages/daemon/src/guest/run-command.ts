/** A command that the daemon itself runs in the guest: frames in, its exit and its output out. */
import type { Duplex } from 'node:stream';
import { type ExecExit, readExit, readFailure } from '@banger/contract/guest/command-messages.ts';
import { encodeChunks, encodeFrame, FRAME, FrameReader } from '@banger/contract/guest/frames.ts';
import type { Task } from '../platform/task.ts';
import { agentLost, agentRefusal } from './agent-errors.ts';

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

export async function collectOutput(task: Task, stream: Duplex, options: RunOptions): Promise<CommandOutput> {
  const finished = collect(stream, options.maxOutputBytes ?? MAX_OUTPUT_BYTES);
  if (options.stdin) {
    for (const frame of encodeChunks(FRAME.STDIN, options.stdin)) stream.write(frame);
    stream.write(encodeFrame(FRAME.STDIN_END));
  }
  try {
    return await task.race(finished);
  } finally {
    stream.destroy();
  }
}

function collect(stream: Duplex, maxBytes: number): Promise<CommandOutput> {
  const reader = new FrameReader();
  const stdout = new BoundedOutput(maxBytes);
  const stderr = new BoundedOutput(maxBytes);
  const { promise, resolve, reject } = Promise.withResolvers<CommandOutput>();
  promise.catch(() => {}); // the caller may give up
  stream.on('data', (bytes: Buffer) => {
    try {
      for (const { type, payload } of reader.push(bytes)) {
        if (type === FRAME.STDOUT) stdout.add(payload);
        else if (type === FRAME.STDERR) stderr.add(payload);
        else if (type === FRAME.FAILED) reject(agentRefusal(readFailure(payload)));
        else if (type === FRAME.EXIT) {
          resolve({ exit: readExit(payload), stdout: stdout.all(), stderr: stderr.all() });
        }
      }
    } catch (fault) {
      reject(fault);
    }
  });
  stream.once('error', (fault) => reject(agentLost('the stream of a command broke', fault)));
  stream.once('close', () => reject(agentLost('the stream of a command ended early')));
  return promise;
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
