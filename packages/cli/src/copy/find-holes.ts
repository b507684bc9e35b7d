/** Where a file has content, for one that takes less space than its size: what reads as zeros counts as a hole. */
import type { FileHandle } from 'node:fs/promises';
import { MAX_SPARSE_PIECES, type SparsePiece } from '@banger/contract/tar/sparse-map.ts';

const CHUNK_BYTES = 1024 * 1024;
/** The smallest hole of common filesystems */
const BLOCK_BYTES = 4096;
const ZEROS = Buffer.alloc(BLOCK_BYTES);

/** Node has no SEEK_HOLE, so the file is read; a hole reads as fast as memory. */
export async function findPieces(file: FileHandle, sizeBytes: number): Promise<SparsePiece[]> {
  const pieces: SparsePiece[] = [];
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let at = 0; at < sizeBytes; ) {
    const { bytesRead } = await file.read(chunk, 0, Math.min(CHUNK_BYTES, sizeBytes - at), at);
    if (bytesRead === 0) break; // it became shorter, which whoever reads the content will tell
    for (let from = 0; from < bytesRead; from += BLOCK_BYTES) {
      const bytes = Math.min(BLOCK_BYTES, bytesRead - from);
      if (chunk.compare(ZEROS, 0, bytes, from, from + bytes) !== 0) addPiece(pieces, at + from, bytes);
    }
    at += bytesRead;
  }
  const last = pieces.at(-1);
  // By an empty piece GNU tar knows the size of a file that ends with a hole.
  if (!last || last.at + last.bytes < sizeBytes) pieces.push({ at: sizeBytes, bytes: 0 });
  return pieces;
}

function addPiece(pieces: SparsePiece[], at: number, bytes: number): void {
  const last = pieces.at(-1);
  if (last && (last.at + last.bytes === at || pieces.length === MAX_SPARSE_PIECES)) last.bytes = at + bytes - last.at;
  else pieces.push({ at, bytes });
}
