/**
 * Reads a tar stream, entry by entry. Whoever writes it may be hostile: every length is bounded before memory is given
 * for it, nothing is remembered of an entry that has passed, and the entries are counted.
 *
 * The agent says in comments of the stream what a tar has no word for: that a file could not be read whole, and how many
 * files were left out. docs/agent-protocol.md has them. In anybody else's tar they mean nothing.
 */
import { textOfBytes } from '../byte-text.ts';
import { BangerError } from '../errors.ts';
import { agentFault, agentSkipped } from './agent-comments.ts';
import { ByteQueue } from './byte-queue.ts';
import { type PaxRecord, parsePaxSize, parsePaxTime, readPaxRecords } from './pax.ts';
import { SparseMapReader, type SparsePiece } from './sparse-map.ts';
import { cutAtZero, isZeroBlock, paddedBytes, readTarBlock, TAR_BLOCK_BYTES, type TarBlock } from './tar-block.ts';
import { ATTRIBUTE_PREFIX, type TarDevice, type TarType } from './tar-head.ts';

export type TarEntry = {
  name: string;
  type: TarType;
  mode: number;
  mtimeNs: bigint;
  uid: number;
  gid: number;
  /** Of symlinks and hardlinks */
  target: string;
  /** Zeros for what is no device */
  device: TarDevice;
  /** Extended attributes, by their names */
  attributes: readonly PaxRecord[];
  /** Of the file, once it is unpacked */
  sizeBytes: number;
  /** Of its content in the stream, without holes */
  storedBytes: number;
  /** Where that begins in the stream */
  contentAt: number;
  /** The pieces of its content, in order. Whatever is not read is skipped. */
  body: () => AsyncGenerator<TarPiece, void>;
};

export type TarPiece = { at: number; bytes: Uint8Array };

/** Of the extended headers before one entry; the longest path that Linux takes has 4096 bytes */
const MAX_EXTENSION_BYTES = 65_536;
/** With the extended attributes that a file of an image may have */
const MAX_FOREIGN_EXTENSION_BYTES = 2 ** 20;
const MAX_ENTRIES = 4_000_000;
/** A decimal number of the map of holes, with its newline */
const MAX_MAP_LINE_BYTES = 17;

const TYPES: Record<string, TarType> = {
  '0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'character device',
  '4': 'block device',
  '5': 'directory',
  '6': 'pipe',
};

type TarReading = {
  /** Hears of files that were left out where the tar was made */
  onSkipped?: (count: number) => void;
  /**
   * For a tar that no agent made: what is thrown of one that cannot be read. Its comments mean nothing, it may have longer
   * headers, and it may end behind an entry without an end mark, behind a file without what fills up its block too, as those
   * that Go's library reads may.
   */
  foreign?: (what: string) => Error;
};

/**
 * Throws AGENT_PROTOCOL, or what `foreign` makes, for what is not tar, and when it ends too early; GUEST_PATH when a file
 * could not be read whole.
 */
export async function* readTar(
  bytes: AsyncIterable<Uint8Array>,
  reading: TarReading = {},
): AsyncGenerator<TarEntry, void> {
  const source = new TarSource(bytes, reading);
  try {
    for (let entries = 0; ; entries++) {
      if (entries > MAX_ENTRIES) fail(`more than ${MAX_ENTRIES} entries`);
      const found = await source.nextHead();
      if (found === null) return;
      const content = await source.openContent(found);
      yield { ...content.entry, body: content.body };
      await content.skip();
    }
  } catch (fault) {
    throw source.explain(fault);
  } finally {
    await source.close();
  }
}

/** What is wrong with a tar, until it is known whose tar it is */
class TarFault extends Error {}

type Head = { block: TarBlock; records: readonly PaxRecord[]; value: (key: string) => string | undefined };

class TarSource {
  readonly #queue: ByteQueue;
  readonly #onSkipped: (count: number) => void;
  readonly #foreign: TarReading['foreign'];
  /** A block that was looked at before its turn */
  #ahead: TarBlock | null | undefined;
  #name = '';

  constructor(bytes: AsyncIterable<Uint8Array>, { onSkipped = () => {}, foreign }: TarReading) {
    this.#queue = new ByteQueue(bytes, () => new TarFault('an end in the middle'));
    this.#onSkipped = onSkipped;
    this.#foreign = foreign;
  }

