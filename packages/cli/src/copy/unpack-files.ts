/**
 * A tar stream from a guest to files of the host. The guest is hostile: nothing is written outside the folder that the
 * user named, whatever the entries are called and in whatever order they come.
 *
 * - A name with `..`, an absolute name, or one that does not begin with what was asked for ends the copy.
 * - Folders on the way are looked at without following links; links are made last, so no entry goes through one of them.
 * - Links that lead out of what is copied, and devices, pipes and sockets, are left out and counted.
 * - Files appear whole, by renaming; they belong to the caller and have no setuid, setgid or sticky bits.
 */
import { readlinkSync } from 'node:fs';
import { chmod, link, lstat, mkdir, open, rename, rm, symlink, unlink, utimes } from 'node:fs/promises';
import { dirname } from 'node:path/posix';
import { BangerError } from '@banger/contract/errors.ts';
import { leadsOut } from '@banger/contract/link-target.ts';
import type { CopyCount } from './pack-files.ts';
import { readTar, type TarEntry } from './tar-format.ts';

type UnpackParts = {
  /** An existing folder of the host */
  folder: string;
  /** What entries' names must begin with */
  base: string;
  /** What stands in its place; null puts what is below it in the folder itself */
  name: string | null;
  count: CopyCount;
};

export async function unpackFiles(tar: AsyncIterable<Uint8Array>, parts: UnpackParts): Promise<void> {
  const { folder, base, name, count } = parts;
  const realFolders = new Set<string>();
  const files = new Set<string>();
  const links = new Map<string, string>();
  const lateModes = new Map<string, number>();

  for await (const entry of readTar(tar)) {
    const words = placeOf(entry.name, base, name);
    if (words.length === 0) continue; // the folder itself, whose content is wanted
    const path = `${folder}/${words.join('/')}`;
    await ensureFolder(words.slice(0, -1));
    await explained(path, unpackOne(entry, words, path));
  }
  for (const [path, target] of links) await explained(path, makeLink(path, target));
  for (const [path, mode] of [...lateModes].reverse()) await chmod(path, mode);

  async function unpackOne(entry: TarEntry, words: string[], path: string): Promise<void> {
    switch (entry.type) {
      case 'directory': {
        await ensureFolder(words, entry.mode);
        return;
      }
      case 'file':
        links.delete(path);
        await writeWhole(entry, path, count);
        files.add(path);
        count.files++;
        return;
      case 'symlink':
        if (leadsOut(name === null ? words : words.slice(1), entry.target, linkAt)) count.skipped++;
        else links.set(path, entry.target);
        return;
      case 'hardlink': {
        const target = `${folder}/${placeOf(entry.target, base, name).join('/')}`;
        if (!files.has(target) || target === path) count.skipped++;
        else await makeHardLink(target, path);
        return;
      }
      case 'special':
        count.skipped++;
        return;
    }
  }

  /** The target of a link that lies in the folder already; null when there is none. */
  function linkAt(path: string): string | null {
    try {
      return readlinkSync(`${folder}/${name === null ? '' : `${name}/`}${path}`);
    } catch {
      return null; // it is no link, or nothing at all
    }
  }

  /** Makes what is missing, one folder at a time; a link or a file in its place is refused. */
  async function ensureFolder(words: string[], mode = 0o755): Promise<void> {
    let path = folder;
    for (const [index, word] of words.entries()) {
      path = `${path}/${word}`;
      if (realFolders.has(path)) continue;
      const found = await lstatOrNull(path);
      if (found === null) await explained(path, makeFolder(path, index === words.length - 1 ? mode : 0o755));
      else if (!found.isDirectory()) throw refused(path, 'it is in the way of a folder');
      realFolders.add(path);
    }
  }

  async function makeFolder(path: string, mode: number): Promise<void> {
    await mkdir(path, (mode & 0o777) | 0o700);
    if ((mode & 0o700) !== 0o700) lateModes.set(path, mode & 0o755); // only when everything is in it
  }

  async function makeHardLink(target: string, path: string): Promise<void> {
    await removeFile(path);
    await link(target, path);
    files.add(path);
    count.files++;
  }

  async function makeLink(path: string, target: string): Promise<void> {
    await removeFile(path);
    await symlink(target, path);
    count.files++;
  }
}

/** Words of the path below the folder. Throws for a name that leads anywhere else. */
export function placeOf(entryName: string, base: string, name: string | null): string[] {
  const words = entryName.split('/').filter((word) => word !== '' && word !== '.');
  const isGood = words[0] === base && !entryName.startsWith('/') && !words.includes('..') && !entryName.includes('\0');
  if (!isGood) {
    throw new BangerError('AGENT_PROTOCOL', {
      message: `The guest sent a file by the name ${JSON.stringify(entryName.slice(0, 200))}, which was not asked for.`,
      hint: 'The copy was ended. The guest may be damaged or hostile.',
    });
  }
  return name === null ? words.slice(1) : [name, ...words.slice(1)];
}

async function writeWhole(entry: TarEntry, path: string, count: CopyCount): Promise<void> {
  const found = await lstatOrNull(path);
  if (found !== null && !found.isFile() && !found.isSymbolicLink()) throw refused(path, 'it is in the way of a file');
  const temporary = `${dirname(path)}/.banger-${process.pid}-${Math.random().toString(36).slice(2)}`;
  try {
    const file = await open(temporary, 'wx', entry.mode & 0o777);
    try {
      for await (const chunk of entry.body()) {
        await file.writeFile(chunk); // goes on where the last write ended
        count.bytes += chunk.length;
      }
    } finally {
      await file.close();
    }
    await utimes(temporary, entry.mtimeSeconds, entry.mtimeSeconds);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function removeFile(path: string): Promise<void> {
  const found = await lstatOrNull(path);
  if (found?.isDirectory()) throw refused(path, 'a folder is in the way of a link');
  if (found !== null) await unlink(path);
}

async function lstatOrNull(path: string) {
  return lstat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return null;
    throw cause;
  });
}

async function explained(path: string, work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (cause) {
    const { code, syscall } = cause as NodeJS.ErrnoException;
    if (cause instanceof BangerError || syscall === undefined) throw cause;
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      throw new BangerError('DISK_FULL', {
        message: `There is no space left to write ${path}.`,
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
