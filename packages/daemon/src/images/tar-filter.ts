/**
 * What stands between a stranger's tar and tar2sqfs: a stream that lets through only what may become an image.
 *
 * It refuses what is not a tar, ends too soon, has names outside of the root, or is no root filesystem, unless its source
 * knows that it is one. It leaves out the entry of the root
 * itself (the image's root is always 0755 and root's), and extended attributes that squashfs cannot keep.
 */
import { Transform, type TransformCallback } from 'node:stream';
import { bytesOfText, textOfBytes } from '@banger/contract/byte-text.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { agentFault } from '@banger/contract/tar/agent-comments.ts';
import { type PaxRecord, parsePaxSize, readPaxRecords, writePaxHeader } from '@banger/contract/tar/pax.ts';
import {
  cutAtZero,
  isZeroBlock,
  paddedBytes,
  readTarBlock,
  readWholeSize,
  TAR_BLOCK_BYTES,
  type TarBlock,
  tarEnd,
} from '@banger/contract/tar/tar-block.ts';

const MAX_ENTRIES = 4_000_000;
const MAX_CONTENT_BYTES = 256 * 2 ** 30;
/** Of the headers that belong to one entry: long names and extended attributes */
const MAX_EXTENSION_BYTES = 1024 * 1024;
const MAX_NAME_BYTES = 4095;
const MAX_BYTES_BEHIND = 2 ** 20;

const SHELL = /^(?:usr\/)?bin\/(?:sh|bash|dash|ash|busybox)$/;
const KEPT_ATTRIBUTES = /^(?:user|security|trusted)\.(?!overlay\.)/;

/** Extensions come before the entry that they describe: pax (x), GNU long name (L), GNU long link (K). */
type Extension = { type: string; content: Buffer };

type State =
  | { is: 'header' }
  | { is: 'extension'; header: TarBlock; chunks: Buffer[]; leftBytes: number }
  | { is: 'sparse map'; leftBytes: number }
  | { is: 'content'; leftBytes: number; keep: boolean }
  | { is: 'end' };

