/**
 * A tar stream from a guest to files of the host. The guest is hostile: nothing is written outside the folder that the
 * user named, whatever the entries are called and in whatever order they come.
 *
 * - A name with `..`, an absolute name, or one that does not begin with what was asked for ends the copy.
 * - Folders on the way are looked at without following links, so no entry goes through one, whoever made it.
 * - Links that lead out of what is copied, and devices, pipes and sockets, are left out and counted.
 * - Files appear whole, by renaming; they belong to the caller and have no setuid, setgid or sticky bits.
 * - What is remembered does not grow with the copy: of folders, those around the entry at hand.
 */
import { readlinkSync } from 'node:fs';
import { chmod, link, lstat, lutimes, mkdir, rm, symlink, utimes } from 'node:fs/promises';
import { textOfBytes } from '@banger/contract/byte-text.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { leadsOut } from '@banger/contract/link-target.ts';
import { readTar, type TarEntry } from '@banger/contract/tar/read-tar.ts';
import { fsPath, lstatOrNull } from './fs-path.ts';
import { createTemporaries } from './leftovers.ts';
import type { CopyCount } from './pack-files.ts';
import { fsTime, putInPlace, writeContent } from './write-file.ts';

type UnpackParts = {
  /** An existing folder of the host */
  folder: string;
  /** What entries' names must begin with */
  base: string;
  /** What stands in its place; null puts what is below it in the folder itself */
  name: string | null;
  count: CopyCount;
};

/** One that the entry at hand lies in; its mode and time are set when everything is in it */
type OpenFolder = { word: string; path: string; close: () => Promise<void> };

export async function unpackFiles(tar: AsyncIterable<Uint8Array>, parts: UnpackParts): Promise<void> {
  const { folder, base, name, count } = parts;
  const temporaries = await createTemporaries();
  const around: OpenFolder[] = [];
  const skip = (left = 1) => {
    count.skipped += left;
  };

  await explained(folder, temporaries.sweep(folder));
  for await (const entry of readTar(tar, { onSkipped: skip })) {
    const words = placeOf(entry.name, base, name);
    if (words.length === 0) continue; // the folder itself, whose content is wanted
    const path = `${folder}/${words.join('/')}`;
    await enterFolder(entry.type === 'directory' ? words : words.slice(0, -1), entry);
    await explained(path, unpackOne(entry, words, path));
  }
  await leaveFolders(0);

  async function unpackOne(entry: TarEntry, words: string[], path: string): Promise<void> {
    switch (entry.type) {
      case 'directory':
        return;
      case 'file': {
        const replaced = await expectPlace(path, 'a file');
        await putInPlace(temporaries.beside(path), path, (at) => writeContent(at, entry, count, replaced));
        break;
      }
      case 'symlink':
        if (leadsOut(name === null ? words : words.slice(1), entry.target, linkAt)) return skip();
        await expectPlace(path, 'a link');
        await putInPlace(temporaries.beside(path), path, (at) => makeLink(at, entry));
        break;
      case 'hardlink': {
        const target = placeOf(entry.target, base, name);
        if (!(await isRealFile(folder, target))) return skip();
        await expectPlace(path, 'a link');
        const existing = `${folder}/${target.join('/')}`;
        const temporary = temporaries.beside(path);
        await putInPlace(temporary, path, (at) => link(fsPath(existing), fsPath(at)));
        await rm(fsPath(temporary), { force: true }); // still there when both were the same file already
        break;
      }
      case 'pipe':
      case 'character device':
      case 'block device':
      case 'special':
        return skip();
    }
    count.files++;
  }

  /** The target of a link that lies in the folder already; null when there is none. */
  function linkAt(path: string): string | null {
    try {
      const place = `${folder}/${name === null ? '' : `${name}/`}${path}`;
      return textOfBytes(readlinkSync(fsPath(place), { encoding: 'buffer' }));
    } catch {
      return null; // it is no link, or nothing at all
    }
  }

  /** Goes to the folder, one word at a time, and makes what is missing; a link or a file in its place is refused. */
  async function enterFolder(words: string[], entry: TarEntry): Promise<void> {
    const common = words.findIndex((word, index) => around[index]?.word !== word);
    await leaveFolders(common < 0 ? words.length : common);
    for (const [index, word] of words.entries()) {
      if (index < around.length) continue;
      const path = `${folder}/${words.slice(0, index + 1).join('/')}`;
      const isEntry = entry.type === 'directory' && index === words.length - 1;
      around.push({ word, path, close: await explained(path, openFolder(path, isEntry ? entry : null)) });
    }
  }

  async function leaveFolders(depth: number): Promise<void> {
    for (let last = around.length; last > depth; last--) {
      const { path, close } = around.pop() as OpenFolder;
      await explained(path, close());
    }
  }

  /** Answers with what is to be done when everything is in it; one that was there keeps its mode. */
  async function openFolder(path: string, entry: TarEntry | null): Promise<() => Promise<void>> {
    const found = await lstatOrNull(path);
    if (found === null) {
      const mode = entry === null ? 0o755 : entry.mode & 0o777;
      await mkdir(fsPath(path), mode | 0o700);
      return () => closeFolder(path, mode, entry);
    }
    if (!found.isDirectory()) throw refused(path, 'it is in the way of a folder');
    await temporaries.sweep(path);
    return async () => {};
  }
}

