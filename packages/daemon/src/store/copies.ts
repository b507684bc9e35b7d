/**
 * Copies of the state: a consistent one for each of the last days on which it changed, so that a database that is
 * damaged or lost takes little with it. "banger system recover" reads them where the folders do not tell. Each database
 * has an identity of its own, so that an empty one, begun after a loss, does not take the place of what was lost.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { Log } from '../platform/log.ts';

const KEPT_DAYS = 7;
const KEPT_DATABASES = 3;
const COPY = /^(\d{4}-\d{2}-\d{2})-([0-9a-f]{8})\.sqlite$/;
/** Changes come in groups, and the copy of the day is made once for each group */
const SETTLE_MS = 2000;

type CopiesParts = { database: DatabaseSync; folder: string; identity: string; log: Log; now: () => Date };

export function createCopies({ database, folder, identity, log, now }: CopiesParts) {
  let timer: NodeJS.Timeout | null = null;
  return { copySoon, copyNow, stop };

  function copySoon(): void {
    timer ??= setTimeout(copyNow, SETTLE_MS).unref();
  }

  /** Of the day, in place of the one before as a whole. A copy that cannot be made is no fault of what was changed. */
  function copyNow(): void {
    clearTimeout(timer ?? undefined);
    timer = null;
    const path = join(folder, `${now().toISOString().slice(0, 10)}-${identity}.sqlite`);
    const partial = `${path}.partial`;
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      rmSync(partial, { force: true });
      database.prepare('VACUUM INTO ?').run(partial); // fails for a database that is damaged, and the older copy stays
      syncPath(partial);
      renameSync(partial, path);
      syncPath(folder);
      for (const old of surplus(folder, identity)) if (old !== path) rmSync(old, { force: true }); // clocks go back
    } catch (fault) {
      rmSync(partial, { force: true });
      log.warn('the state could not be copied', fault);
    }
  }

  /** Makes the copy that is due. */
  function stop(): void {
    if (timer !== null) copyNow();
  }
}

/** Their paths, the newest first. */
export function listCopies(folder: string): string[] {
  try {
    const paths = readdirSync(folder).flatMap((name) => (COPY.test(name) ? [join(folder, name)] : []));
    const orderOf = (path: string) => `${basename(path).slice(0, 10)} ${statSync(path).mtimeMs}`;
    return paths.sort((a, b) => (orderOf(a) < orderOf(b) ? 1 : -1));
  } catch {
    return []; // none was made yet
  }
}

/** Beyond the last days of each of the last databases. */
function surplus(folder: string, current: string): string[] {
  const byDatabase = Map.groupBy(listCopies(folder), (path) => COPY.exec(basename(path))?.[2] ?? '');
  const others = [...byDatabase.keys()].filter((identity) => identity !== current);
  const kept = new Set([current, ...others.slice(0, KEPT_DATABASES - 1)]);
  return [...byDatabase].flatMap(([identity, paths]) => (kept.has(identity) ? paths.slice(KEPT_DAYS) : paths));
}

function syncPath(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
