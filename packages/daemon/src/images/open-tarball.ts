/** A tarball on the host, whatever it is compressed with, as a stream of plain tar. */
import type { Writable } from 'node:stream';
import { type Compression, MAGIC_BYTES, recogniseCompression } from '../bases/decompress.ts';
import { openRegularFile } from '../platform/regular-file.ts';
import type { Task } from '../platform/task.ts';
import { invalid, unpackTar } from './unpack-tar.ts';

const CHUNK_BYTES = 256 * 1024;

/** Throws FILE_NOT_FOUND, or IMAGE_INVALID for what is no regular file. */
export async function openTarball(path: string) {
  const { compression, sizeBytes } = await look(path);
  return {
    compression,
    /** A guess at what the image will take */
    imageBytes: Math.ceil(sizeBytes * (compression === 'none' ? 0.7 : 2)),
    async writeTo(task: Task, tar: Writable): Promise<null> {
      await using file = await open(path);
      const packed = file.createReadStream({ highWaterMark: CHUNK_BYTES });
      await unpackTar(task, { what: path, hint: 'Fetch or make the file once more.', compression, packed }, tar);
      return null;
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