  explain(fault: unknown): unknown {
    return fault instanceof TarFault ? (this.#foreign ?? broken)(fault.message) : fault;
  }

  close(): Promise<void> {
    return this.#queue.close();
  }

  /** Null at the tar's end. */
  async nextHead(): Promise<Head | null> {
    const records: PaxRecord[] = [];
    const maxBytes = this.#foreign ? MAX_FOREIGN_EXTENSION_BYTES : MAX_EXTENSION_BYTES;
    for (let left = maxBytes; ; ) {
      if (this.#foreign && this.#ahead === undefined && records.length === 0 && (await this.#queue.isAtEnd()))
        return null;
      const block = await this.#nextBlock();
      if (block === null) return null;
      if (!/^[xgLK]$/.test(block.type)) return { block, records, value: (key) => lastValue(records, key) };
      left -= TAR_BLOCK_BYTES + block.sizeBytes;
      if (left < 0) fail(`extended headers above ${maxBytes} bytes`);
      const content = await this.#takePadded(block.sizeBytes);
      if (block.type === 'g') this.#hear(content);
      else records.push(...recordsOf(block.type, content));
    }
  }

  async openContent({ block, records, value }: Head) {
    const target = value('linkpath') ?? block.linkName;
    const type = TYPES[block.type] ?? 'special';
    const storedBytes = parsePaxSize(value('size') ?? String(block.sizeBytes));
    const mtimeNs = parsePaxTime(value('mtime') ?? '') ?? BigInt(block.mtimeSeconds || 0) * 1_000_000_000n;
    const uid = parsePaxSize(value('uid') ?? String(block.uid));
    const gid = parsePaxSize(value('gid') ?? String(block.gid));
    if (!Number.isSafeInteger(uid) || !Number.isSafeInteger(gid)) fail('an owner that is not one');
    if (!Number.isSafeInteger(storedBytes)) fail('a size that is not one');
    if (!Number.isSafeInteger(block.mode)) fail('a mode that is not one');
    if (block.type === 'S') fail('a file with holes in a way that is not understood');
    this.#name = value('GNU.sparse.name') ?? value('path') ?? block.name;
    const hasContent = type === 'file' || type === 'special';
    const counted = new CountedContent(this.#queue, hasContent ? storedBytes : 0, this.#foreign !== undefined);
    const pieces = await this.#piecesOf(value, counted);
    const last = pieces.at(-1);
    const sizeBytes = value('GNU.sparse.realsize') === undefined ? (last?.bytes ?? 0) : readSize(value);
    const leftBytes = pieces.reduce((sum, piece) => sum + piece.bytes, 0);
    if (leftBytes !== counted.leftBytes) fail('a map of holes that does not fit its file');
    const source = this;
    return {
      entry: {
        name: this.#name,
        type,
        mode: block.mode,
        mtimeNs,
        uid,
        gid,
        target,
        device: { major: block.deviceMajor, minor: block.deviceMinor },
        attributes: attributesOf(records),
        sizeBytes,
        storedBytes: leftBytes,
        contentAt: this.#queue.takenBytes,
      },
      async *body(): AsyncGenerator<TarPiece, void> {
        try {
          for (const piece of pieces) {
            for (let done = 0; done < piece.bytes; ) {
              const bytes = await counted.some(piece.bytes - done);
              yield { at: piece.at + done, bytes };
              done += bytes.length;
            }
          }
          await counted.skip();
          // The agent says after the content that it is not what the file held.
          if (!source.#foreign) await source.#lookAhead();
        } catch (fault) {
          throw source.explain(fault);
        }
      },
      skip: () => counted.skip(),
    };
  }

  async #piecesOf(value: Head['value'], content: CountedContent): Promise<readonly SparsePiece[]> {
    if (value('GNU.sparse.major') === undefined) {
      if (value('GNU.sparse.size') !== undefined) fail('a file with holes in a way that is not understood');
      return [{ at: 0, bytes: content.leftBytes }];
    }
    const version = `${value('GNU.sparse.major')}.${value('GNU.sparse.minor')}`;
    if (version !== '1.0') fail('a file with holes in a way that is not understood');
    const map = new SparseMapReader(readSize(value));
    const lines = new MapLines(content);
    while (!map.isComplete) if (!map.take(await lines.next())) fail('a map of holes that cannot be');
    return map.pieces;
  }

  async #lookAhead(): Promise<void> {
    const block = await this.#nextBlock();
    if (block?.type === 'g' && block.sizeBytes <= MAX_EXTENSION_BYTES)
      this.#hear(await this.#takePadded(block.sizeBytes));
    else this.#ahead = block;
  }

  /** Null for an empty one, which ends the tar. */
  async #nextBlock(): Promise<TarBlock | null> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    if (ahead !== undefined) return ahead;
    const bytes = await this.#queue.take(TAR_BLOCK_BYTES);
    if (isZeroBlock(bytes)) return null;
    const block = readTarBlock(bytes) ?? fail('a header with a wrong checksum');
    return block.sizeBytes >= 0 ? block : fail('a size that is not one');
  }

  async #takePadded(sizeBytes: number): Promise<Uint8Array> {
    const content = await this.#queue.take(sizeBytes);
    await this.#queue.skip(paddedBytes(sizeBytes) - sizeBytes);
    return content;
  }

