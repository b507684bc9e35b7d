/** What keeps an image whose size nobody knows before its end from taking the last of the disk, which machines need. */
import { pipeline, type Readable, Transform } from 'node:stream';
import { BangerError } from '@banger/contract/errors.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { freeBytes } from '../platform/files.ts';

const LIMITS = {
  /** Stays free on the disk */
  leftBytes: 64 * 2 ** 20,
  /** How much passes between two looks; a smaller image is never looked at */
  stepBytes: 16 * 2 ** 20,
};

/** Gives what is in `from`, as long as there is room in the filesystem of `folder`. Fails with DISK_FULL. */
export function leaveRoom(from: Readable, folder: string, { leftBytes, stepBytes } = LIMITS): Readable {
  let passedBytes = 0;
  const passing = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      passedBytes += chunk.length;
      if (passedBytes < stepBytes) return done(null, chunk);
      passedBytes = 0;
      look().then(() => done(null, chunk), done);
    },
  });
  return pipeline(from, passing, () => {}); // both streams tell what failed

  async function look(): Promise<void> {
    const free = await freeBytes(folder);
    if (free < leftBytes) throw noRoom(free);
  }
}

function noRoom(free: number): BangerError {
  return new BangerError('DISK_FULL', {
    message: `The disk of the images has ${formatSize(free)} left, and the image is not whole yet.`,
    hint: 'Nothing of it was kept. "banger system prune" removes what no vm needs; XDG_DATA_HOME can point to another disk.',
    details: { freeBytes: free },
  });
}
