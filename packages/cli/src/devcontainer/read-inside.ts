/**
 * Small files of a repository that is not trusted: found in it and nowhere else, whatever its links say, of a bounded size, and
 * nothing of git's own, where credentials may be.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, readlink, realpath } from 'node:fs/promises';
import { textOfBytes } from '@banger/contract/byte-text.ts';
import { cleanQuote } from '@banger/contract/clean-text.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { fsPath } from '../copy/fs-path.ts';

const MAX_FILE_BYTES = 2 ** 20;

/** Null when it is not there. Throws REPO_UNTRUSTED for what lies elsewhere, DEVCONTAINER_INVALID for what is no small file. */
export async function readInside(top: string, path: string): Promise<Buffer | null> {
  const real = await findInside(top, path);
  if (real === null) return null;
  await using file = await openPlain(real);
  // What was put in its place meanwhile is looked at once more.
  expectInside(top, path, textOfBytes(await readlink(`/proc/self/fd/${file.fd}`, { encoding: 'buffer' })));
  return await readBounded(file, path);
}

/** Where a file or a folder of the repository really is; null when it is not there. Throws REPO_UNTRUSTED. */
export async function findInside(top: string, path: string): Promise<string | null> {
  const real = await findReal(path);
  if (real !== null) expectInside(top, path, real);
  return real;
}

/** Wherever it leads; null when it is not there. */
export async function findReal(path: string): Promise<string | null> {
  try {
    return textOfBytes(await realpath(fsPath(path), { encoding: 'buffer' }));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw unreadable(path, `cannot be read (${code})`, cause);
  }
}

function expectInside(top: string, path: string, real: string): void {
  const isInside = real === top || real.startsWith(top === '/' ? top : `${top}/`);
  const isGits = real.slice(top.length).toLowerCase().split('/').includes('.git');
  if (isInside && !isGits) return;
  throw new BangerError('REPO_UNTRUSTED', {
    message: `${cleanQuote(path)} ${isInside ? "is git's own" : 'leads out of the repository'}, so it is not used.`,
    hint: 'Put the file itself there, or name another one.',
    details: { path: cleanQuote(path) },
  });
}

/** Not through a link, and without waiting for a pipe. */
async function openPlain(real: string): Promise<FileHandle> {
  try {
    return await open(fsPath(real), constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch (cause) {
    throw unreadable(real, `cannot be read (${(cause as NodeJS.ErrnoException).code})`, cause);
  }
}

async function readBounded(file: FileHandle, path: string): Promise<Buffer> {
  const found = await file.stat();
  if (!found.isFile()) throw unreadable(path, 'is no file');
  if (found.size > MAX_FILE_BYTES) throw unreadable(path, `is larger than ${formatSize(MAX_FILE_BYTES)}`);
  const bytes = Buffer.alloc(found.size);
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}

function unreadable(path: string, why: string, cause?: unknown): BangerError {
  return new BangerError('DEVCONTAINER_INVALID', {
    message: `${cleanQuote(path)} ${why}.`,
    hint: 'A devcontainer.json, a Dockerfile and a .dockerignore are files of at most 1M in the repository.',
    details: { path: cleanQuote(path) },
    cause,
  });
}