export class TarFilter extends Transform {
  entries = 0;
  contentBytes = 0;
  /** What each machine will copy to its disk when it first boots */
  readonly home = { entries: 0, bytes: 0 };
  /** Whether what has no shell is taken for something else than a root filesystem */
  needsShell = true;
  /** Of one it ends with its end, and its comments say what could not be read, see docs/agent-protocol.md */
  isOfAgent = false;
  #state: State = { is: 'header' };
  #partial: Buffer = Buffer.alloc(0);
  #passing: Uint8Array[] = [];
  #extensions: Extension[] = [];
  #extensionBytes = 0;
  #hasShell = false;
  #topNames = new Set<string>();
  #lastName = '';
  #bytesBehind = 0;

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    try {
      let rest = this.#partial.length ? Buffer.concat([this.#partial, chunk]) : chunk;
      while (rest.length > 0) {
        const taken = this.#take(rest);
        if (taken === 0) break;
        rest = rest.subarray(taken);
      }
      this.#partial = Buffer.from(rest);
      this.#passOn();
      done();
    } catch (fault) {
      done(fault as Error);
    }
  }

  override _flush(done: TransformCallback): void {
    if (this.#state.is !== 'end') {
      done(this.entries === 0 ? notATar() : invalid('The tar ends too soon: it was cut off or is damaged'));
    } else {
      done(null, tarEnd());
    }
  }

  /** In one piece, whatever it was made of: small ones cost each stream that they pass. */
  #passOn(): void {
    const [only, ...more] = this.#passing;
    if (only !== undefined) this.push(more.length === 0 ? only : Buffer.concat(this.#passing));
    this.#passing = [];
  }

  /** Deals with the beginning of `rest`, and says how much of it; 0 when a whole block is not there yet. */
  #take(rest: Buffer): number {
    const state = this.#state;
    if (state.is === 'end') return this.#passOver(rest.length);
    if (state.is === 'content') return this.#takeContent(state, rest);
    if (rest.length < TAR_BLOCK_BYTES) return 0;
    const block = rest.subarray(0, TAR_BLOCK_BYTES);
    if (state.is === 'header') this.#takeHeader(Buffer.from(block));
    else if (state.is === 'extension') this.#takeExtension(state, block);
    else this.#takeSparseMap(state, block);
    return TAR_BLOCK_BYTES;
  }

  /** Behind the end of a tar there is what fills its last block, whoever makes it; an agent could go on for ever. */
  #passOver(bytes: number): number {
    this.#bytesBehind += bytes;
    if (this.isOfAgent && this.#bytesBehind > MAX_BYTES_BEHIND) throw invalid('The tar goes on behind its end');
    return bytes;
  }

  #takeContent(state: State & { is: 'content' }, rest: Buffer): number {
    const taken = Math.min(rest.length, state.leftBytes);
    if (state.keep) this.#passing.push(rest.subarray(0, taken));
    state.leftBytes -= taken;
    if (state.leftBytes === 0) this.#state = { is: 'header' };
    return taken;
  }

  #takeHeader(block: Buffer): void {
    if (isZeroBlock(block)) {
      if (this.needsShell && !this.#hasShell) throw this.#noRoot(); // now: what follows may have no end
      this.#state = { is: 'end' };
      return;
    }
    const header = readTarBlock(block);
    if (!header || !(header.sizeBytes >= 0)) {
      throw this.entries === 0 ? notATar() : invalid(`The tar is damaged after ${this.entries} entries`);
    }
    if (/^[xgLK]$/.test(header.type)) {
      this.#extensionBytes += TAR_BLOCK_BYTES + header.sizeBytes;
      if (this.#extensionBytes > MAX_EXTENSION_BYTES) throw invalid('The tar has an entry with too long a header');
      const leftBytes = paddedBytes(header.sizeBytes);
      if (leftBytes > 0) this.#state = { is: 'extension', header, chunks: [], leftBytes };
      return;
    }
    this.#takeEntry(block, header);
  }

  #takeExtension(state: State & { is: 'extension' }, block: Buffer): void {
    state.chunks.push(Buffer.from(block));
    state.leftBytes -= TAR_BLOCK_BYTES;
    if (state.leftBytes > 0) return;
    const content = Buffer.concat(state.chunks).subarray(0, state.header.sizeBytes);
    // A global header holds comments of the program that made the tar; nothing in it belongs to an entry.
    if (state.header.type !== 'g') this.#extensions.push({ type: state.header.type, content });
    else if (this.isOfAgent) this.#hear(content);
    this.#state = { is: 'header' };
  }

  #hear(content: Buffer): void {
    const code = agentFault(readPaxRecords(content) ?? []);
    if (code !== null) throw unreadable(this.#lastName, code);
  }

  #takeEntry(block: Buffer, header: TarBlock): void {
    const records = this.#extensions.flatMap(readExtension);
    this.#extensions = [];
    this.#extensionBytes = 0;
    const value = (key: string) => {
      const found = records.findLast((record) => record.key === key);
      return found && textOfBytes(found.value);
    };
    const name = checkName(value('GNU.sparse.name') ?? value('path') ?? header.name);
    const sizeBytes = parsePaxSize(value('size') ?? String(header.sizeBytes));
    const sparseSize = value('GNU.sparse.realsize') ?? value('GNU.sparse.size');
    // tar2sqfs reads each hole: a few bytes that promise very much would keep it for hours.
    const wholeBytes = header.type === 'S' ? readWholeSize(block) : parsePaxSize(sparseSize ?? '0');
    this.#lastName = name;
    this.#count(name, sizeBytes, wholeBytes);
    const keep = name !== '';
    if (keep) {
      checkType(header.type, name);
      if (header.type === '1') checkName(value('linkpath') ?? header.linkName);
      const kept = records.filter(canKeep);
      if (kept.length > 0) this.#passing.push(writePaxHeader(kept));
      this.#passing.push(block);
    }
    const leftBytes = hasContent(header.type) ? paddedBytes(sizeBytes) : 0;
    const hasSparseMap = header.type === 'S' && block[482] === 1;
    if (hasSparseMap) this.#state = { is: 'sparse map', leftBytes };
    else if (leftBytes > 0) this.#state = { is: 'content', leftBytes, keep };
  }

  #takeSparseMap(state: State & { is: 'sparse map' }, block: Buffer): void {
    this.#passing.push(Buffer.from(block));
    if (block[504] === 1) return;
    this.#state = state.leftBytes > 0 ? { is: 'content', leftBytes: state.leftBytes, keep: true } : { is: 'header' };
  }

  #count(name: string, sizeBytes: number, wholeBytes: number): void {
    const countedBytes = Math.max(sizeBytes, wholeBytes); // NaN when one of them is
    this.entries += 1;
    this.contentBytes += countedBytes;
    if (this.entries > MAX_ENTRIES) throw invalid(`The tar has more than ${MAX_ENTRIES} entries`);
    if (!Number.isSafeInteger(countedBytes) || countedBytes < 0)
      throw invalid(`The tar gives "${show(name)}" no valid size`);
    if (this.contentBytes > MAX_CONTENT_BYTES) {
      throw invalid(`The tar holds more than ${formatSize(MAX_CONTENT_BYTES)}`);
    }
    if (SHELL.test(name)) this.#hasShell = true;
    if (name.startsWith('root/')) {
      this.home.entries += 1;
      this.home.bytes += sizeBytes;
    }
    if (this.#topNames.size < 5 && name) this.#topNames.add(name.split('/', 1)[0] as string);
  }

  #noRoot(): BangerError {
    const tops = [...this.#topNames].map((name) => `"${show(name)}"`).join(', ');
    return new BangerError('IMAGE_INVALID', {
      message: `The tar holds no root filesystem: neither bin/sh nor usr/bin/sh is in it. It begins with: ${tops || 'nothing'}.`,
      hint: 'The top of the tar has to be the root folder itself: bin, etc, usr and so on.',
    });
  }
}

