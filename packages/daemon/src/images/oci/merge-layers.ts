/**
 * The layers of an image as one tar, which holds each name once, a file before the links to it, and nothing that a layer
 * hides. Nothing is unpacked on the host: the layers are read twice. The first time their names tell what is left of each
 * (merged-tree.ts), and their digests that they are whole; the second time what is left is written as it comes. What is
 * remembered grows with the number of names, and not with what is in the files.
 */
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import type { TarEntry } from '@banger/contract/tar/read-tar.ts';
import { tarEnd, tarPadding } from '@banger/contract/tar/tar-block.ts';
import { type TarHead, writeTarHead } from '@banger/contract/tar/tar-head.ts';
import type { Task } from '../../platform/task.ts';
import { MAX_TAR_BYTES } from '../unpack-tar.ts';
import { MergedTree, type Place } from './merged-tree.ts';
import { type Layer, readLayer } from './read-layer.ts';
import type { Refuse } from './span.ts';

const SECOND_NS = 1_000_000_000n;
/** The latest second that squashfs has room for */
const LAST_SECOND = 2n ** 32n - 1n;
const MAX_OWNER = 2 ** 32 - 1;
const MAX_MAJOR = 2 ** 12 - 1;
const MAX_MINOR = 2 ** 20 - 1;
const PIECE_BYTES = 64 * 1024;
const ZEROS = new Uint8Array(64 * 1024);

type Merging = {
  layers: readonly Layer[];
  refuse: Refuse;
  /** Of all layers together */
  maxTarBytes?: number;
};

/** Writes the tar and ends it. Throws what `refuse` makes of layers that cannot be read or merged. */
export async function mergeLayers(
  task: Task,
  { layers, refuse, maxTarBytes = MAX_TAR_BYTES }: Merging,
  tar: Writable,
): Promise<void> {
  const read = countBytes(task, 2 * layers.reduce((sum, { span }) => sum + span.bytes, 0));
  const tree = new MergedTree(refuse);
  task.step(layers.length === 1 ? 'check the layer' : `check ${layers.length} layers`);
  const reading = { onBytes: read, maxBytes: maxTarBytes, refuse };
  for (const layer of layers) {
    tree.beginLayer();
    reading.maxBytes -= await readLayer(task, layer, { ...reading, take: (entry) => tree.apply(entry) });
  }

  task.step('merge them');
  const into = new TarWriter(task, tar);
  for (const name of tree.unnamedFolders()) {
    await into.write(writeTarHead({ name, type: 'directory', mode: 0o755, mtimeNs: 0n }));
  }
  const places = tree.places();
  let next = places.next().value ?? null;
  let number = 0;
  reading.maxBytes = maxTarBytes; // each is as long as it was
  for (const layer of layers) {
    const take = async (entry: TarEntry) => {
      if (next?.entry !== number++) return;
      await writePlace(entry, next, into, refuse);
      next = places.next().value ?? null;
    };
    await readLayer(task, layer, { ...reading, take });
  }
  await into.write(tarEnd());
  await into.flush();
  tar.end();
}

/** In large pieces, however small the files are: each piece costs every stream and pipe that it passes. */
class TarWriter {
  readonly #task: Task;
  readonly #tar: Writable;
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  constructor(task: Task, tar: Writable) {
    this.#task = task;
    this.#tar = tar;
  }

  /** Waits where the tar takes no more for now. */
  async write(bytes: Uint8Array): Promise<void> {
    this.#pieces.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes >= PIECE_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    const piece = Buffer.concat(this.#pieces, this.#bytes);
    this.#pieces = [];
    this.#bytes = 0;
    if (piece.length > 0 && !this.#tar.write(piece)) await once(this.#tar, 'drain', { signal: this.#task.signal });
  }
}

async function writePlace(entry: TarEntry, { names }: Place, into: TarWriter, refuse: Refuse): Promise<void> {
  const [name, ...links] = names as [string, ...string[]];
  const head = headOf(entry, name, refuse);
  await into.write(writeTarHead(head));
  if (head.type === 'file') await writeContent(entry, into);
  for (const link of links) await into.write(writeTarHead({ ...LINK, name: link, target: name }));
}

const LINK = { type: 'hardlink', mode: 0, mtimeNs: 0n } as const;

/** Holes are filled: whoever makes the filesystem finds them again. */
async function writeContent({ sizeBytes, body }: TarEntry, into: TarWriter): Promise<void> {
  let at = 0;
  const fillTo = async (end: number) => {
    for (; at < end; at += Math.min(ZEROS.length, end - at)) await into.write(ZEROS.subarray(0, end - at));
  };
  for await (const piece of body()) {
    await fillTo(piece.at);
    await into.write(piece.bytes);
    at += piece.bytes.length;
  }
  await fillTo(sizeBytes);
  await into.write(tarPadding(sizeBytes));
}

function headOf(entry: TarEntry, name: string, refuse: Refuse): TarHead {
  const { type, mode, mtimeNs, uid, gid, target, attributes, sizeBytes, device } = entry;
  if (type === 'special' || type === 'hardlink') throw refuse('A layer changed while it was read');
  if (uid > MAX_OWNER || gid > MAX_OWNER) throw refuse(`A layer has a file of an owner that cannot be: ${uid}:${gid}`);
  const isDevice = type === 'character device' || type === 'block device';
  if (isDevice && !(device.major <= MAX_MAJOR && device.minor <= MAX_MINOR))
    throw refuse('A layer has a device with numbers that cannot be');
  return {
    ...{ name, type, mode: mode & 0o7777, uid, gid, mtimeNs: wholeSecond(mtimeNs), attributes },
    ...(type === 'symlink' && { target }),
    ...(type === 'file' && { sizeBytes }),
    ...(isDevice && { device }),
  };
}

/** As a filesystem without fractions keeps it */
function wholeSecond(mtimeNs: bigint): bigint {
  const second = mtimeNs < 0n ? 0n : mtimeNs / SECOND_NS;
  return (second > LAST_SECOND ? LAST_SECOND : second) * SECOND_NS;
}

/** Tells how much of all was read. */
function countBytes(task: Task, totalBytes: number): (bytes: number) => void {
  let done = 0;
  return (bytes) => {
    done += bytes;
    task.progress(done, totalBytes, 'bytes');
  };
}
