/**
 * The door to recovery: a state that was lost, is damaged, or is an old copy is made anew from what the folders of vms,
 * images and kernels tell of themselves, and from copies of the state.
 *
 * It runs without a daemon, under the daemon's lock, and removes nothing: the state as it was stays beside the new one,
 * and an image or a kernel that is not what its digest says gets another name, so that nothing boots it.
 */
import { existsSync, lstatSync } from 'node:fs';
import { link, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Recovery } from '@banger/contract/api/recovery.ts';
import type { BangerPaths } from '@banger/contract/paths.ts';
import { listFolder, makePrivateFolder, removePartials } from '../platform/files.ts';
import { takeSingleInstanceLock } from '../platform/single-instance.ts';
import { openStore } from '../store/store.ts';
import { planRecovery, type StateRecords, stampOf } from './plan-recovery.ts';
import { readFindings } from './read-findings.ts';

/** What SQLite keeps of a database: the log belongs to the file, and must never meet another. */
const PARTS = ['', '-wal', '-shm', '-journal'];

const HALF_MADE = /\.(reading|recovering)(-wal|-shm|-journal)?$/;

type RecoverParts = { paths: BangerPaths; dryRun: boolean; now: () => Date };

/** Throws DAEMON_ALREADY_RUNNING; nothing was changed then. */
export async function recover({ paths, dryRun, now }: RecoverParts): Promise<Recovery> {
  await makePrivateFolder(paths.state);
  using _lock = takeSingleInstanceLock(join(paths.state, 'lock.sqlite'));
  const path = join(paths.state, 'state.sqlite');
  const { findings, fault, isThere } = await readFindings(paths, path);
  const at = now().toISOString();
  const { records, items, setAside } = planRecovery(findings, at);
  const isChanged = isThere ? fault !== null || !isSame(records, findings.present) : hasAny(records);
  const keptAt = isChanged && isThere ? `${path}.before-${stampOf(at)}` : null;
  if (!dryRun) for (const { from, to } of setAside) await rename(join(paths.data, from), join(paths.data, to));
  if (isChanged && !dryRun) {
    const fresh = `${path}.recovering`;
    await writeState(fresh, records);
    await replaceState(path, fresh, keptAt);
  }
  return { items, fault: isThere ? fault : null, isChanged, keptAt: dryRun ? null : keptAt, dryRun };
}

/** At the daemon's start, under its lock: what a recovery that was killed left. */
export async function sweepRecovery(stateFolder: string): Promise<void> {
  for (const folder of [stateFolder, join(stateFolder, 'copies')]) {
    for (const name of await listFolder(folder))
      if (HALF_MADE.test(name)) await rm(join(folder, name), { force: true });
    await removePartials(folder);
  }
}

async function writeState(path: string, records: StateRecords): Promise<void> {
  for (const part of PARTS) await rm(`${path}${part}`, { force: true });
  const store = openStore(path);
  try {
    for (const vm of records.vms) store.vms.insert(vm);
    for (const workspace of records.workspaces) store.workspaces.put(workspace);
    for (const image of records.images) store.images.put(image);
    for (const kernel of records.kernels) store.kernels.put(kernel);
  } finally {
    store.close(); // brings its log into the file
  }
  await sync(path);
}

/**
 * Killed at any point there is an old state or a new one, and all of the old one is kept. The old log goes before the
 * new file comes: SQLite would bring it into whatever it finds beside it.
 */
async function replaceState(path: string, fresh: string, keptAt: string | null): Promise<void> {
  if (keptAt !== null) {
    const keep = lstatSync(path).isDirectory() ? rename : link; // a folder has one name only
    for (const part of PARTS) if (existsSync(`${path}${part}`)) await keep(`${path}${part}`, `${keptAt}${part}`);
    await sync(dirname(path));
  }
  for (const part of PARTS.slice(1)) await rm(`${path}${part}`, { force: true });
  await rename(fresh, path);
  await sync(dirname(path));
}

async function sync(path: string): Promise<void> {
  await using file = await open(path, 'r');
  await file.sync();
}

function isSame(records: StateRecords, present: StateRecords | null): boolean {
  return present !== null && JSON.stringify(sorted(records)) === JSON.stringify(sorted(present));
}

function sorted(records: StateRecords): string[] {
  return Object.entries(records)
    .flatMap(([table, rows]) => rows.map((row) => `${table} ${JSON.stringify(row, Object.keys(row).sort())}`))
    .sort();
}

function hasAny(records: StateRecords): boolean {
  return Object.values(records).some((rows) => rows.length > 0);
}
