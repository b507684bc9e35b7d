/** The first line of a snapshot that a guest makes: three object ids, and nothing else is believed. */
import { BangerError } from '@banger/contract/errors.ts';
import { HEADER_WORD } from './guest-scripts.ts';

export type GuestHeader = {
  /** What is checked out; null while nothing was committed */
  head: string | null;
  /** With a commit for what is uncommitted, when that was asked for */
  commit: string | null;
  tree: string;
};

const MAX_HEADER_BYTES = 256;
const HEADER = new RegExp(
  `^${HEADER_WORD} (none|[0-9a-f]{40}|[0-9a-f]{64}) (none|[0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64})$`,
);

/** Takes a stream's bytes until the line is whole; gives the rest on. */
export class HeaderReader {
  #line: Buffer = Buffer.alloc(0);
  header: GuestHeader | null = null;

  /** What comes after the line. Throws WORKSPACE_REFUSED. */
  push(bytes: Buffer): Buffer {
    if (this.header) return bytes;
    this.#line = Buffer.concat([this.#line, bytes]);
    const end = this.#line.indexOf(10);
    if (end > MAX_HEADER_BYTES || (end < 0 && this.#line.length > MAX_HEADER_BYTES)) throw notUnderstood();
    if (end < 0) return Buffer.alloc(0);
    this.header = parseHeader(this.#line.toString('latin1', 0, end));
    return this.#line.subarray(end + 1);
  }

  whole(): GuestHeader {
    if (this.header) return this.header;
    throw notUnderstood();
  }
}

function parseHeader(line: string): GuestHeader {
  const [, head, commit, tree] = HEADER.exec(line) ?? [];
  if (!head || !commit || !tree) throw notUnderstood();
  return { head: head === 'none' ? null : head, commit: commit === 'none' ? null : commit, tree };
}

function notUnderstood(): BangerError {
  return new BangerError('WORKSPACE_REFUSED', {
    message: 'What the guest says of its workspace is not understood; nothing was taken over.',
    hint: 'Its git or its shell may have been replaced; "banger vm exec" enters the vm to see.',
  });
}
