/**
 * Writes to the database, also while the disk takes none.
 *
 * An intent is written before the host is touched, or the work does not begin. What only tells that something ended or
 * goes is never the reason why it cannot: it is kept in memory, and written once the disk has room. A daemon that is
 * killed before that leaves the older record, from which reconcile comes to the same.
 */
import type { Log } from '../platform/log.ts';
import type { Reserve } from './reserve.ts';

const RETRY_MS = 5000;
/** Also what a quota comes to */
const SQLITE_IOERR = 10;
const SQLITE_FULL = 13;
const SQLITE_CONSTRAINT = 19;

export type Writes = ReturnType<typeof createWrites>;

/** For who only reads. */
export const NO_WRITES: Writes = {
  now: refuse,
  whenPossible: refuse,
  flush: refuse,
  stop: () => {},
};

function refuse(): never {
  throw new Error('this state is only read');
}

export function createWrites({ reserve, log, onWrite }: { reserve: Reserve; log: Log; onWrite: () => void }) {
  /** By what they write, the newest of each */
  const waiting = new Map<string, () => void>();
  let retry: NodeJS.Timeout | null = null;
  return { now, whenPossible, flush, stop };

  /** Throws what SQLite throws. */
  function now(key: string, write: () => void): void {
    if (waiting.size > 0) flush();
    inReserve(write);
    waiting.delete(key);
    onWrite();
  }

  function whenPossible(key: string, write: () => void): void {
    try {
      now(key, write);
    } catch (fault) {
      if (isConstraint(fault)) throw fault; // a fault of ours, which room on the disk does not mend
      if (waiting.size === 0) log.warn('the state cannot be written; the change is kept in memory until it can', fault);
      waiting.set(key, write);
      retryLater();
    }
  }

  /** Writes what waits, in order. Throws when the disk still takes nothing. */
  function flush(): void {
    for (const [key, write] of [...waiting]) {
      try {
        inReserve(write);
      } catch (fault) {
        if (!isConstraint(fault)) throw fault;
        log.warn('a change that was kept in memory contradicts the state, and is dropped', fault);
      }
      waiting.delete(key);
      if (waiting.size === 0) log.info('what was kept in memory is written');
    }
  }

  function stop(): void {
    clearTimeout(retry ?? undefined);
  }

  function inReserve(write: () => void): void {
    try {
      write();
    } catch (fault) {
      if (![SQLITE_FULL, SQLITE_IOERR].includes(sqliteCode(fault)) || !reserve.release()) throw fault;
      log.info('the disk is full; the reserve for the state was given up');
      retryLater();
      write();
    }
  }

  /** No event tells that a disk has room again. */
  function retryLater(): void {
    retry ??= setTimeout(() => {
      retry = null;
      try {
        flush();
        reserve.fill();
      } catch {
        // told when it began
      }
      if (waiting.size > 0 || !reserve.isFull()) retryLater();
    }, RETRY_MS).unref();
  }
}

function isConstraint(fault: unknown): boolean {
  return sqliteCode(fault) === SQLITE_CONSTRAINT;
}

/** SQLite's result code, of which the lower eight bits say what kind of fault it was; 0 for another fault. */
export function sqliteCode(fault: unknown): number {
  return ((fault as { errcode?: number }).errcode ?? 0) & 0xff;
}
