/**
 * A command of banger's own in the guest, with streams both ways. What comes back is counted and given piece by piece;
 * a guest that sends more than was agreed, or nothing for too long, ends the command with an error.
 */
import { once } from 'node:events';
import type { Duplex, Readable } from 'node:stream';
import { BangerError } from '@banger/contract/errors.ts';
import { type ExecExit, readExit, readFailure } from '@banger/contract/guest/command-messages.ts';
import { encodeChunks, encodeFrame, FRAME, FrameReader } from '@banger/contract/guest/frames.ts';
import { type Guest, guestRefusal } from '../guest/guest.ts';
import type { Task } from '../platform/task.ts';
import { showName } from './tree-entries.ts';

const MAX_STDERR_BYTES = 4096;
/** git may compare tens of thousands of files before it says a word, and an emulated guest is slow */
const MAX_SILENCE_MS = 15 * 60_000;

export type GuestCommand = {
  argv: string[];
  cwd: string;
  env?: Record<string, string>;
  stdin?: Readable;
  /** Gets standard output as it comes; the guest waits for it */
  onStdout?: (bytes: Buffer) => void | Promise<void>;
  /** The most that it may print */
  maxBytes: number;
};

/** Throws WORKSPACE_FAILED with the guest's words unless it exits with 0, WORKSPACE_REFUSED when it prints too much. */
export async function runInGuest(task: Task, guest: Guest, command: GuestCommand): Promise<void> {
  const { argv, cwd, env = {}, stdin } = command;
  const start = { argv, env, cwd, user: null, tty: null, stdin: stdin !== undefined, keep: false };
  const stream = await guest.exec(task, start);
  stream.on('error', () => {}); // readToExit tells
  const cancel = () => stream.destroy();
  task.signal.addEventListener('abort', cancel, { once: true });
  try {
    if (stdin) feed(stdin, stream).catch(cancel);
    const { exit, stderr } = await readToExit(stream, command);
    if (!('code' in exit) || exit.code !== 0) throw failed(exit, stderr);
  } catch (fault) {
    task.check();
    throw fault;
  } finally {
    task.signal.removeEventListener('abort', cancel);
    stream.destroy();
  }
}

async function feed(stdin: Readable, stream: Duplex): Promise<void> {
  for await (const chunk of stdin) {
    for (const frame of encodeChunks(FRAME.STDIN, chunk as Buffer)) {
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

async function readToExit(stream: Duplex, command: GuestCommand): Promise<{ exit: ExecExit; stderr: string }> {
  const reader = new FrameReader();
  let stdoutBytes = 0;
  let stderr = '';
  const silence = setTimeout(() => stream.destroy(), MAX_SILENCE_MS);
  try {
    for await (const bytes of stream) {
      silence.refresh();
      for (const { type, payload } of reader.push(bytes as Buffer)) {
        if (type === FRAME.STDOUT) {
          stdoutBytes += payload.length;
          if (stdoutBytes > command.maxBytes) throw tooMuch(command.maxBytes);
          await command.onStdout?.(payload);
        } else if (type === FRAME.STDERR) {
          stderr = (stderr + payload.toString('latin1')).slice(-MAX_STDERR_BYTES);
        } else if (type === FRAME.FAILED) {
          throw guestRefusal(readFailure(payload));
        } else if (type === FRAME.EXIT) {
          return { exit: readExit(payload), stderr };
        }
      }
    }
  } catch (fault) {
    if (fault instanceof BangerError) throw fault;
    throw lost(fault);
  } finally {
    clearTimeout(silence);
  }
  throw lost();
}

function failed(exit: ExecExit, stderr: string): BangerError {
  const how = 'code' in exit ? `exited with ${exit.code}` : `was ended by SIG${exit.signal}`;
  const words = showName(stderr.trim().split('\n').slice(-4).join('; '));
  return new BangerError('WORKSPACE_FAILED', {
    message: `git inside the guest ${how}${words ? `: ${words}` : ''}.`,
    hint: '"banger vm exec" enters the vm to see for yourself, "df -h" there tells whether its disk is full.',
  });
}

function tooMuch(maxBytes: number): BangerError {
  return new BangerError('WORKSPACE_REFUSED', {
    message: `The guest sent more than the ${maxBytes} bytes that are allowed; nothing was taken over.`,
    hint: 'Large files that are made in the guest belong in its .gitignore; "banger vm cp" brings single ones out.',
  });
}

function lost(cause?: unknown): BangerError {
  return new BangerError('VM_LOST', {
    message: 'The guest broke off while its workspace was read or written.',
    hint: '"banger vm show" says how the vm is; "banger vm logs" shows its console.',
    cause,
  });
}