function readExtension({ type, content }: Extension): PaxRecord[] {
  if (type === 'x') {
    const records = readPaxRecords(content);
    if (!records) throw invalid('The tar has a damaged extended header');
    return records;
  }
  return [{ key: type === 'L' ? 'path' : 'linkpath', value: cutAtZero(content) }];
}

// POSIX ACLs and whatever else squashfs has no place for; overlay's own marks would confuse the overlay above it.
function canKeep({ key }: PaxRecord): boolean {
  const attribute = /^(?:SCHILY|LIBARCHIVE)\.xattr\.(.*)$/s.exec(key)?.[1];
  if (attribute !== undefined) return KEPT_ATTRIBUTES.test(attribute);
  return !key.startsWith('SCHILY.acl.') && key !== 'comment';
}

/** "./etc//passwd" → "etc/passwd"; the root itself is "". */
function checkName(raw: string): string {
  if (raw.startsWith('/')) throw invalid(`The tar has a name that begins with a slash: "${show(raw)}"`);
  if (bytesOfText(raw).length > MAX_NAME_BYTES) throw invalid(`The tar has a name that is too long: "${show(raw)}"`);
  const parts = raw.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw invalid(`The tar has a name that leaves the root: "${show(raw)}"`);
  return parts.join('/');
}

function checkType(type: string, name: string): void {
  if (!/^[0-7S]$/.test(type)) throw invalid(`The tar has an entry of an unknown kind (${show(type)}): "${show(name)}"`);
}

function hasContent(type: string): boolean {
  return !/^[1-6]$/.test(type);
}

/** A stranger's text, safe for a terminal. */
function show(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 80);
}

function unreadable(name: string, code: string): BangerError {
  return new BangerError('GUEST_PATH', {
    message: `The guest could not read all of its files: ${show(code)}, at or after "${show(name)}".`,
    hint: 'Nothing was kept. Its disk may be damaged: the console of a start tells, "banger vm logs".',
    details: { guestCode: code },
  });
}

function notATar(): BangerError {
  return invalid('This is not a tar archive, nor a tar compressed with gzip, xz, zstd or lz4');
}

function invalid(what: string): BangerError {
  return new BangerError('IMAGE_INVALID', {
    message: `${what}.`,
    hint: 'An image is imported from a tar of a whole root filesystem, as "docker export" or "tar --numeric-owner --xattrs -c" write it.',
  });
}
