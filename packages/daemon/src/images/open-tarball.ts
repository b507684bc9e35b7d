/** A tarball on the host, whatever it is compressed with, as a stream of plain tar. */
import type { Writable } from 'node:stream';
import { BangerError } from '@banger/contract/errors.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { type Compression, decompress, isDamage, MAGIC_BYTES, recogniseCompression } from '../bases/decompress.ts';
import { openRegularFile } from '../platform/regular-file.ts';
import type { Task } from '../platform/task.ts';

/** Of the plain tar: what an image may hold, and its headers */
const MAX_TAR_BYTES = 260 * 2 ** 30;
const CHUNK_BYTES = 256 * 1024;

/** Throws FILE_NOT_FOUND, or IMAGE_INVALID for what is no regular file. */
export async function openTarball(path: string) {
  const { compression, sizeBytes } = await look(path);
  return {
    /** A guess at what the image will take */
    imageBytes: Math.ceil(sizeBytes * (compression === 'none' ? 0.7 : 2)),
    async writeTo(task: Task, tar: Writable): Promise<void> {
      const file = await open(path);
      try {
        await decompress(task, {
          compression,
          packed: file.createReadStream({ highWaterMark: CHUNK_BYTES }),
          into: tar,
          maxBytes: MAX_TAR_BYTES,
          tooLarge: () => invalid(`${path} holds more than ${formatSize(MAX_TAR_BYTES)} when it is unpacked`),
        });
      } catch (fault) {
        throw isDamage(fault) ? damaged(path, fault) : fault;
      } finally {
        await file.close();
      }
    },
  };
}

async function look(path: string): Promise<{ compression: Compression; sizeBytes: number }> {
  await using file = await open(path);
  const { buffer } = await file.read(Buffer.alloc(MAGIC_BYTES), 0, MAGIC_BYTES, 0);
  return { compression: recogniseCompression(buffer), sizeBytes: (await file.stat()).size };
}

function open(path: string) {
  const hint = `For a folder, make a tar of it first: tar --numeric-owner --xattrs -C ${path} -cf rootfs.tar .`;
  return openRegularFile(path, (why) => invalid(why, hint));
}

function invalid(why: string, hint?: string): BangerError {
  return new BangerError('IMAGE_INVALID', { message: `${why}.`, ...(hint !== undefined && { hint }) });
}

function damaged(path: string, cause: unknown): BangerError {
  return new BangerError('IMAGE_INVALID', {
    message: `${path} is damaged or was cut off: ${(cause as Error).message}.`,
    hint: 'Fetch or make the file once more.',
    cause,
  });
}
