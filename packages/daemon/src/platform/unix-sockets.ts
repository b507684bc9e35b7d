/** Sockets of programs that the daemon starts: paths that fit, and a connection as soon as there is one. */
import { existsSync, watch } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { BangerError } from '@banger/contract/errors.ts';
import type { Task } from './task.ts';

/** sun_path is 108 bytes, with the zero that ends it */
const MAX_SOCKET_PATH_BYTES = 107;

export function checkSocketPath(path: string): void {
  const lengthBytes = Buffer.byteLength(path);
  if (lengthBytes <= MAX_SOCKET_PATH_BYTES) return;
  throw new BangerError('PATH_TOO_LONG', {
    message: `The socket path "${path}" is ${lengthBytes} bytes long; the system allows ${MAX_SOCKET_PATH_BYTES}.`,
    hint: 'Set XDG_RUNTIME_DIR to a shorter folder and start the daemon again.',
    details: { path, lengthBytes },
  });
}

/**
 * Watches for a socket that a program is about to make. Call it before the program starts, and `stop` in any case: the
 * promise stays open when the socket never comes.
 */
export function watchForSocket(path: string): { appeared: Promise<void>; stop: () => void } {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  promise.catch(() => {});
  const watcher = watch(dirname(path), () => {
    if (existsSync(path)) resolve();
  });
  watcher.once('error', reject);
  return { appeared: promise, stop: () => watcher.close() };
}

/** Connects to a socket that exists; the program that made it may not listen yet. */
export async function connectSocket(task: Task, path: string): Promise<Socket> {
  for (;;) {
    task.check();
    try {
      return await connectOnce(path);
    } catch (fault) {
      if ((fault as NodeJS.ErrnoException).code !== 'ECONNREFUSED') throw fault;
      await new Promise((resolve) => setImmediate(resolve)); // microseconds lie between bind() and listen()
    }
  }
}

function connectOnce(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}
