/** Files of the host to a tar stream for a guest. They belong to root in there. */
import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, readlink, stat } from 'node:fs/promises';
import { textOfBytes } from '@banger/contract/byte-text.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { type SparsePiece, writeSparseMap } from '@banger/contract/tar/sparse-map.ts';
import { tarEnd, tarPadding } from '@banger/contract/tar/tar-block.ts';
import { writeTarHead } from '@banger/contract/tar/tar-head.ts';
import { findPieces } from './find-holes.ts';
import { fsPath } from './fs-path.ts';

export type CopyCount = { files: number; bytes: number; skipped: number };

type PackParts = {
  path: string;
  /** Name of the first entry; null packs what is in the folder, without the folder */
  name: string | null;
  count: CopyCount;
  /** Entries that are not to be in it, by their names */
  leftOut?: {
    leavesOut: (entry: string) => boolean;
    /** Whether a folder that is left out is looked through for entries that are not */
    mayKeepBelow: (entry: string) => boolean;
  };
};

const NOTHING = { leavesOut: () => false, mayKeepBelow: () => false };

const CHUNK_BYTES = 256 * 1024;
/** Up to here a file is read before it is announced: those of /proc and /sys have other sizes than they say */
const SMALL_BYTES = 64 * 1024;
/** What has no size although there is something to read, as in /proc, is read up to here */
const MAX_UNSIZED_BYTES = 16 * 1024 * 1024;
/** Setuid and setgid would make a program of yours root's; the sticky bit of a shared folder is kept */
const FILE_MODE = 0o777n;
const FOLDER_MODE = 0o1777n;
/** `blocks` of stat counts in these, whatever the filesystem */
const STAT_BLOCK_BYTES = 512n;

export async function* packFiles({
  path,
  name,
  count,
  leftOut = NOTHING,
}: PackParts): AsyncGenerator<Uint8Array, void> {
  /** Names of files that have several, by what stat says they are */
  const namesOf = new Map<string, string>();
  if (name !== null) yield* packOne(path, name, stat);
  else yield* packChildren(path, '');
  yield tarEnd();

  async function* packChildren(folder: string, prefix: string): AsyncGenerator<Uint8Array> {
    for (const child of await childrenOf(folder)) yield* packOne(`${folder}/${child}`, prefix + child, lstat);
  }

  async function* packOne(source: string, entry: string, look: typeof stat): AsyncGenerator<Uint8Array> {
    const found = await explained(source, look(fsPath(source), { bigint: true }));
    const head = { name: entry, mode: Number(found.mode & FILE_MODE), mtimeNs: found.mtimeNs };
    const isLeftOut = leftOut.leavesOut(entry);
    if (found.isDirectory()) {
      const folder = writeTarHead({ ...head, mode: Number(found.mode & FOLDER_MODE), type: 'directory' });
      if (!isLeftOut) {
        yield folder;
        yield* packChildren(source, `${entry}/`);
      } else if (leftOut.mayKeepBelow(entry)) yield* behind(folder, packChildren(source, `${entry}/`));
      return;
    }
    if (isLeftOut) return;
    if (found.isSymbolicLink()) {
      const target = await explained(source, readlink(fsPath(source), { encoding: 'buffer' }));
      yield writeTarHead({ ...head, type: 'symlink', target: textOfBytes(target) });
    } else if (found.isFIFO()) yield writeTarHead({ ...head, type: 'pipe' });
    else if (found.isFile()) yield* packFile(source, entry, found);
    else {
      count.skipped++; // sockets and devices have no content to copy
      return;
    }
    count.files++;
  }

  async function* packFile(source: string, entry: string, looked: BigIntStats): AsyncGenerator<Uint8Array> {
    const id = `${looked.dev}:${looked.ino}`;
    const first = namesOf.get(id);
    if (first !== undefined) {
      yield writeTarHead({ name: entry, type: 'hardlink', target: first, mode: 0o644, mtimeNs: looked.mtimeNs });
      return;
    }
    await using file = await explained(source, open(fsPath(source), constants.O_RDONLY | constants.O_NONBLOCK));
    const found = await explained(source, file.stat({ bigint: true }));
    if (!found.isFile()) throw unreadable(source, 'it was replaced while it was read');
    if (found.nlink > 1n) namesOf.set(id, entry);
    yield* packContent(source, entry, file, found);
  }

  async function* packContent(source: string, entry: string, file: FileHandle, found: BigIntStats) {
    const fileBytes = Number(found.size);
    const head = { name: entry, type: 'file', mode: Number(found.mode & FILE_MODE), mtimeNs: found.mtimeNs } as const;
    if (fileBytes <= SMALL_BYTES) {
      const content = await explained(source, readUpTo(file, fileBytes === 0 ? MAX_UNSIZED_BYTES : fileBytes));
      count.bytes += content.length;
      yield writeTarHead({ ...head, sizeBytes: content.length });
      yield content;
      yield tarPadding(content.length);
      return;
    }
    const hasHoles = found.blocks * STAT_BLOCK_BYTES < found.size;
    const pieces = hasHoles ? await explained(source, findPieces(file, fileBytes)) : [{ at: 0, bytes: fileBytes }];
    const contentBytes = pieces.reduce((sum, { bytes }) => sum + bytes, 0);
    if (contentBytes === fileBytes) yield writeTarHead({ ...head, sizeBytes: fileBytes });
    else {
      const map = writeSparseMap(pieces);
      yield writeTarHead({ ...head, sizeBytes: map.length + contentBytes, sparseBytes: fileBytes });
      yield map;
    }
    for (const piece of pieces) yield* packPiece(source, file, piece);
    yield tarPadding(contentBytes);
  }

  async function* packPiece(source: string, file: FileHandle, { at, bytes }: SparsePiece): AsyncGenerator<Uint8Array> {
    for (let done = 0; done < bytes; ) {
      const chunk = Buffer.allocUnsafe(Math.min(bytes - done, CHUNK_BYTES));
      const { bytesRead } = await explained(source, file.read(chunk, 0, chunk.length, at + done));
      if (bytesRead === 0) throw unreadable(source, 'it became shorter while it was read');
      done += bytesRead;
      count.bytes += bytesRead;
      yield chunk.subarray(0, bytesRead);
    }
  }
}

/** A folder that is there for what is in it, if anything is. */
async function* behind(folder: Uint8Array, content: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  let isEmpty = true;
  for await (const bytes of content) {
    if (isEmpty) yield folder;
    isEmpty = false;
    yield bytes;
  }
}

async function readUpTo(file: FileHandle, maxBytes: number): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  for (let left = maxBytes; left > 0; ) {
    const chunk = Buffer.allocUnsafe(Math.min(left, SMALL_BYTES));
    const { bytesRead } = await file.read(chunk, 0, chunk.length);
    if (bytesRead === 0) break;
    chunks.push(chunk.subarray(0, bytesRead));
    left -= bytesRead;
  }
  return Buffer.concat(chunks);
}

async function childrenOf(path: string): Promise<string[]> {
  const names = await explained(path, readdir(fsPath(path), { encoding: 'buffer' }));
  return names.map(textOfBytes).sort();
}

async function explained<Value>(path: string, work: Promise<Value>): Promise<Value> {
  try {
    return await work;
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw unreadable(path, code === 'ENOENT' ? 'it does not exist' : `it cannot be read (${code})`, cause);
  }
}

function unreadable(path: string, why: string, cause?: unknown): BangerError {
  return new BangerError('FILE_NOT_FOUND', { message: `${path}: ${why}.`, details: { path }, cause });
}