async function closeFolder(path: string, mode: number, entry: TarEntry | null): Promise<void> {
  const found = await lstat(fsPath(path));
  if ((found.mode & 0o777 & ~mode) !== 0) await chmod(fsPath(path), found.mode & mode); // the umask counts too
  if (entry !== null) await utimes(fsPath(path), fsTime(entry.mtimeNs), fsTime(entry.mtimeNs));
}

async function makeLink(path: string, { target, mtimeNs }: TarEntry): Promise<void> {
  await symlink(fsPath(target), fsPath(path));
  await lutimes(fsPath(path), fsTime(mtimeNs), fsTime(mtimeNs));
}

/** What will be replaced: a file, a link or nothing. */
async function expectPlace(path: string, what: string) {
  const found = await lstatOrNull(path);
  if (found === null || found.isFile() || found.isSymbolicLink()) return found;
  throw refused(path, found.isDirectory() ? `a folder is in the way of ${what}` : `it is in the way of ${what}`);
}

/** Whether a file lies there, with folders on the way and no links. */
async function isRealFile(folder: string, words: string[]): Promise<boolean> {
  let path = folder;
  for (const [index, word] of words.entries()) {
    path = `${path}/${word}`;
    const found = await lstatOrNull(path);
    if (!(index === words.length - 1 ? found?.isFile() : found?.isDirectory())) return false;
  }
  return words.length > 0;
}

/** Words of the path below the folder. Throws for a name that leads anywhere else. */
export function placeOf(entryName: string, base: string, name: string | null): string[] {
  const words = entryName.split('/').filter((word) => word !== '' && word !== '.');
  const isGood = words[0] === base && !entryName.startsWith('/') && !words.includes('..') && !entryName.includes('\0');
  if (!isGood) {
    throw new BangerError('AGENT_PROTOCOL', {
      message: `The guest sent a file named ${JSON.stringify(entryName.slice(0, 200))}, which is not part of what is copied.`,
      hint: 'The copy ended there, and this file was not written. The guest may be damaged or hostile.',
    });
  }
  return name === null ? words.slice(1) : [name, ...words.slice(1)];
}

async function explained<Value>(path: string, work: Promise<Value>): Promise<Value> {
  try {
    return await work;
  } catch (cause) {
    const { code, syscall } = cause as NodeJS.ErrnoException;
    if (cause instanceof BangerError || syscall === undefined) throw cause;
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      throw new BangerError('DISK_FULL', {
        message: `There is no space left to write ${path}.`,
        hint: 'Free some space there, or copy to a folder on another disk. Files that came before it are whole.',
        details: { path },
        cause,
      });
    }
    throw refused(path, `it cannot be written (${code})`, cause);
  }
}

function refused(path: string, why: string, cause?: unknown): BangerError {
  return new BangerError('FILE_NOT_FOUND', { message: `${path}: ${why}.`, details: { path }, cause });
}
