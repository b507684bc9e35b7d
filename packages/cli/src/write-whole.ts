/**
 * A file that the user named, written by the command: whole, or what was there before. It is made under another name
 * beside it; what a command that was killed leaves is removed by the next one.
 */
import type { Stats } from 'node:fs';
import { link, open, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { textOfBytes } from '@banger/contract/byte-text.ts';
import { abortError, BangerError } from '@banger/contract/errors.ts';
import { findSystemFault } from '@banger/contract/system-faults.ts';
import { fsPath, lstatOrNull } from './copy/fs-path.ts';
import { createTemporaries } from './copy/leftovers.ts';
import { dirname } from './exact-path.ts';

export type Place = {
  path: string;
  /** What the new content takes the place of, with its mode and owner; null where nothing is */
  replaces: Stats | null;
};

type Content = Uint8Array | AsyncIterable<Uint8Array>;

/** Where it may be written. Throws FILE_EXISTS, FILE_NOT_FOUND for a link that leads nowhere. */
export async function findPlace(path: string, mayReplace: boolean): Promise<Place> {
  return explained(path, async () => {
    if ((await lstatOrNull(path)) === null) return { path, replaces: null };
    if (!mayReplace) throw fileExists(path, 'is there already', 'Name another file, or overwrite it with --force.');
    const replaces = await stat(fsPath(path));
    if (replaces.isDirectory()) throw fileExists(path, 'is a folder', 'Name a file in it.');
    // A pipe or a device takes what it is given, and stays what it is.
    if (!replaces.isFile()) return { path, replaces };
    return { path: textOfBytes(await realpath(fsPath(path), { encoding: 'buffer' })), replaces };
  });
}

type Writing = {
  /** Of a new file; the umask takes from it */
  mode?: number;
  signal?: AbortSignal;
};

/** Throws what the system cannot give, FILE_EXISTS for a file that came meanwhile, CANCELLED. */
export async function writeWhole(place: Place, content: Content, writing: Writing = {}): Promise<void> {
  const { path, replaces } = place;
  const { signal } = writing;
  const isStream = replaces !== null && !replaces.isFile();
  const write = () => (isStream ? writeFile(fsPath(path), content, { signal }) : writeBeside(place, content, writing));
  await explained(path, write, signal);
}

async function writeBeside({ path, replaces }: Place, content: Content, writing: Writing): Promise<void> {
  const temporaries = await createTemporaries();
  await temporaries.sweep(dirname(path));
  const temporary = temporaries.beside(path);
  try {
    await fill(temporary, content, replaces, writing);
    if (replaces === null) await takeName(temporary, path);
    else await rename(fsPath(temporary), fsPath(path));
  } finally {
    await rm(fsPath(temporary), { force: true });
  }
}

async function fill(path: string, content: Content, replaces: Stats | null, { mode = 0o666, signal }: Writing) {
  await using file = await open(fsPath(path), 'wx', replaces ? 0o600 : mode);
  await file.writeFile(content, { signal });
  if (replaces !== null) {
    await file.chown(replaces.uid, replaces.gid);
    await file.chmod(replaces.mode & 0o7777);
  }
  await file.sync();
}

/** Unlike a rename, a link takes the place of nothing; where there are no links, as on FAT, nothing was there just now. */
async function takeName(temporary: string, path: string): Promise<void> {
  try {
    await link(fsPath(temporary), fsPath(path));
  } catch (fault) {
    if (!NO_LINKS.has((fault as NodeJS.ErrnoException).code ?? '')) throw fault;
    await rename(fsPath(temporary), fsPath(path));
  }
}

const NO_LINKS = new Set(['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']);

async function explained<Value>(path: string, work: () => Promise<Value>, signal?: AbortSignal): Promise<Value> {
  try {
    return await work();
  } catch (fault) {
    if (signal?.aborted) throw abortError(signal, `Cancelled; ${path} was not written.`);
    const { code } = fault as NodeJS.ErrnoException;
    if (fault instanceof BangerError || code === undefined) throw fault;
    if (code === 'EEXIST') throw fileExists(path, 'has come to be there', 'Name another file.');
    const system = findSystemFault(fault);
    throw new BangerError(system?.code ?? 'FILE_NOT_FOUND', {
      message: `${path} cannot be written (${code}).`,
      hint: system?.hint ?? 'Its folder has to be there, and a link has to lead somewhere; or name another file.',
      details: { path },
      cause: fault,
    });
  }
}

function fileExists(path: string, how: string, hint: string): BangerError {
  return new BangerError('FILE_EXISTS', { message: `${path} ${how}.`, hint, details: { path } });
}
