/** FIFOs between the daemon and what it has started: their end tells that the last process which had them has ended. */
import { constants, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { runProcess } from './run-process.ts';
import type { Task } from './task.ts';
import type { OnRead } from './unix-sockets.ts';

const READ_BYTES = 64 * 1024;

export async function makeFifos(task: Task, paths: readonly string[]): Promise<void> {
  await runProcess(task, ['mkfifo', '--mode=600', ...paths]);
}

/** An end for a process that is about to start: it waits for no reader, and never fails for want of one. */
export function openForProcess(path: string): number {
  return openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
}

/** The reading end of a FIFO that has a writer; it ends when the last one has closed it. */
export function openFifo(path: string, onRead: OnRead): Socket {
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  return new Socket({
    fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK),
    ...{ readable: true, writable: false },
    onread: { buffer, callback: (lengthBytes) => onRead(buffer.subarray(0, lengthBytes)) },
  });
}
