/**
 * Folders that are named after a digest: images and kernels are kept in these.
 *
 * A folder is filled under a name of its own and then moved into place as a whole, so what stands under a digest is
 * complete. What a daemon that was killed left half-filled, `sweep` removes; what stands under a digest goes only when
 * somebody decides so, by `discard`: a daemon that lost its records would find nothing in use, and remove everything.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, renameSync } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestOfHex, hexOf } from '@banger/contract/digest.ts';
import { diskFull, explainNoSpace } from '../platform/disk-full.ts';
import { freeBytes, listFolder, makePrivateFolder, moveDurably, removePartials } from '../platform/files.ts';
import type { Log } from '../platform/log.ts';
import { Task } from '../platform/task.ts';
import { removeMappedTree } from '../platform/user-namespace.ts';

const STAGING = /^\.staging-[0-9a-f]{12}$/;

/** Whether an entry is one that is being filled, or on its way out. */
export const isStaging = (entry: string) => STAGING.test(entry);

type FoldersParts = {
  folder: string;
  /** Whether the files in a digest's folder are those of the digest */
  isWhole: (task: Task, folder: string) => Promise<boolean>;
  log: Log;
};

export function createDigestFolders({ folder, isWhole, log }: FoldersParts) {
  const ownStaging = new Set<string>();
  return { stage, place, pathOf, has, list, sweep, discard };

  /** Gives `fill` an empty folder, which is gone afterwards unless it was placed. Throws DISK_FULL. */
  async function stage<Value>(neededBytes: number, fill: (staged: string) => Promise<Value>): Promise<Value> {
    await makePrivateFolder(folder);
    const free = await freeBytes(folder);
    if (free < neededBytes) throw diskFull(folder, neededBytes, free);
    const name = `.staging-${randomBytes(6).toString('hex')}`;
    const staged = join(folder, name);
    ownStaging.add(name);
    try {
      await makePrivateFolder(staged);
      return await fill(staged);
    } catch (fault) {
      throw await explainNoSpace(fault, folder, neededBytes);
    } finally {
      await removeMappedTree(Task.background(), staged);
      ownStaging.delete(name);
    }
  }

  /**
   * Moves a filled folder to its digest, where it takes the place of one that is damaged, and calls `adopt` in the same
   * turn, so that no sweep comes between.
   */
  async function place(task: Task, staged: string, digest: Digest, adopt: () => void): Promise<void> {
    await finishFiles(staged);
    if (existsSync(pathOf(digest)) && !(await isWhole(task, pathOf(digest)))) await discard(digest, 'is damaged');
    if (!has(digest)) await moveDurably(staged, pathOf(digest)).catch(ignoreTaken);
    adopt();
  }

  function pathOf(digest: Digest): string {
    return join(folder, hexOf(digest));
  }

  function has(digest: Digest): boolean {
    return existsSync(join(pathOf(digest), 'manifest.json'));
  }

  /** The digests that are here. */
  async function list(): Promise<Digest[]> {
    return (await listFolder(folder)).map(digestOfHex).filter((digest) => digest !== null);
  }

  /** Removes what earlier daemons left unfinished. */
  async function sweep(): Promise<void> {
    for (const name of await listFolder(folder)) {
      if (isStaging(name) && !ownStaging.has(name)) await removeLeftover(join(folder, name));
      if (digestOfHex(name)) await removePartials(join(folder, name));
    }
  }

  async function removeLeftover(path: string): Promise<void> {
    await removeMappedTree(Task.background(), path);
    log.info(`removed ${path}, which was left unfinished`);
  }

  /** Renames it in the turn that found it unneeded, so that nobody is given it any more. Safe when it is not there. */
  async function discard(digest: Digest, why = 'no name and no vm needs'): Promise<void> {
    const path = pathOf(digest);
    if (!existsSync(path)) return;
    const doomed = join(folder, `.staging-${randomBytes(6).toString('hex')}`);
    renameSync(path, doomed);
    await removeMappedTree(Task.background(), doomed);
    log.info(`removed ${path}, which ${why}`);
  }
}

// Makes the files durable before the folder gets its name, and read-only, since running machines read them.
async function finishFiles(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    await using file = await open(join(entry.parentPath, entry.name), 'r');
    await file.sync();
    await file.chmod(0o444 | ((await file.stat()).mode & 0o111));
  }
}

// Somebody placed the same content a moment before.
function ignoreTaken(fault: NodeJS.ErrnoException): void {
  if (fault.code !== 'ENOTEMPTY' && fault.code !== 'EEXIST') throw fault;
}
