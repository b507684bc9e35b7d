/** Files, so that a power cut leaves either the old or the new, and sizes as the filesystem counts them. */
import { createHash } from 'node:crypto';
import { closeSync, constants, createReadStream, fstatSync, lstatSync, openSync, readSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { bytesOfText } from '@banger/contract/byte-text.ts';
import type { Digest } from '@banger/contract/digest.ts';
import type { Task } from './task.ts';

const PARTIAL = '.partial';
/** What describes a vm, an image or a kernel takes a few hundred */
const MAX_SMALL_BYTES = 256 * 1024;

/** A path as Node's fs takes it: bytes where it is not UTF-8, which a string would not keep. See byte-text.ts. */
export function fsPath(path: string): string | Buffer {
  return path.isWellFormed() ? path : Buffer.from(bytesOfText(path));
}

/**
 * A folder that only the owner can look into, in folders as closed. Not Node's own `recursive`, which says ENOENT where
 * the disk is read-only.
 */
export async function makePrivateFolder(path: string): Promise<void> {
  try {
    await makeFolder(path);
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code !== 'ENOENT') throw fault;
    await makePrivateFolder(dirname(path)); // somebody else may have made it by now
    await makeFolder(path);
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code !== 'EEXIST' || !(await stat(path)).isDirectory()) throw fault;
  }
}

export async function removeTree(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
}

export async function listFolder(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw fault;
  }
}

/** One that cannot be written leaves nothing beside the old file. */
export async function writeFileDurably(path: string, content: string | Uint8Array): Promise<void> {
  const partial = `${path}${PARTIAL}`;
  try {
    await writeFile(partial, content, { mode: 0o600, flush: true });
    await rename(partial, path);
  } catch (fault) {
    await rm(partial, { force: true }).catch(() => {}); // what cannot be removed either is told by the fault
    throw fault;
  }
  await syncPath(dirname(path));
}

/** ssh-keygen writes a public key beside each private one. */
function isPartial(name: string): boolean {
  return name.endsWith(PARTIAL) || name.endsWith(`${PARTIAL}.pub`);
}

/** What a write that was cut off left: files named as `writeFileDurably` names them. Safe when there is no folder. */
export async function removePartials(folder: string): Promise<void> {
  for (const name of await listFolder(folder)) if (isPartial(name)) await removeTree(join(folder, name));
}

/** The text of a small regular file. Throws for anything else, and for one of more than `maxBytes`. */
export function readSmallFile(path: string, maxBytes = MAX_SMALL_BYTES): string {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  try {
    const found = fstatSync(file);
    if (!found.isFile() || found.size > maxBytes) throw new Error(`${path} is not a file of at most ${maxBytes} bytes`);
    const bytes = Buffer.alloc(found.size);
    return bytes.toString('utf8', 0, readSync(file, bytes, 0, found.size, 0));
  } finally {
    closeSync(file);
  }
}

/** Durable when it resolves. A file that has this content already, and is no link, is not written again. */
export async function writeWhereChanged(path: string, content: string): Promise<void> {
  if (readOrNothing(path) !== content) await writeFileDurably(path, content);
}

function readOrNothing(path: string): string {
  try {
    return readSmallFile(path);
  } catch {
    return '';
  }
}

/** In bytes. Throws for what is not there, and for what is no regular file. */
export function sizeOfFile(path: string): number {
  const found = lstatSync(path);
  if (!found.isFile()) throw new Error(`${path} is no regular file`);
  return found.size;
}

/** Moves a finished file or folder into place, and makes both the content and the name durable. */
export async function moveDurably(from: string, to: string): Promise<void> {
  await syncPath(from);
  await rename(from, to);
  await syncPath(dirname(to));
}

export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** What a sparse file really takes; 0 when it does not exist. */
export async function allocatedBytes(path: string): Promise<number> {
  try {
    return (await stat(path)).blocks * 512;
  } catch {
    return 0;
  }
}

/** What an ordinary user may still write on the filesystem that holds `path`. */
export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

export function digestBytes(bytes: string | Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;
}

export async function digestFile(task: Task, path: string): Promise<Digest> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash, { signal: task.signal });
  return `sha256:${hash.digest('hex')}` as Digest;
}

export function isNoSpace(fault: unknown): boolean {
  const code = (fault as NodeJS.ErrnoException | undefined)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT' || /No space left on device|Disk quota exceeded/.test(String(fault));
}
