/** Files and sockets by which a program that the daemon starts says that it is ready, and connections to those. */
import { closeSync, constants, fstatSync, lstatSync, openSync, type Stats, watch } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Task } from './task.ts';

/** The socket's queue is full; no event tells when there is room */
const FULL_PAUSE_MS = 100;

type Watch = { appeared: Promise<void>; stop: () => void };

/**
 * Watches for a socket that a program is about to make. Call it before the program starts, and `stop` in any case: the
 * promise stays open when the socket never comes.
 */
export function watchForSocket(path: string): Watch {
  return watchFor(path, (file) => file.isSocket());
}

/** The same for a file with something in it. */
export function watchForContent(path: string): Watch {
  return watchFor(path, (file) => file.size > 0);
}

function watchFor(path: string, isWanted: (file: Stats) => boolean): Watch {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  promise.catch(() => {});
  const watcher = watch(dirname(path), () => {
    const file = lstatSync(path, { throwIfNoEntry: false });
    if (file && isWanted(file)) resolve();
  });
  watcher.once('error', reject);
  return { appeared: promise, stop: () => watcher.close() };
}

/** Is given what was read, which it may keep no longer than the call; on false nothing is read until `resume()` */
export type OnRead = (bytes: Buffer) => boolean;

const READ_BYTES = 64 * 1024;
/** Names a file without opening it; Node has no name for it */
const O_PATH = 0o10000000;

/**
 * Connects to a socket that exists; the program that made it may not listen yet. What made it may have been taken over by
 * a guest: a link that was put in the place of the socket is not followed.
 */
export async function connectSocket(task: Task, path: string, onRead?: OnRead): Promise<Socket> {
  for (;;) {
    task.check();
    try {
      return await connectOnce(path, onRead);
    } catch (fault) {
      const { code } = fault as NodeJS.ErrnoException;
      if (code === 'EAGAIN') await delay(FULL_PAUSE_MS);
      else if (code !== 'ECONNREFUSED') throw fault;
      else await new Promise((resolve) => setImmediate(resolve)); // microseconds lie between bind() and listen()
    }
  }
}

async function connectOnce(path: string, onRead?: OnRead): Promise<Socket> {
  const found = openSync(path, O_PATH | constants.O_NOFOLLOW);
  try {
    if (!fstatSync(found).isSocket()) throw new Error(`${path} is no socket`);
    return await connectTo(`/proc/self/fd/${found}`, onRead);
  } finally {
    closeSync(found);
  }
}

function connectTo(path: string, onRead?: OnRead): Promise<Socket> {
  const onread = onRead && {
    buffer: Buffer.allocUnsafe(READ_BYTES),
    callback: (lengthBytes: number, buffer: Uint8Array) => onRead((buffer as Buffer).subarray(0, lengthBytes)),
  };
  return new Promise((resolve, reject) => {
    const socket = connect({ path, ...(onread && { onread }) });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}
