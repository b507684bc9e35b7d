/** Where the pieces of a file with holes lie: "<count>\n", then "<offset>\n<length>\n" of each, padded to a block. */
import { bytesOfText, concatBytes } from '../byte-text.ts';
import { TAR_BLOCK_BYTES, tarPadding } from './tar-block.ts';

/** Bytes that are there; all others of the file are zeros that take no space */
export type SparsePiece = { at: number; bytes: number };

/** Above it the rest of the file is one piece, holes filled */
export const MAX_SPARSE_PIECES = 65_536;

const DECIMAL = /^\d{1,16}$/;

export function writeSparseMap(pieces: readonly SparsePiece[]): Uint8Array {
  const map = bytesOfText([pieces.length, ...pieces.flatMap(({ at, bytes }) => [at, bytes]), ''].join('\n'));
  return concatBytes([map, tarPadding(map.length)]);
}

/** Takes the map's lines one by one. */
export class SparseMapReader {
  readonly pieces: SparsePiece[] = [];
  readonly #sizeBytes: number;
  #count: number | null = null;
  #at: number | null = null;
  #lowest = 0;
  #contentBytes = 0;

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
  }

  get isComplete(): boolean {
    return this.pieces.length === this.#count;
  }

  /** False for a line that cannot be: no number, too many pieces, or one that lies outside or before another. */
  take(line: string): boolean {
    const value = Number(line);
    if (!DECIMAL.test(line) || !Number.isSafeInteger(value)) return false;
    if (this.#count === null) {
      this.#count = value;
      return value <= MAX_SPARSE_PIECES + 1;
    }
    if (this.#at === null) {
      this.#at = value;
      return value >= this.#lowest;
    }
    // Each but the last fills its blocks: readers do not agree on where the one after it would begin.
    const isAtBlock = this.#contentBytes % TAR_BLOCK_BYTES === 0;
    this.pieces.push({ at: this.#at, bytes: value });
    this.#contentBytes += value;
    this.#lowest = this.#at + value;
    this.#at = null;
    return this.#lowest <= this.#sizeBytes && (isAtBlock || value === 0);
  }
}
