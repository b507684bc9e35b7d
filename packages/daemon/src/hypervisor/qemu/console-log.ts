/**
 * Keeps the guest's serial console in a file that cannot grow without end.
 *
 * A guest writes to its console as much as it likes, so QEMU must not write the file by itself: it would go on while no
 * daemon runs, and a limit on the process (RLIMIT_FSIZE) would hit the disk image too. So the console is a socket that
 * the daemon drains. While no daemon runs QEMU drops the output, which costs some lines and never any space; and a
 * machine that ends leaves its last lines in the socket's buffer, where the daemon still finds them.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { isNoSpace } from '../../platform/files.ts';
import type { Log } from '../../platform/log.ts';

/** Above this the file is cut down to its newest half */
const MAX_CONSOLE_BYTES = 1024 * 1024;

export type ConsoleLog = {
  /** Resolves when the console has ended and all of it is in the file */
  ended: Promise<void>;
  stop(): void;
};

export function keepConsoleLog(socket: Socket, path: string, log: Log, maxBytes = MAX_CONSOLE_BYTES): ConsoleLog {
  const file = openSync(path, 'a+', 0o600);
  let sizeBytes = fstatSync(file).size;
  let isWarned = false;

  socket.on('data', (bytes: Buffer) => {
    try {
      writeSync(file, bytes);
      sizeBytes += bytes.length;
      if (sizeBytes > maxBytes) sizeBytes = keepNewest(file, sizeBytes, Math.floor(maxBytes / 2));
    } catch (fault) {
      // On a full disk the console is what can be done without; the machine goes on.
      if (!isWarned) log.warn(`cannot write ${path}${isNoSpace(fault) ? ', the disk is full' : ''}`, fault);
      isWarned = true;
    }
  });
  socket.on('error', () => {}); // "close" follows
  const ended = new Promise<void>((resolve) => {
    socket.once('close', () => {
      closeSync(file);
      resolve();
    });
  });
  return { ended, stop: () => socket.destroy() };
}

/** In place, so that whoever has the file open sees it become shorter. Every write appends (O_APPEND). */
function keepNewest(file: number, sizeBytes: number, keepBytes: number): number {
  const newest = Buffer.alloc(keepBytes);
  const readBytes = readSync(file, newest, 0, keepBytes, sizeBytes - keepBytes);
  ftruncateSync(file, 0);
  return writeSync(file, newest, 0, readBytes);
}
