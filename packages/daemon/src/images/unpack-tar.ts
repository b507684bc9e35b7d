/** A tarball of which only the beginning was looked at, to a stream of plain tar. */
import type { Readable, Writable } from 'node:stream';
import { BangerError } from '@banger/contract/errors.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { type Compression, decompress, isDamage } from '../bases/decompress.ts';
import type { Task } from '../platform/task.ts';

/** Of the plain tar: what an image may hold, and its headers */
export const MAX_TAR_BYTES = 260 * 2 ** 30;

type Packed = {
  /** In words, as the beginning of a sentence */
  what: string;
  compression: Compression;
  packed: Readable;
  /** What to do about one that is damaged */
  hint: string;
};

/** Writes it into `into` and ends that. Throws IMAGE_INVALID, TOOL_MISSING or CANCELLED. */
export async function unpackTar(task: Task, { what, hint, ...packed }: Packed, into: Writable): Promise<void> {
  const tooLarge = () => invalid(`${what} holds more than ${formatSize(MAX_TAR_BYTES)} when it is unpacked`);
  try {
    await decompress(task, { ...packed, into, maxBytes: MAX_TAR_BYTES, tooLarge });
  } catch (fault) {
    if (!isDamage(fault)) throw fault;
    throw invalid(`${what} is damaged or was cut off: ${(fault as Error).message}`, hint, fault);
  }
}

export function invalid(why: string, hint?: string, cause?: unknown): BangerError {
  return new BangerError('IMAGE_INVALID', { message: `${why}.`, ...(hint !== undefined && { hint }), cause });
}
