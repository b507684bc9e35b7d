/** From a stream of tar to an image's read-only base, without ever unpacking it on the host. */
import { dirname } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { ImageConfig } from '@banger/contract/api/image-config.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { writeSquashfs } from '../bases/squashfs.ts';
import type { Task } from '../platform/task.ts';
import { together } from '../platform/together.ts';
import { leaveRoom } from './leave-room.ts';
import { TarFilter } from './tar-filter.ts';

/** Writes a whole tar into the stream and ends it; ends in what the image says of running it, null for nothing. */
export type TarSource = (task: Task, tar: TarFilter) => Promise<ImageConfig | null>;

/** Ends as the source does. Throws IMAGE_INVALID, DISK_FULL, what the source throws, or a full disk's fault as it is. */
export async function buildRootfs(task: Task, source: TarSource, path: string): Promise<ImageConfig | null> {
  const filter = new TarFilter();
  let feeding: Promise<ImageConfig | null> = Promise.resolve(null);
  // A tar that is broken off has a reason that only its source knows.
  const unlessTheSource = async (fault: unknown) => {
    const isRefused = filter.errored instanceof BangerError;
    if (filter.errored && !isRefused) await feeding;
    throw fault;
  };
  const [config] = await together(task, [
    (own) => {
      feeding = source(own, filter);
      return feeding;
    },
    (own) => finished(addAbortSignal(own.signal, filter)).catch(unlessTheSource),
    (own) => writeSquashfs(own, leaveRoom(filter, dirname(path)), path).catch(unlessTheSource),
  ]);
  return config;
}
