/**
 * What was read of a repository for a plan, until the import that was planned takes it: "vm run" looks before it makes a
 * machine, and what it saw is what goes in. Kept for a while and in memory only: an import that finds nothing reads anew.
 */
import { randomBytes } from 'node:crypto';
import type { workspacePlanSchema } from '@banger/contract/api/workspaces.ts';
import type { z } from 'zod';
import { removeTree } from '../platform/files.ts';
import type { Log } from '../platform/log.ts';
import type { Repository } from './find-repository.ts';
import type { Snapshot } from './snapshot-repository.ts';

/** As long as a first machine may take, with its image made before */
const KEPT_MS = 15 * 60_000;
const MAX_KEPT = 8;

type Source = Pick<z.output<typeof workspacePlanSchema>, 'repo' | 'ref' | 'includeUntracked' | 'skipSubmodules'>;

/** `folder` is that of the lens, and belongs to whoever has taken it. */
export type Reading = { repository: Repository; snapshot: Snapshot; folder: string };

type Kept = Reading & { source: string; timer: NodeJS.Timeout };

export type KeptReadings = ReturnType<typeof createKeptReadings>;

export function createKeptReadings({ log }: { log: Log }) {
  const all = new Map<string, Kept>();
  return { keep, take };

  /** Gives the id by which it is taken. The oldest go when there are too many. */
  function keep(source: Source, reading: Reading): string {
    const id = randomBytes(8).toString('hex');
    const timer = setTimeout(() => drop(id), KEPT_MS);
    timer.unref();
    all.set(id, { ...reading, source: describe(source), timer });
    for (const oldest of [...all.keys()].slice(0, -MAX_KEPT)) drop(oldest);
    return id;
  }

  /** Null also for one of another source: then it stays for whom it is meant. */
  function take(id: string | undefined, source: Source): Reading | null {
    const found = all.get(id ?? '');
    if (id === undefined || found?.source !== describe(source)) return null;
    all.delete(id);
    clearTimeout(found.timer);
    return found;
  }

  function drop(id: string): void {
    const found = all.get(id);
    if (found === undefined) return;
    all.delete(id);
    clearTimeout(found.timer);
    removeTree(found.folder).catch((fault) => log.warn(`remove ${found.folder}`, fault));
  }
}

function describe({ repo, ref, includeUntracked, skipSubmodules }: Source): string {
  return JSON.stringify([repo, ref, includeUntracked, skipSubmodules]);
}
