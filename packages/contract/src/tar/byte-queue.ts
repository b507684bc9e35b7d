/** Bytes in the order they came, in pieces of the wanted size. */
import { concatBytes } from '../byte-text.ts';

export class ByteQueue {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #endedEarly: () => Error;
  #pending: Uint8Array = new Uint8Array(0);
  #takenBytes = 0;

  /** `endedEarly` makes what is thrown when the bytes end where some are wanted. */
  constructor(bytes: AsyncIterable<Uint8Array>, endedEarly: () => Error) {
    this.#chunks = bytes[Symbol.asyncIterator]();
    this.#endedEarly = endedEarly;
  }

  /** How many bytes came before what is next. */
  get takenBytes(): number {
    return this.#takenBytes;
  }

  /** At least one byte and at most `maxBytes`. */
  async some(maxBytes: number): Promise<Uint8Array> {
    if (this.#pending.length === 0 && (await this.isAtEnd())) throw this.#endedEarly();
    const found = this.#pending.subarray(0, maxBytes);
    this.#pending = this.#pending.subarray(found.length);
    this.#takenBytes += found.length;
    return found;
  }

  /** Waits for what is next. */
  async isAtEnd(): Promise<boolean> {
    while (this.#pending.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done) return true;
      this.#pending = value;
    }
    return false;
  }

  async take(lengthBytes: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    for (let left = lengthBytes; left > 0; ) {
      const piece = await this.some(left);
      pieces.push(piece);
      left -= piece.length;
    }
    return pieces.length === 1 ? (pieces[0] as Uint8Array) : concatBytes(pieces);
  }

  async skip(lengthBytes: number): Promise<void> {
    for (let left = lengthBytes; left > 0; ) left -= (await this.some(left)).length;
  }

  /** Lets go of where the bytes come from. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}
