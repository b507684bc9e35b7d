/** Sockets of programs that the daemon starts: a connection as soon as there is one. */
import { existsSync, watch } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { dirname } from 'node:path';
import type { Task } from './task.ts';

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
