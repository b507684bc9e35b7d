/** A full disk, as tools report it and as the user reads it. */
import { BangerError } from '@banger/contract/errors.ts';
import { formatSize } from '@banger/contract/sizes.ts';

export function diskFull(folder: string, neededBytes: number, freeBytes: number, cause?: unknown): BangerError {
  return new BangerError('DISK_FULL', {
    message: `The filesystem of ${folder} has ${formatSize(freeBytes)} free; this needs about ${formatSize(neededBytes)}.`,
    hint: 'Make space there, or point XDG_DATA_HOME to a larger filesystem. Nothing of this was kept.',
    details: { folder, neededBytes, freeBytes },
    cause,
  });
}

/** What a tool said in many words, as the one fault that becomes DISK_FULL where the folder is known. */
export function noSpaceLeft(cause: unknown): Error {
  return Object.assign(new Error('No space left on device', { cause }), { code: 'ENOSPC' });
}
