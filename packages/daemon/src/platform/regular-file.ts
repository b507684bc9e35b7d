/**
 * Files that somebody named: only regular ones are opened, and opening never waits. A FIFO without a writer would hold
 * one of the few threads that Node does all its file work with, and nobody could cancel that.
 */
import { constants, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { BangerError } from '@banger/contract/errors.ts';
import { formatSize } from '@banger/contract/sizes.ts';

/** A handle that opens nothing: no device wakes up, no pipe waits. Linux's; Node has no name for it */
export const O_PATH = 0o10000000;

/** Makes the caller's error of what is wrong with the file: a sentence without its full stop */
type Refuse = (why: string) => Error;

/** Links are followed. Throws FILE_NOT_FOUND for what cannot be opened, and what `refuse` makes of anything but a file. */
export async function openRegularFile(path: string, refuse: Refuse): Promise<FileHandle> {
  try {
    // By O_PATH nothing is opened yet: a device may act on being opened.
    await using found = await open(path, O_PATH);
    const kind = kindOf(await found.stat());
    if (kind !== 'file') throw refuse(`${path} is a ${kind}, not a file`);
    return await open(`/proc/self/fd/${found.fd}`, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).syscall !== 'open') throw fault;
    throw unreadable(path, fault);
  }
}

/** All of it. Throws as `openRegularFile` does, also for a file that is larger than `maxBytes`. */
export async function readRegularFile(path: string, maxBytes: number, refuse: Refuse): Promise<Buffer> {
  await using file = await openRegularFile(path, refuse);
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  // Not by its size: files of /proc and /sys say that they are empty.
  for await (const chunk of file.createReadStream({ end: maxBytes })) {
    chunks.push(chunk);
    sizeBytes += (chunk as Buffer).length;
  }
  if (sizeBytes > maxBytes) throw refuse(`${path} is larger than ${formatSize(maxBytes)}`);
  return Buffer.concat(chunks);
}

function kindOf(found: Stats): string {
  if (found.isFile()) return 'file';
  if (found.isDirectory()) return 'folder';
  if (found.isFIFO()) return 'FIFO';
  return found.isSocket() ? 'socket' : 'device';
}

function unreadable(path: string, cause: unknown): BangerError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const why = code === 'ENOENT' ? 'it does not exist' : message;
  return new BangerError('FILE_NOT_FOUND', {
    message: `${path} cannot be read: ${why}.`,
    details: { path },
    cause,
  });
}
