/** One layer, entry by entry: whatever it is packed with, and held against its digests while it is read. */
import { createHash } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';
import type { Digest } from '@banger/contract/digest.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { readTar, type TarEntry } from '@banger/contract/tar/read-tar.ts';
import { type Compression, decompress, isDamage, MAGIC_BYTES, recogniseCompression } from '../../bases/decompress.ts';
import type { Task } from '../../platform/task.ts';
import { together } from '../../platform/together.ts';
import { MAX_TAR_BYTES } from '../unpack-tar.ts';
import { openSpan, type Refuse, readSpan, type Span } from './span.ts';

export type Layer = {
  span: Span;
  /** Of the blob; null where an archive names none */
  digest: Digest | null;
  /** Of the tar in it */
  diffId: Digest;
};

const PACKED_AS: readonly Compression[] = ['none', 'gzip', 'zstd'];

type LayerReading = {
  /** Gets each entry; what it leaves of one is passed over. */
  take: (entry: TarEntry) => Promise<void> | void;
  /** Hears how many bytes of the blob were read. */
  onBytes: (bytes: number) => void;
  /** Of the tar in it */
  maxBytes: number;
  refuse: Refuse;
};

/** Tells how many bytes the tar in it has. Throws what `refuse` makes of one that is damaged, is no tar, or is not what its digests say; TOOL_MISSING; CANCELLED. */
export async function readLayer(
  task: Task,
  layer: Layer,
  { take, onBytes, maxBytes, refuse }: LayerReading,
): Promise<number> {
  const { span, digest, diffId } = layer;
  const start = await readSpan({ ...span, bytes: Math.min(span.bytes, MAGIC_BYTES) }, refuse);
  const compression = recogniseCompression(start);
  if (!PACKED_AS.includes(compression))
    throw refuse(`${describe(layer)} is packed with ${compression}, as no layer is`);
  const file = await openSpan(span, refuse);
  const packed = new Digested(file, onBytes);
  const unpacked = new PassThrough();
  const plain = new Digested(unpacked);
  const unpacking = {
    compression,
    packed: Readable.from(packed, { objectMode: false }),
    into: unpacked,
    maxBytes,
    tooLarge: () => refuse(`The layers hold more than ${formatSize(MAX_TAR_BYTES)} when they are unpacked`),
  };
  try {
    await together(task, [
      (own) => decompress(own, unpacking),
      async () => {
        const foreign = (what: string) => refuse(`${describe(layer)} is a tar that cannot be read: it has ${what}`);
        for await (const entry of readTar(plain, { foreign })) await take(entry);
        for await (const _ of plain); // what follows the tar's end counts too
      },
    ]);
  } catch (fault) {
    task.check();
    if (isDamage(fault)) throw refuse(`${describe(layer)} is damaged: ${(fault as Error).message}`, fault);
    throw fault;
  } finally {
    file.destroy();
  }
  const isWhole = (digest === null || packed.digest() === digest) && plain.digest() === diffId;
  if (!isWhole) throw refuse(`${describe(layer)} is not what its digest says: it was damaged or changed`);
  return plain.readBytes;
}

function describe({ digest, diffId }: Layer): string {
  return `The layer ${digest ?? diffId}`;
}

/** Bytes as they are read, by one reader after the other, and the digest of those that were. */
class Digested implements AsyncIterable<Buffer> {
  readonly #chunks: AsyncIterator<Buffer, void>;
  readBytes = 0;
  readonly #hash = createHash('sha256');
  readonly #onBytes: (bytes: number) => void;

  constructor(bytes: Readable, onBytes: (bytes: number) => void = () => {}) {
    this.#chunks = bytes[Symbol.asyncIterator]();
    this.#onBytes = onBytes;
  }

  [Symbol.asyncIterator](): AsyncIterator<Buffer, void> {
    return { next: () => this.#next() }; // a reader that ends early ends nothing
  }

  digest(): string {
    return `sha256:${this.#hash.digest('hex')}`;
  }

  async #next(): Promise<IteratorResult<Buffer, void>> {
    const next = await this.#chunks.next();
    if (next.done) return next;
    this.readBytes += next.value.length;
    this.#hash.update(next.value);
    this.#onBytes(next.value.length);
    return next;
  }
}
