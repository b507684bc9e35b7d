/**
 * The state database, read without writing a byte: SQLite would make files beside a database in WAL mode, or bring the
 * log of a crashed daemon into it.
 */
import { existsSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import type { Check } from '@banger/contract/api/doctor.ts';
import { checkTrustedPath } from '@banger/contract/own-folder.ts';
import { OWNER } from '../platform/own-files.ts';
import { MIGRATIONS } from '../store/migrations.ts';
import type { ImageRecord } from '../store/records/images.ts';
import type { KernelRecord } from '../store/records/kernels.ts';
import type { VmRecord } from '../store/records/vms.ts';
import { checkWhole, createRecords, expectStateFile, readVersion } from '../store/store.ts';
import type { DamagedRow } from '../store/table.ts';
import { fail, pass, warn } from './check.ts';

const RECOVER = 'banger system recover';
const SQLITE_BUSY = 5;
/** See openWithReserve() in store.ts */
const TAKEN = 'a daemon that came up on a full disk has it for itself; make room there, and let it start anew';

export type Records = { vms: VmRecord[]; images: ImageRecord[]; kernels: KernelRecord[]; damaged: DamagedRow[] };

/** `records` is null when they cannot be known */
export type State = { check: Check; records: Records | null };

export function readState(path: string): State {
  const empty: Records = { vms: [], images: [], kernels: [], damaged: [] };
  if (!existsSync(path)) {
    return { check: pass('state', 'there is none yet; the first command makes it'), records: empty };
  }
  try {
    expectStateFile(path);
    checkTrustedPath(path, OWNER); // a database of somebody else's may be made to harm who reads it
    using database = openReadOnly(path);
    return examine(database, path);
  } catch (fault) {
    const isTaken = (fault as { errcode?: number }).errcode === SQLITE_BUSY;
    if (isTaken) return { check: warn('state', TAKEN, 'banger daemon stop'), records: null };
    return { check: unreadable(path, (fault as Error).message), records: null };
  }
}

function examine(database: DatabaseSync, path: string): State {
  const version = readVersion(database);
  if (version > MIGRATIONS.length) {
    const text = `${path} has version ${version}, and this banger knows versions up to ${MIGRATIONS.length}`;
    return {
      check: fail('state', `${text}; the newer banger that wrote it reads it`, RECOVER),
      records: null,
    };
  }
  const verdict = checkWhole(database);
  if (verdict !== 'ok') return { check: unreadable(path, verdict), records: null };
  if (version < MIGRATIONS.length) {
    const text = `version ${version}; the next daemon brings it to ${MIGRATIONS.length}`;
    return { check: pass('state', text), records: null };
  }
  const { vms, images, kernels, damaged } = createRecords(database);
  const records = { vms: vms.list(), images: images.list(), kernels: kernels.list(), damaged: damaged() };
  const [first] = records.damaged;
  if (first) {
    const which = `${records.damaged.length} records are damaged, the first in the table ${first.table}: ${first.reason}`;
    return { check: warn('state', which, `banger daemon stop; ${RECOVER}`), records };
  }
  return { check: pass('state', `version ${version}, ${records.vms.length} vms`), records };
}

function openReadOnly(path: string): DatabaseSync {
  const url = pathToFileURL(path);
  // Without a log beside it the file is all there is, and nobody changes it under us for the moment of reading.
  const hasLog = (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0;
  url.search = hasLog ? 'mode=ro&readonly_shm=1' : 'mode=ro&immutable=1';
  return new DatabaseSync(url, { readOnly: true });
}

function unreadable(path: string, reason: string): Check {
  return fail('state', `${path} cannot be read: ${reason}`, RECOVER);
}
