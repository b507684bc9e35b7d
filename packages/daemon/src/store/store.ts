/**
 * The daemon's records: one SQLite database that only the daemon writes.
 *
 * Every write is durable before it returns (WAL, synchronous=FULL), since what is written here is the intent by which a
 * daemon that was killed is tidied up after. What happens on a full disk is told in writes.ts. The database is an index:
 * folders describe themselves, and "banger system recover" makes it anew.
 */
import { randomInt } from 'node:crypto';
import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { BangerError, toBangerError } from '@banger/contract/errors.ts';
import type { Log } from '../platform/log.ts';
import { createCopies } from './copies.ts';
import { MIGRATIONS } from './migrations.ts';
import { createImageRecords } from './records/images.ts';
import { createKernelRecords } from './records/kernels.ts';
import { createVmRecords } from './records/vms.ts';
import { createWorkspaceRecords } from './records/workspaces.ts';
import { createReserve, type Reserve } from './reserve.ts';
import { createWrites, NO_WRITES, sqliteCode, type Writes } from './writes.ts';

const SQLITE_CANTOPEN = 14;

export type Store = ReturnType<typeof openStore>;

type StoreParts = { log?: Log; now?: () => Date };

/** Where copies of the state and the room for it are, beside it. */
export const copiesFolder = (path: string) => join(dirname(path), 'copies');
const reserveFolder = (path: string) => join(dirname(path), 'reserve');

/** Throws STATE_TOO_NEW or STATE_UNREADABLE; the file is not changed then. */
export function openStore(path: string, { log = silent, now = () => new Date() }: StoreParts = {}) {
  const reserve = createReserve(reserveFolder(path));
  reserve.releaseWhenLow();
  const database = openWithReserve(path, reserve, log);
  try {
    migrate(database, path);
    const copies = createCopies({ database, folder: copiesFolder(path), identity: identify(database), log, now });
    let isKept = false;
    const onWrite = () => {
      if (isKept) copies.copySoon();
    };
    const writes = createWrites({ reserve, log, onWrite });
    return { ...createRecords(database, writes), beginUpkeep, flush: writes.flush, close };

    /** Lays down the reserve and makes the copy of the day, now and after changes. */
    function beginUpkeep(): void {
      isKept = true;
      try {
        reserve.fill();
      } catch (fault) {
        log.warn('there is no reserve for the state', fault);
      }
      copies.copyNow();
    }

    function close(): void {
      writes.stop();
      try {
        writes.flush();
      } catch (fault) {
        log.warn('what was kept in memory could not be written', fault);
      }
      copies.stop();
      database.close();
    }
  } catch (fault) {
    database.close();
    throw fault instanceof BangerError ? fault : unreadable(path, fault);
  }
}

const silent: Log = { info: () => {}, warn: () => {} };

/** All that the database holds, parsed. Throws what SQLite throws for a file that is damaged. */
export function createRecords(database: DatabaseSync, writes: Writes = NO_WRITES) {
  const images = createImageRecords(database, writes);
  const kernels = createKernelRecords(database, writes);
  const workspaces = createWorkspaceRecords(database, writes);
  const vms = createVmRecords(database, writes, workspaces.forget);
  return { images, kernels, vms, workspaces, damaged };

  function damaged() {
    return [images, kernels, vms, workspaces].flatMap((records) => records.damaged);
  }
}

/**
 * SQLite makes two files beside the database, for which a full disk has no room. One of them, the index of its log, can be in
 * memory instead, where nobody else reads the state meanwhile.
 */
function openWithReserve(path: string, reserve: Reserve, log: Log): DatabaseSync {
  try {
    return open(path);
  } catch (fault) {
    if (reserve.release()) return openWithReserve(path, reserve, log);
    if (toBangerError(fault).code !== 'DISK_FULL') throw fault;
    log.warn('the disk is full, so the state is opened by this daemon alone', fault);
    return open(path, 'PRAGMA locking_mode = EXCLUSIVE;');
  }
}

function open(path: string, first = ''): DatabaseSync {
  let database: DatabaseSync | null = null;
  try {
    expectStateFile(path);
    database = new DatabaseSync(path, { timeout: 5000 });
    database.exec(`${first} PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;`);
    return database;
  } catch (cause) {
    database?.close();
    throw unreadable(path, cause);
  }
}

/** Throws where the database or its log is anything but a file: whoever opens a FIFO waits for ever. */
export function expectStateFile(path: string): void {
  for (const part of [path, `${path}-wal`]) {
    if (statSync(part, { throwIfNoEntry: false })?.isFile() === false) throw new Error(`${part} is no regular file`);
  }
}

/** Throws STATE_TOO_NEW. */
function migrate(database: DatabaseSync, path: string): void {
  const version = readVersion(database);
  if (version > MIGRATIONS.length) {
    throw new BangerError('STATE_TOO_NEW', {
      message: `The state in ${path} has version ${version}; this banger knows versions up to ${MIGRATIONS.length}.`,
      hint: 'Use the newer banger that wrote it. "banger system recover" makes a state for this one out of the folders of vms and images, and keeps the newer one beside it.',
      details: { path, version },
    });
  }
  const verdict = checkWhole(database);
  if (verdict !== 'ok') throw new Error(verdict);
  for (const [index, step] of MIGRATIONS.entries()) {
    if (index >= version) database.exec(`BEGIN; ${step} PRAGMA user_version = ${index + 1}; COMMIT;`);
  }
}

/** Eight hex digits that a database gets once. */
function identify(database: DatabaseSync): string {
  const read = () => Number(database.prepare('PRAGMA application_id').get()?.application_id);
  if (read() === 0) database.exec(`PRAGMA application_id = ${randomInt(1, 2 ** 31)}`);
  return read().toString(16).padStart(8, '0');
}

export function readVersion(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.user_version);
}

/** "ok", or what SQLite finds broken first. */
export function checkWhole(database: DatabaseSync): string {
  return String(Object.values(database.prepare('PRAGMA quick_check(1)').get() ?? {})[0]);
}

/** A disk that is full or read-only is told as that: nothing is wrong with the state then. */
function unreadable(path: string, cause: unknown): BangerError {
  const known = toBangerError(cause);
  if (known.code !== 'INTERNAL') return known;
  const isClosed = sqliteCode(cause) === SQLITE_CANTOPEN;
  return new BangerError('STATE_UNREADABLE', {
    message: `The state in ${path} cannot be read: ${(cause as Error).message}.`,
    hint: isClosed
      ? `See whether its folder is yours and has room: "ls -la ${dirname(path)}", "df -h -i ${dirname(path)}".`
      : '"banger system recover" makes it anew from what lies in the folders of vms, images and kernels. Disks stay where they are, and so does this file.',
    details: { path },
    cause,
  });
}
