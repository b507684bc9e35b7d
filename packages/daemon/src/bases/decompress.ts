/**
 * What a stranger's file may be compressed with, in one table, and how it is unpacked: as a stream, no further than a
 * bound on what comes out, with a bound on the memory that it takes.
 */
import { type Readable, Transform, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import { runConfined } from '../platform/confine.ts';
import { ProcessFailure } from '../platform/run-process.ts';
import type { Task } from '../platform/task.ts';
import { together } from '../platform/together.ts';

/** Longer than every magic number */
export const MAGIC_BYTES = 6;

const CHUNK_BYTES = 256 * 1024;
/** 128 MiB of window, which is what zstd's own command takes without being asked */
const ZSTD_WINDOW = { [constants.ZSTD_d_windowLogMax]: 27 };

/** Of a program that unpacks; `bound` limits what comes out to what the caller says */
const LIMITS = { cpuSeconds: 3600, memoryBytes: 2 ** 30, outputBytes: Number.MAX_SAFE_INTEGER };

type Unpacker = { magic: string[]; stream: () => Transform } | { magic: string[]; argv: string[] };

const UNPACKERS = {
  gzip: { magic: ['1f8b'], stream: () => createGunzip({ chunkSize: CHUNK_BYTES }) },
  zstd: { magic: ['28b52ffd'], stream: () => createZstdDecompress({ chunkSize: CHUNK_BYTES, params: ZSTD_WINDOW }) },
  xz: { magic: ['fd377a585a00'], argv: ['xz', '--decompress', '--stdout', '--memlimit=512MiB'] },
  // The frame of today, and the one that Linux's kernels are packed with
  lz4: { magic: ['04224d18', '02214c18'], argv: ['lz4', '--decompress', '--stdout'] },
} satisfies Record<string, Unpacker>;

export type Compression = keyof typeof UNPACKERS | 'none';

/** `start` is a file's beginning, MAGIC_BYTES of it or more. */
export function recogniseCompression(start: Buffer): Compression {
  const hex = start.toString('hex', 0, MAGIC_BYTES);
  for (const [name, { magic }] of Object.entries(UNPACKERS)) {
    if (magic.some((mark) => hex.startsWith(mark))) return name as Compression;
  }
  return 'none';
}

type Unpacking = {
  compression: Compression;
  packed: Readable;
  into: Writable;
  /** Of what comes out */
  maxBytes: number;
  tooLarge: () => Error;
};

/**
 * Writes what comes out into `into` and ends it; at a fault both streams are destroyed. Throws what `tooLarge` makes,
 * a fault that `isDamage` knows, TOOL_MISSING or CANCELLED.
 */
export async function decompress(task: Task, { compression, packed, into, ...limit }: Unpacking): Promise<void> {
  const bounded = bound(limit);
  const unpacker: Unpacker | null = compression === 'none' ? null : UNPACKERS[compression];
  if (unpacker && 'argv' in unpacker) {
    await unpackByProgram(task, unpacker.argv, packed, bounded, into);
  } else {
    const options = { signal: task.signal };
    if (unpacker) await pipeline(packed, unpacker.stream(), bounded, into, options);
    else await pipeline(packed, bounded, into, options);
  }
}

/** Whether unpacking failed by what was in the file. */
export function isDamage(fault: unknown): boolean {
  if (fault instanceof ProcessFailure) return fault.code !== null || fault.overLimit !== null;
  return /^(?:Z_|ZSTD_|ERR_ZSTD|ERR_ZLIB)/.test((fault as NodeJS.ErrnoException).code ?? '');
}

async function unpackByProgram(task: Task, argv: string[], packed: Readable, bounded: Transform, into: Writable) {
  try {
    await together(task, [
      (own) => pipeline(bounded, into, { signal: own.signal }),
      (own) => runConfined(own, argv, { limits: LIMITS }, { stdin: packed, stdout: bounded }),
    ]);
  } finally {
    packed.destroy();
  }
}

function bound({ maxBytes, tooLarge }: { maxBytes: number; tooLarge: () => Error }): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes <= maxBytes) done(null, chunk);
      else done(tooLarge());
    },
  });
}
