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
