/**
 * A tar of which it is not known yet what it holds: a root filesystem, which passes as it comes, or an image, which is
 * kept as one file until it is there, since what it begins with cannot be read before its end. A root filesystem that
 * begins like an image is kept too, and then passes.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { dirname } from 'node:path';
import { addAbortSignal, PassThrough, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { readTar } from '@banger/contract/tar/read-tar.ts';
import type { Task } from '../../platform/task.ts';
import { together } from '../../platform/together.ts';
import type { TarSource } from '../build-rootfs.ts';
import { leaveRoom } from '../leave-room.ts';
import { putBack } from '../put-back.ts';
import { openArchive } from './open-archive.ts';
import { type Refuse, spanOfFile } from './span.ts';

/** What an image's archive begins with, by those who write them: no folder at the top of a root is called so */
const ARCHIVE =
  /^(?:blobs(?:$|\/)|(?:oci-layout|index\.json|manifest\.json|repositories|config\.json)$|(?:sha256:)?[0-9a-f]{64}(?:$|[/.]))/;

type Sorting = {
  /** Writes the plain tar */
  unpack: (task: Task, tar: Writable) => Promise<unknown>;
  /** Where it may be kept; nothing is there yet */
  kept: string;
  ref: string | null;
  refuse: Refuse;
};

/** Ends in what an image says of running it; null for a root filesystem. */
export function sortTar({ unpack, kept, ref, refuse }: Sorting): TarSource {
  return async (task, into) => {
    const plain = new PassThrough();
    let unpacking: Promise<unknown> = Promise.resolve();
    const [, config] = await together(task, [
      (own) => {
        unpacking = unpack(own, plain);
        return unpacking;
      },
      (own) =>
        sort(own).catch(async (fault: unknown) => {
          // A tar that is broken off has a reason that only its source knows.
          if (plain.errored) await unpacking;
          throw fault;
        }),
    ]);
    return config;

    async function sort(own: Task) {
      const rest: AsyncIterator<Buffer, void> = addAbortSignal(own.signal, plain)[Symbol.asyncIterator]();
      const { start, isArchive } = await lookAtStart(rest);
      const whole = () => putBack({ start, rest, letGo: (fault) => plain.destroy(fault ?? undefined) });
      if (!isArchive) {
        checkRef(ref, refuse);
        await pipeline(whole(), into, { signal: own.signal });
        return null;
      }
      own.step('read the archive');
      await pipeline(leaveRoom(whole(), dirname(kept)), createWriteStream(kept, { flags: 'wx', mode: 0o600 }), {
        signal: own.signal,
      });
      const image = await openArchive(own, await spanOfFile(kept), ref, refuse);
      if (image) return image.writeTo(own, into);
      checkRef(ref, refuse);
      await pipeline(createReadStream(kept), into, { signal: own.signal });
      return null;
    }
  };
}

/** Throws what `refuse` makes where one of several images is wanted of a root filesystem. */
export function checkRef(ref: string | null, refuse: Refuse): void {
  if (ref !== null) throw refuse('It is a root filesystem, in which there are no images to choose from');
}

/** Whether a tar begins like an image's archive. What cannot be read does not. */
export async function lookAtStart(
  pieces: AsyncIterator<Buffer, void>,
): Promise<{ start: Buffer[]; isArchive: boolean }> {
  const start: Buffer[] = [];
  const seen = {
    [Symbol.asyncIterator]: () => ({
      async next() {
        const next = await pieces.next();
        if (!next.done) start.push(next.value);
        return next;
      },
    }),
  };
  try {
    for await (const { name } of readTar(seen, { foreign: (what) => new NoTar(what) })) {
      const clean = name.replace(/^(?:\.?\/)+/, '');
      if (clean !== '' && clean !== '.') return { start, isArchive: ARCHIVE.test(clean) };
    }
  } catch (fault) {
    if (!(fault instanceof NoTar)) throw fault;
  }
  return { start, isArchive: false };
}

class NoTar extends Error {}
