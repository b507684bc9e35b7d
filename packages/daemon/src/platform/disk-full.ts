/** A full disk, as tools report it and as the user reads it. */
import { BangerError } from '@banger/contract/errors.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { freeBytes, isNoSpace } from './files.ts';

export function diskFull(folder: string, neededBytes: number, freeBytes: number, cause?: unknown): BangerError {
  return new BangerError('DISK_FULL', {
    message: `The filesystem of ${folder} has ${formatSize(freeBytes)} free; this needs about ${formatSize(neededBytes)}.`,
    hint: 'Make space there, or point the XDG variable of that folder to a larger filesystem. Nothing of this was kept.',
    details: { folder, neededBytes, freeBytes },
    cause,
  });
}

/** `fault`, or DISK_FULL where that is what it comes from: with room enough it is inodes that lack, or a quota. */
export async function explainNoSpace(fault: unknown, folder: string, neededBytes: number): Promise<unknown> {
  if (!isNoSpace(fault)) return fault;
  const free = await freeBytes(folder);
  return free < neededBytes ? diskFull(folder, neededBytes, free, fault) : fault;
}

/** What a tool said in many words, as the one fault that becomes DISK_FULL where the folder is known. */
export function noSpaceLeft(cause: Error): Error {
  const code = /quota/i.test(cause.message) ? 'EDQUOT' : 'ENOSPC';
  return Object.assign(new Error(code === 'EDQUOT' ? 'Disk quota exceeded' : 'No space left on device', { cause }), {
    code,
  });
}
