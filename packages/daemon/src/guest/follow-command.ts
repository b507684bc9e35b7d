/** A command of the daemon's own in the guest, from its start to its exit: its input in, its output out, at its pace. */
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { BangerError } from '@banger/contract/errors.ts';
import { readCommandEvents } from '@banger/contract/guest/command-events.ts';
import type { ExecExit } from '@banger/contract/guest/command-messages.ts';
import { encodeChunks, encodeFrame, FRAME } from '@banger/contract/guest/frames.ts';
import { countDown } from '../platform/deadline.ts';
import type { Task } from '../platform/task.ts';
import { agentLost, agentRefusal } from './agent-errors.ts';

/** git may compare tens of thousands of files before it says a word, and an emulated guest is slow */
const MAX_SILENCE_MS = 15 * 60_000;

type Follower = {
  stdin?: AsyncIterable<Buffer> | Iterable<Buffer> | undefined;
  /** Get the output as it comes, in pieces of at most a frame; the guest waits for them */
  onStdout: (bytes: Buffer) => void | Promise<void>;
  onStderr: (bytes: Buffer) => void | Promise<void>;
};

/** Takes the stream after START, and destroys it. Throws what the agent refuses, AGENT_PROTOCOL, or VM_LOST. */
export async function followCommand(task: Task, stream: Duplex, follower: Follower): Promise<ExecExit> {
  stream.on('error', () => {}); // whoever reads hears of it
  const cancel = () => stream.destroy();
  task.signal.addEventListener('abort', cancel, { once: true });
  try {
    task.check();
    if (follower.stdin) feed(follower.stdin, stream).catch(cancel);
    return await readToExit(stream, follower);
  } catch (fault) {
    task.check();
    throw fault instanceof BangerError ? fault : agentLost('the stream of a command broke', fault);
  } finally {
    task.signal.removeEventListener('abort', cancel);
    stream.destroy();
  }
}

async function readToExit(stream: Duplex, { onStdout, onStderr }: Follower): Promise<ExecExit> {
  const silence = countDown(MAX_SILENCE_MS, () => stream.destroy(agentLost('a command said nothing for too long')));
  try {
    for await (const event of readCommandEvents(stream)) {
      silence.restart();
      if (event.is === 'stdout') await onStdout(asBuffer(event.bytes));
      else if (event.is === 'stderr') await onStderr(asBuffer(event.bytes));
      else if (event.is === 'failed') throw agentRefusal(event.failure);
      else if (event.is === 'exit') return event.exit;
    }
  } finally {
    silence.stop();
  }
  throw agentLost('the stream of a command ended early');
}

function asBuffer({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}

async function feed(stdin: AsyncIterable<Buffer> | Iterable<Buffer>, stream: Duplex): Promise<void> {
  for await (const chunk of stdin) {
    for (const frame of encodeChunks(FRAME.STDIN, chunk)) {
      if (stream.destroyed) return;
      if (!stream.write(frame)) await untilWritable(stream);
    }
  }
  if (!stream.destroyed) stream.write(encodeFrame(FRAME.STDIN_END));
}

async function untilWritable(stream: Duplex): Promise<void> {
  const waiting = new AbortController();
  const { signal } = waiting;
  try {
    await Promise.race([once(stream, 'drain', { signal }), once(stream, 'close', { signal })]);
  } finally {
    waiting.abort();
  }
}
