/**
 * Keeps what a guest or its hypervisor writes in a file that cannot grow without end.
 *
 * A guest writes to its console as much as it likes, so the hypervisor must not write the file by itself: it would go on
 * while no daemon runs, and a limit on the process (RLIMIT_FSIZE) would hit the disk image too. So what is written comes
 * by a socket or a FIFO that the daemon drains. While no daemon runs the output is dropped, which costs some lines and
 * never any space; and a machine that ends leaves its last lines in the buffer, where the daemon still finds them.
 *
 * A serial port's bytes come one by one, and each costs a read. A guest that writes without end would keep a processor
 * busy with that; so it may do so for a while, as in a boot, and then is read at a pace, which slows its console down
 * and nothing else.
 */
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { cutToNewest } from '../platform/cut-file.ts';
import { isNoSpace } from '../platform/files.ts';
import type { Log } from '../platform/log.ts';
import type { OnRead } from '../platform/unix-sockets.ts';

/** Above this the file is cut down to its newest half */
const MAX_LOG_BYTES = 1024 * 1024;

/** More than a boot with all its messages takes */
const BURST_READS = 50_000;
/** After the burst, between two reads: the socket's buffer fills meanwhile */
const PAUSE_MS = 5;

export type BoundedLog = {
  /** Resolves when its writers have ended and all of it is in the file */
  ended: Promise<void>;
  stop(): void;
};

type BoundedLogParts = {
  /** Where it comes from: gives every read to `onRead`, and pauses on its false */
  open: (onRead: OnRead) => Promise<Socket> | Socket;
  path: string;
  log: Log;
  /** Is given what was read, which it may keep no longer than the call */
  onBytes?: (bytes: Buffer) => void;
  maxBytes?: number;
  burstReads?: number;
};

export async function keepBoundedLog({
  open,
  path,
  log,
  onBytes,
  maxBytes = MAX_LOG_BYTES,
  burstReads = BURST_READS,
}: BoundedLogParts): Promise<BoundedLog> {
  let isWarned = false;
  // On a full disk the text is lost, and neither the machine nor its adoption fails for it.
  const warn = (fault: unknown) => {
    if (!isWarned) log.warn(`cannot write ${path}${isNoSpace(fault) ? ', the disk is full' : ''}`, fault);
    isWarned = true;
  };
  const file = openOrWarn(path, warn);
  const close = () => file !== null && closeSync(file);
  let sizeBytes = file === null ? 0 : fstatSync(file).size;

  const takesMore = createPace(burstReads);
  let timer: NodeJS.Timeout | undefined;
  let socket: Socket | undefined;
  // Not by 'data' events: a socket that is paused goes on reading, byte by byte, into Node's buffer.
  const onRead = (bytes: Buffer): boolean => {
    onBytes?.(bytes);
    append(bytes);
    if (takesMore()) return true;
    timer = setTimeout(() => socket?.resume(), PAUSE_MS);
    return false;
  };
  try {
    socket = await open(onRead);
  } catch (fault) {
    close();
    throw fault;
  }
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  socket.on('error', () => {}); // "close" follows
  socket.once('close', () => {
    clearTimeout(timer);
    close();
    resolve();
  });
  return { ended, stop: () => socket.destroy() };

  function append(bytes: Buffer): void {
    if (file === null) return;
    try {
      writeSync(file, bytes);
      sizeBytes += bytes.length;
      if (sizeBytes > maxBytes) sizeBytes = cutToNewest(file, sizeBytes, Math.floor(maxBytes / 2));
    } catch (fault) {
      warn(fault);
    }
  }
}

function openOrWarn(path: string, warn: (fault: unknown) => void): number | null {
  try {
    return openSync(path, 'a+', 0o600);
  } catch (fault) {
    warn(fault);
    return null;
  }
}

/** Whether one more read may follow at once. Reads that are not used add up, to a burst at most. */
function createPace(burstReads: number): () => boolean {
  let left = burstReads;
  let lastMs = performance.now();
  return () => {
    const nowMs = performance.now();
    left = Math.min(burstReads, left + (nowMs - lastMs) / PAUSE_MS) - 1;
    lastMs = nowMs;
    return left >= 0;
  };
}
