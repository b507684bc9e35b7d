/** A tarball on the host, whatever it is compressed with, as a stream of plain tar. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { BangerError } from '@banger/contract/errors.ts';
import { runConfined } from '../platform/confine.ts';
import { ProcessFailure } from '../platform/run-process.ts';
import type { Task } from '../platform/task.ts';

type Compression = 'none' | 'gzip' | 'xz' | 'zstd';

/** Longer than every magic number */
const MAGIC_BYTES = 6;
const CHUNK_BYTES = 256 * 1024;
const XZ_LIMITS = { cpuSeconds: 3600, memoryBytes: 2 ** 30, outputBytes: 2 ** 38 };

/** Throws FILE_NOT_FOUND, or IMAGE_INVALID for what is no regular file. */
export async function openTarball(path: string) {
  const { compression, sizeBytes } = await look(path);
  return {
    /** A guess at what the image will take */
    imageBytes: Math.ceil(sizeBytes * (compression === 'none' ? 0.7 : 2)),
    async writeTo(task: Task, tar: Writable): Promise<void> {
      try {
        await write(task, path, compression, tar);
      } catch (fault) {
        throw isDamage(fault) ? damaged(path, fault) : fault;
      }
    },
  };
}

async function write(task: Task, path: string, compression: Compression, tar: Writable): Promise<void> {
  const file = createReadStream(path, { highWaterMark: CHUNK_BYTES });
  if (compression === 'xz') {
    const streams = { stdin: file, stdout: tar };
    await runConfined(task, ['xz', '--decompress', '--stdout', '--memlimit=512MiB'], { limits: XZ_LIMITS }, streams);
    return;
  }
  const decompress = decompressor(compression);
  if (decompress) await pipeline(file, decompress, tar, { signal: task.signal });
  else await pipeline(file, tar, { signal: task.signal });
}

function decompressor(compression: Compression): Transform | null {
  if (compression === 'gzip') return createGunzip({ chunkSize: CHUNK_BYTES });
  if (compression === 'zstd') return createZstdDecompress({ chunkSize: CHUNK_BYTES });
  return null;
}

async function look(path: string): Promise<{ compression: Compression; sizeBytes: number }> {
  const file = await open(path, 'r').catch((cause) => {
    throw new BangerError('FILE_NOT_FOUND', { message: `${path} cannot be read: ${cause.message}.`, cause });
  });
  try {
    const stats = await file.stat();
    if (!stats.isFile()) {
      throw new BangerError('IMAGE_INVALID', {
        message: `${path} is not a file.`,
        hint: `For a folder, make a tar of it first: tar --numeric-owner --xattrs -C ${path} -cf rootfs.tar .`,
      });
    }
    const { buffer } = await file.read(Buffer.alloc(MAGIC_BYTES), 0, MAGIC_BYTES, 0);
    return { compression: recognise(buffer), sizeBytes: stats.size };
  } finally {
    await file.close();
  }
}

export function recognise(start: Buffer): Compression {
  const hex = start.toString('hex');
  if (hex.startsWith('1f8b')) return 'gzip';
  if (hex.startsWith('fd377a585a00')) return 'xz';
  if (hex.startsWith('28b52ffd')) return 'zstd';
  return 'none';
}

function isDamage(fault: unknown): boolean {
  if (fault instanceof ProcessFailure) return fault.code !== null || fault.overLimit !== null;
  return /^(?:Z_|ZSTD_|ERR_ZSTD|ERR_ZLIB)/.test((fault as NodeJS.ErrnoException).code ?? '');
}

function damaged(path: string, cause: unknown): BangerError {
  return new BangerError('IMAGE_INVALID', {
    message: `${path} is damaged or was cut off: ${(cause as Error).message}.`,
    hint: 'Fetch or make the file once more.',
    cause,
  });
}
