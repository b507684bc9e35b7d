/**
 * stdout and stderr for a guest's bytes: they wait for a slow reader without stopping the program, and say when the
 * reader is gone.
 */
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { stderr, stdout } from './output/standard-streams.ts';
import { IS_COMPILED } from './root.ts';

export type GuestOutput = {
  /** Resolves when more can be taken */
  write: (bytes: Uint8Array) => Promise<void>;
  /** Resolves when everything has been handed to the system, or is lost */
  flush: () => Promise<void>;
  /** Resolves when the reader is gone */
  broken: Promise<void>;
};

export function openGuestOutput(fd: 1 | 2): GuestOutput {
  // The compiled command's runtime waits for a pipe by itself, and has no sockets of pipes.
  const own = IS_COMPILED ? null : reopenPipe(fd);
  const stream = own ?? (fd === 1 ? stdout() : stderr());
  const gone = Promise.withResolvers<void>();
  let isGone = false;
  let written = Promise.resolve();
  const lost = Promise.withResolvers<void>();
  const onLost = () => {
    isGone = true;
    lost.resolve();
  };
  const onGone = () => {
    onLost();
    gone.resolve();
  };
  // What is lost on our own stdout and stderr is told by standard-streams.ts; here nobody waits for it any more.
  stream.on('error', own === null ? onLost : onGone);
  return { write, flush, broken: gone.promise };

  async function write(bytes: Uint8Array): Promise<void> {
    if (isGone) return;
    let hasRoom = true;
    written = new Promise((resolve) => {
      hasRoom = stream.write(bytes, () => resolve());
    });
    if (!hasRoom) await Promise.race([new Promise((resolve) => stream.once('drain', resolve)), lost.promise]);
  }

  // Not by 'drain', which comes only to a writer who was told to wait.
  async function flush(): Promise<void> {
    await Promise.race([written, lost.promise]);
  }
}

/**
 * Node writes to the pipe of its own stdout with blocking calls: while the reader sleeps, no signal would be forwarded.
 * Opening the pipe anew gives a description of our own, which can be non-blocking without the other writers of that
 * pipe noticing.
 */
function reopenPipe(fd: number): Writable | null {
  const { constants, fstatSync, openSync } = process.getBuiltinModule('node:fs');
  try {
    if (!fstatSync(fd).isFIFO()) return null;
    const own = openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
    return new Socket({ fd: own, readable: false, writable: true });
  } catch {
    return null; // somebody else's pipe, or no /proc: Node's own stream does it, only less smoothly
  }
}
