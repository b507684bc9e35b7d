/** The daemon's log: one line an entry on standard error, which is daemon.log. Grep-able, no levels to configure. */
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';
import { cutToNewest } from './cut-file.ts';

/** A daemon lives for months, and a guest can give it something to tell every second */
const MAX_LOG_BYTES = 8 * 2 ** 20;

export type Log = { info(text: string): void; warn(text: string, cause?: unknown): void };

export function createLog(write: (line: string) => void): Log {
  const line = (level: string, text: string) => write(`${new Date().toISOString()} ${level} ${text}\n`);
  return {
    info: (text) => line('info', text),
    warn: (text, cause) => line('warn', cause === undefined ? text : `${text}: ${describe(cause)}`),
  };
}

/**
 * Writes lines to a descriptor, by itself: a stream would throw later, and end the daemon, where its log cannot be written.
 * A file that becomes larger than `maxBytes` is cut to its newest half.
 */
export function createLogWriter(descriptor: number, maxBytes = MAX_LOG_BYTES): (line: string) => void {
  return (line) => {
    try {
      writeSync(descriptor, line);
      const found = fstatSync(descriptor);
      if (found.isFile() && found.size > maxBytes) cut(found.size);
    } catch {
      // the disk is full, or whoever read it is gone
    }
  };

  /** The descriptor itself may be for writing only. */
  function cut(sizeBytes: number): void {
    const file = openSync(`/proc/self/fd/${descriptor}`, 'a+');
    try {
      cutToNewest(file, sizeBytes, Math.floor(maxBytes / 2));
    } finally {
      closeSync(file);
    }
  }
}

function describe(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const own = cause.stack ?? cause.message;
  return cause.cause === undefined ? own : `${own}\n  caused by ${describe(cause.cause)}`;
}
