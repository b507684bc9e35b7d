/** How a snapshot that a guest makes begins: three object ids, and names of what it left out. Nothing else is believed. */
import { BangerError } from '@banger/contract/errors.ts';
import { HEADER_WORD, MAX_LEFT_OUT_NAMES } from './guest-scripts.ts';

export type GuestHeader = {
  /** What is checked out; null while nothing was committed */
  head: string | null;
  /** With a commit for what is uncommitted, when that was asked for */
  commit: string | null;
  tree: string;
  /** Repositories inside of this one: how many, and some of their names as git quotes them */
  leftOut: { count: number; names: string[] };
};

const MAX_LINE_BYTES = 1024;
const MAX_COUNT_DIGITS = 7;
const HEADER = new RegExp(
  `^${HEADER_WORD} (none|[0-9a-f]{40}|[0-9a-f]{64}) (none|[0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64})` +
    ` (\\d{1,${MAX_COUNT_DIGITS}})$`,
);

/** Takes a stream's bytes until the lines are whole; gives the rest on. */
export class HeaderReader {
  #pending: Buffer = Buffer.alloc(0);
  #header: GuestHeader | null = null;

  /** What comes after the header. Throws WORKSPACE_REFUSED. */
  push(bytes: Buffer): Buffer {
    if (this.#isWhole()) return bytes;
    this.#pending = Buffer.concat([this.#pending, bytes]);
    while (!this.#isWhole()) {
      const end = this.#pending.indexOf(10);
      if (end > MAX_LINE_BYTES || (end < 0 && this.#pending.length > MAX_LINE_BYTES)) throw notUnderstood();
      if (end < 0) return Buffer.alloc(0);
      this.#takeLine(this.#pending.toString('latin1', 0, end));
      this.#pending = this.#pending.subarray(end + 1);
    }
    return this.#pending;
  }

  whole(): GuestHeader {
    if (this.#header && this.#isWhole()) return this.#header;
    throw notUnderstood();
  }

  #isWhole(): boolean {
    if (this.#header === null) return false;
    const { count, names } = this.#header.leftOut;
    return names.length === Math.min(count, MAX_LEFT_OUT_NAMES);
  }

  #takeLine(line: string): void {
    if (this.#header === null) this.#header = parseHeader(line);
    else this.#header.leftOut.names.push(line);
  }
}

function parseHeader(line: string): GuestHeader {
  const [, head, commit, tree, count] = HEADER.exec(line) ?? [];
  if (!head || !commit || !tree) throw notUnderstood();
  const idOrNull = (word: string) => (word === 'none' ? null : word);
  return { head: idOrNull(head), commit: idOrNull(commit), tree, leftOut: { count: Number(count), names: [] } };
}

function notUnderstood(): BangerError {
  return new BangerError('WORKSPACE_REFUSED', {
    message: 'What the guest says of its workspace is not understood; nothing was taken over.',
    hint: 'Its git or its shell may have been replaced; "banger vm exec" enters the vm to see.',
  });
}