  #hear(content: Uint8Array): void {
    if (this.#foreign) return;
    const records = readPaxRecords(content) ?? fail('a pax record that is none');
    const fault = agentFault(records);
    if (fault !== null) throw unreadable(this.#name, fault);
    const skipped = agentSkipped(records);
    if (skipped !== null) this.#onSkipped(skipped);
  }
}

/** The content of one entry: so many bytes, then what fills up the block. */
class CountedContent {
  leftBytes: number;
  readonly #queue: ByteQueue;
  #paddingBytes: number;
  readonly #mayLackPadding: boolean;

  constructor(queue: ByteQueue, sizeBytes: number, mayLackPadding: boolean) {
    this.#queue = queue;
    this.#mayLackPadding = mayLackPadding;
    this.leftBytes = sizeBytes;
    this.#paddingBytes = paddedBytes(sizeBytes) - sizeBytes;
  }

  async some(maxBytes: number): Promise<Uint8Array> {
    const bytes = await this.#queue.some(Math.min(maxBytes, this.leftBytes));
    this.leftBytes -= bytes.length;
    return bytes;
  }

  async take(lengthBytes: number): Promise<Uint8Array> {
    if (lengthBytes > this.leftBytes) fail('a map of holes without an end');
    this.leftBytes -= lengthBytes;
    return this.#queue.take(lengthBytes);
  }

  async skip(): Promise<void> {
    await this.#queue.skip(this.leftBytes);
    this.leftBytes = 0;
    if (!this.#mayLackPadding || !(await this.#queue.isAtEnd())) await this.#queue.skip(this.#paddingBytes);
    this.#paddingBytes = 0;
  }
}

/** The lines of a map, which is read block by block. */
class MapLines {
  readonly #content: CountedContent;
  #block: Uint8Array = new Uint8Array(0);

  constructor(content: CountedContent) {
    this.#content = content;
  }

  async next(): Promise<string> {
    let line = '';
    for (;;) {
      if (this.#block.length === 0) this.#block = await this.#content.take(TAR_BLOCK_BYTES);
      const end = this.#block.indexOf(0x0a);
      line += textOfBytes(end < 0 ? this.#block : this.#block.subarray(0, end));
      this.#block = this.#block.subarray(end < 0 ? this.#block.length : end + 1);
      if (end >= 0) return line;
      if (line.length > MAX_MAP_LINE_BYTES) fail('a map of holes without an end');
    }
  }
}

function readSize(value: Head['value']): number {
  const size = parsePaxSize(value('GNU.sparse.realsize') ?? '');
  return Number.isSafeInteger(size) ? size : fail('a size that is not one');
}

function recordsOf(type: string, content: Uint8Array): PaxRecord[] {
  if (type === 'x') return readPaxRecords(content) ?? fail('a pax record that is none');
  return [{ key: type === 'L' ? 'path' : 'linkpath', value: cutAtZero(content) }];
}

function attributesOf(records: readonly PaxRecord[]): PaxRecord[] {
  const found = new Map<string, Uint8Array>();
  for (const { key, value } of records) {
    if (key.startsWith(ATTRIBUTE_PREFIX)) found.set(key.slice(ATTRIBUTE_PREFIX.length), value);
  }
  return Array.from(found, ([key, value]) => ({ key, value }));
}

function lastValue(records: readonly PaxRecord[], key: string): string | undefined {
  const value = records.findLast((record) => record.key === key)?.value;
  return value && textOfBytes(value);
}

function fail(what: string): never {
  throw new TarFault(what);
}

function broken(what: string): BangerError {
  return new BangerError('AGENT_PROTOCOL', {
    message: `The vm sent a tar stream that cannot be read: it has ${what}.`,
    hint: 'The copy ended there; files that came before it are whole. The guest may be damaged or hostile: "banger vm logs" shows its console.',
  });
}

function unreadable(name: string, code: string): BangerError {
  return new BangerError('GUEST_PATH', {
    message: `The vm could not read all of its file ${JSON.stringify(name.slice(0, 200))} (${code}).`,
    hint: 'The copy ended there, without this file; files that came before it are whole.',
    details: { guestCode: code },
  });
}
