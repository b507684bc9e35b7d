/**
 * Reads files of the owner's home, and nothing else.
 *
 * A link may point elsewhere in the home, as dotfile managers have it. Its target is resolved first and then opened
 * folder by folder, without following any link, so whoever swaps one meanwhile gets an error and not another file.
 */
import { constants, type FileHandle, open, readdir, realpath } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { textOfBytes } from '@banger/contract/byte-text.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import type { PackedEntry } from '@banger/contract/tar/pack-tar.ts';
import { fsPath } from '../platform/files.ts';
import { O_PATH } from '../platform/regular-file.ts';

/** Settings and keys, not data: that is what workspaces and "vm cp" are for */
const MAX_SYNC_BYTES = 16 * 2 ** 20;
const MAX_ENTRIES = 2000;
const MAX_DEPTH = 32;

export type Wanted = {
  home: string;
  /** Absolute */
  from: string;
  /** Relative to the guest's root */
  to: string;
  /** Of files; null keeps that of the source */
  mode: number | null;
};

export type Budget = { bytesLeft: number; entriesLeft: number };

export const newBudget = (): Budget => ({ bytesLeft: MAX_SYNC_BYTES, entriesLeft: MAX_ENTRIES });

/** Null when there is nothing at `from`. Throws FILE_SYNC_REFUSED. */
export async function readHomeFiles(wanted: Wanted, budget: Budget): Promise<PackedEntry[] | null> {
  const { from, to } = wanted;
  const real = await resolveInHome(wanted.home, from);
  return real === null ? null : readAt({ ...wanted, source: from, real, to, depth: 0 }, budget);
}

type Place = Wanted & { source: string; real: string; depth: number };

async function readAt(place: Place, budget: Budget): Promise<PackedEntry[]> {
  const { source, to, mode, depth } = place;
  if (--budget.entriesLeft < 0) throw refused(source, `it and what goes before it are more than ${MAX_ENTRIES} files`);
  if (depth > MAX_DEPTH) throw refused(source, `it is more than ${MAX_DEPTH} folders deep`);
  await using found = await openBeneath(place.home, place.real, source);
  const { size, mode: sourceMode, ...kind } = await statKind(found);
  const ownMode = sourceMode & 0o777;
  if (kind.isDirectory) {
    const folder: PackedEntry = { is: 'folder', path: to, mode: mode === null ? ownMode : searchable(mode) };
    return [folder, ...(await readFolder(place, found, budget))];
  }
  if (!kind.isFile) throw refused(source, 'it is a socket, a pipe or a device');
  return [{ is: 'file', path: to, mode: mode ?? ownMode, content: await readBounded(source, found, size, budget) }];
}

async function readFolder(place: Place, folder: FileHandle, budget: Budget): Promise<PackedEntry[]> {
  const names = (await readdir(pathOf(folder), { encoding: 'buffer' })).map(textOfBytes).sort();
  const entries: PackedEntry[] = [];
  for (const name of names) {
    const source = join(place.source, name);
    const real = await resolveInHome(place.home, source);
    if (real === null) continue; // a link to nothing
    // A link to a folder above would never end.
    if (place.real.startsWith(`${real}/`) || place.real === real)
      throw refused(source, 'it links to a folder around it');
    entries.push(
      ...(await readAt({ ...place, source, real, to: `${place.to}/${name}`, depth: place.depth + 1 }, budget)),
    );
  }
  return entries;
}

async function readBounded(source: string, found: FileHandle, sizeBytes: number, budget: Budget): Promise<Buffer> {
  if (sizeBytes > budget.bytesLeft) throw tooLarge(source);
  await using file = await open(pathOf(found), constants.O_RDONLY | constants.O_NONBLOCK);
  const content = Buffer.alloc(sizeBytes); // one that grows meanwhile is cut
  let filled = 0;
  while (filled < sizeBytes) {
    const { bytesRead } = await file.read(content, filled, sizeBytes - filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  budget.bytesLeft -= filled;
  return content.subarray(0, filled);
}

/** The path without links, or null when nothing is there. */
async function resolveInHome(home: string, path: string): Promise<string | null> {
  const realHome = await withoutLinks(home);
  const real = await withoutLinks(path).catch((fault: NodeJS.ErrnoException) => {
    if (fault.code === 'ENOENT' || fault.code === 'ENOTDIR') return null;
    throw refused(path, fault.code === 'ELOOP' ? 'its links go round in a circle' : fault.message, fault);
  });
  const isNamedInside = path.startsWith(`${home}/`) || path.startsWith(`${realHome}/`);
  if (!isNamedInside) throw refused(path, `it is not in your home, ${home}`);
  if (real !== null && !real.startsWith(`${realHome}/`))
    throw refused(path, `it links to ${real}, which is not in your home`);
  return real;
}

/** Goes down from the home one name at a time, as openat(2) would. */
async function openBeneath(home: string, real: string, source: string): Promise<FileHandle> {
  const realHome = await withoutLinks(home);
  let at = await open(fsPath(realHome), O_PATH | constants.O_DIRECTORY);
  try {
    for (const name of relative(realHome, real).split('/')) {
      const next = await open(fsPath(join(pathOf(at), name)), O_PATH | constants.O_NOFOLLOW);
      await at.close();
      at = next;
      if ((await at.stat()).isSymbolicLink()) throw refused(source, 'it was replaced by a link while it was read');
    }
    return at;
  } catch (fault) {
    await at.close();
    throw fault instanceof BangerError ? fault : refused(source, (fault as Error).message, fault);
  }
}

async function withoutLinks(path: string): Promise<string> {
  return textOfBytes(await realpath(fsPath(path), { encoding: 'buffer' }));
}

const pathOf = ({ fd }: FileHandle): string => `/proc/self/fd/${fd}`;

async function statKind(handle: FileHandle) {
  const found = await handle.stat();
  return { isFile: found.isFile(), isDirectory: found.isDirectory(), size: found.size, mode: found.mode };
}

/** Whoever may read a folder may enter it too: without that no name in it can be opened. */
function searchable(mode: number): number {
  return mode | ((mode & 0o444) >> 2);
}

function tooLarge(source: string): BangerError {
  return refused(source, `with it there are more than ${formatSize(MAX_SYNC_BYTES)} to copy`);
}

function refused(source: string, why: string, cause?: unknown): BangerError {
  return new BangerError('FILE_SYNC_REFUSED', {
    message: `[[file_sync]] cannot copy ${source}: ${why}.`,
    hint: 'Change the entry in the config file; "banger config path" names it. Larger things go in with "banger vm cp".',
    details: { path: source },
    cause,
  });
}
