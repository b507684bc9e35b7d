/**
 * The daemon's records: one SQLite database that only the daemon writes.
 *
 * Every write is durable before it returns (WAL, synchronous=FULL), since what is written here is the intent by which a
 * daemon that was killed is tidied up after.
 */
import { DatabaseSync } from 'node:sqlite';
import { BangerError } from '@banger/contract/errors.ts';
import { MIGRATIONS } from './migrations.ts';
import { createImageRecords } from './records/images.ts';
import { createKernelRecords } from './records/kernels.ts';
import { createVmRecords } from './records/vms.ts';
import { createWorkspaceRecords } from './records/workspaces.ts';

export type Store = ReturnType<typeof openStore>;

/** Throws STATE_TOO_NEW or STATE_UNREADABLE; the file is not changed then. */
export function openStore(path: string) {
  const database = open(path);
  try {
    migrate(database, path);
  } catch (fault) {
    database.close();
    throw fault;
  }
  return {
    images: createImageRecords(database),
    kernels: createKernelRecords(database),
    vms: createVmRecords(database),
    workspaces: createWorkspaceRecords(database),
    close: () => database.close(),
  };
}

function open(path: string): DatabaseSync {
  try {
    const database = new DatabaseSync(path, { timeout: 5000 });
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;');
    return database;
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function migrate(database: DatabaseSync, path: string): void {
  const version = readVersion(database, path);
  if (version > MIGRATIONS.length) {
    throw new BangerError('STATE_TOO_NEW', {
      message: `The state in ${path} has version ${version}; this banger knows versions up to ${MIGRATIONS.length}.`,
      hint: 'Use the newer banger that wrote it, or point XDG_STATE_HOME elsewhere.',
      details: { path, version },
    });
  }
  for (const [index, step] of MIGRATIONS.entries()) {
    if (index >= version) database.exec(`BEGIN; ${step} PRAGMA user_version = ${index + 1}; COMMIT;`);
  }
}

function readVersion(database: DatabaseSync, path: string): number {
  try {
    return Number(database.prepare('PRAGMA user_version').get()?.user_version);
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): BangerError {
  return new BangerError('STATE_UNREADABLE', {
    message: `The state in ${path} cannot be read: ${(cause as Error).message}.`,
    hint: 'Restore it from a backup, or move it away to begin anew; disks stay where they are.',
    details: { path },
    cause,
  });
}
