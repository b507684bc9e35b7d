/** Puts one thing at its place whole: it is made under another name beside it, and renamed. */
import type { Stats } from 'node:fs';
import { type FileHandle, open, rename, rm, statfs } from 'node:fs/promises';
import { BangerError } from '@banger/contract/errors.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import type { TarEntry } from '@banger/contract/tar/read-tar.ts';
import { dirname } from '../exact-path.ts';
import { fsPath } from './fs-path.ts';
import type { CopyCount } from './pack-files.ts';

/** Smaller ones are tried without a look at the free space */
const LARGE_BYTES = 1024 * 1024;
/** Of times: what any filesystem takes is less */
const MAX_SECONDS = 1e11;

/** `make` makes it at the path that it is given; a failure leaves nothing. */
export async function putInPlace(temporary: string, path: string, make: (at: string) => Promise<void>): Promise<void> {
  try {
    await make(temporary);
    await rename(fsPath(temporary), fsPath(path));
  } catch (error) {
    await rm(fsPath(temporary), { force: true });
    throw error;
  }
}

/** `replaced` is what the file will stand in for: its content is only given up for one that is on the disk. */
export async function writeContent(path: string, entry: TarEntry, count: CopyCount, replaced: Stats | null) {
  if (entry.storedBytes > LARGE_BYTES) await expectSpace(path, entry.storedBytes);
  await using file = await open(fsPath(path), 'wx', entry.mode & 0o777);
  let end = 0;
  for await (const { at, bytes } of entry.body()) {
    await writeAll(file, bytes, at);
    count.bytes += bytes.length;
    end = at + bytes.length;
  }
  if (end < entry.sizeBytes) await file.truncate(entry.sizeBytes); // it ends with a hole
  await file.utimes(fsTime(entry.mtimeNs), fsTime(entry.mtimeNs));
  if (replaced !== null) await file.datasync();
}

async function writeAll(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
  }
}

/** Node takes seconds as a double, whose steps are a quarter of a microsecond, and less than zero only as a Date. */
export function fsTime(nanoseconds: bigint): number | Date {
  const seconds = Math.min(Math.max(Number(nanoseconds / 1000n) / 1e6, -MAX_SECONDS), MAX_SECONDS);
  return seconds < 0 ? new Date(seconds * 1000) : seconds;
}

/** A guest may announce a file of any size; what cannot fit is not begun. */
async function expectSpace(path: string, sizeBytes: number): Promise<void> {
  const { bavail, blocks, bsize } = await statfs(fsPath(dirname(path)));
  if (blocks === 0 || bavail * bsize >= sizeBytes) return; // a filesystem that does not know has none at all
  throw new BangerError('DISK_FULL', {
    message: `A file of ${formatSize(sizeBytes)} is to be copied to ${dirname(path)}, which has ${formatSize(bavail * bsize)} free.`,
    hint: 'Free some space there, or copy to a folder on another disk.',
    details: { path },
  });
}
