/** From a stream of tar to an image's read-only base, without ever unpacking it on the host. */
import type { Writable } from 'node:stream';
import { toBangerError } from '@banger/contract/errors.ts';
import { writeSquashfs } from '../bases/squashfs.ts';
import type { Task } from '../platform/task.ts';
import { TarFilter } from './tar-filter.ts';

/** Writes a whole tar into the stream and ends it. */
export type TarSource = (task: Task, tar: Writable) => Promise<unknown>;

/** Throws IMAGE_INVALID, what the source throws, or a full disk's fault as it is. */
export async function buildRootfs(task: Task, source: TarSource, path: string): Promise<void> {
  const stop = new AbortController();
  const parts = task.withSignal(stop.signal);
  const filter = new TarFilter();
  const filtering = new Promise<void>((resolve, reject) => filter.once('end', resolve).once('error', reject));
  // A source that has ended tells by its own failure why the tar is short, and is left to do so.
  filter.once('error', () => filter.writableEnded || stop.abort());

  const stopAll = (fault: Error) => {
    stop.abort();
    filter.destroy(fault);
    throw fault;
  };
  const [fed, filtered, packed] = await Promise.allSettled([
    source(parts, filter).catch(stopAll),
    filtering,
    writeSquashfs(parts, filter, path).catch(stopAll),
  ]);
  task.check();
  for (const part of [fed, filtered, packed]) {
    if (part.status === 'rejected' && !isOurStop(part.reason, stop.signal)) throw part.reason;
  }
}

function isOurStop(fault: unknown, signal: AbortSignal): boolean {
  return signal.aborted && ((fault as Error).name === 'AbortError' || toBangerError(fault).code === 'CANCELLED');
}
