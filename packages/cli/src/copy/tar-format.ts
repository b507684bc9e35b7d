/**
 * The tar format, both ways: ustar with pax and GNU long names. Written here because what we read comes from a guest,
 * so every length is bounded before memory is given for it, and because it is small.
 */
import { BangerError } from '@banger/contract/errors.ts';

export type TarType = 'file' | 'directory' | 'symlink' | 'hardlink' | 'special';

export type TarHeader = {
  name: string;
  type: TarType;
  mode: number;
  sizeBytes: number;
  mtimeSeconds: number;
  /** Of symlinks and hardlinks */
  target: string;
};

export type TarEntry = TarHeader & {
  /** Whatever is not read is skipped */
  body: () => AsyncGenerator<Buffer, void>;
};

const BLOCK_BYTES = 512;
/** Names and times of one entry; the longest path that Linux takes has 4096 bytes */
const MAX_EXTENSION_BYTES = 65_536;

/** Throws AGENT_PROTOCOL for what is not tar, and when it ends too early. */
export async function* readTar(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry, void> {
  const source = new ByteQueue(bytes);
  let extension: Map<string, string> = new Map();
  for (;;) {
    const block = await source.take(BLOCK_BYTES);
    if (block.every((byte) => byte === 0)) return;
    const header = parseHeader(block);

    const isExtension = header.flag === 'x' || header.flag === 'g' || header.flag === 'L' || header.flag === 'K';
    if (isExtension) {
      if (header.sizeBytes > MAX_EXTENSION_BYTES) throw broken(`a name of ${header.sizeBytes} bytes`);
      const body = await source.take(header.sizeBytes);
      await source.skip(paddingOf(header.sizeBytes));
      if (header.flag === 'x') extension = new Map([...extension, ...parsePax(body)]);
      if (header.flag === 'L') extension.set('path', cutAtZero(body));
      if (header.flag === 'K') extension.set('linkpath', cutAtZero(body));
      continue;
    }

    const entry = applyExtension(header, extension);
    extension = new Map();
    let leftBytes = entry.type === 'file' || entry.type === 'special' ? entry.sizeBytes : 0;
    const padding = paddingOf(leftBytes);
    yield {
      ...entry,
      body: async function* () {
        while (leftBytes > 0) {
          const chunk = await source.some(leftBytes);
          leftBytes -= chunk.length;
          yield chunk;
        }
      },
    };
    await source.skip(leftBytes + padding);
  }
}

/** The header blocks of one entry; a file's body follows, filled up with `tarPadding`. */
export function encodeTarHeader(header: TarHeader): Buffer {
  const records: [string, string][] = [];
  if (Buffer.byteLength(header.name) > 100) records.push(['path', header.name]);
  if (Buffer.byteLength(header.target) > 100) records.push(['linkpath', header.target]);
  if (header.sizeBytes > 0o77777777777) records.push(['size', String(header.sizeBytes)]);
  const own = encodeBlock(header, FLAG_OF[header.type]);
  if (records.length === 0) return own;
  const pax = Buffer.from(records.map(encodePaxRecord).join(''));
  const paxHeader = { ...header, name: 'pax', target: '', mode: 0o644, sizeBytes: pax.length };
  return Buffer.concat([encodeBlock(paxHeader, 'x'), pax, tarPadding(pax.length), own]);
}

export function tarPadding(sizeBytes: number): Buffer {
  return Buffer.alloc(paddingOf(sizeBytes));
}

/** Two empty blocks. */
export function tarEnd(): Buffer {
  return Buffer.alloc(2 * BLOCK_BYTES);
}

const FLAG_OF: Record<TarType, string> = { file: '0', hardlink: '1', symlink: '2', directory: '5', special: '6' };
const TYPE_OF: Record<string, TarType> = {
  '\0': 'file',
  '0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '5': 'directory',
};

type RawHeader = TarHeader & { flag: string };

function parseHeader(block: Buffer): RawHeader {
  if (readNumber(block, 148, 8) !== checksumOf(block)) throw broken('a header with a wrong checksum');
  const flag = String.fromCharCode(block[156] as number);
  const isUstar = block.toString('latin1', 257, 262) === 'ustar';
  // GNU's own variant keeps times where ustar has the prefix; it says so by "ustar  "
  const prefix = isUstar && block[262] === 0 ? readText(block, 345, 155) : '';
  const name = readText(block, 0, 100);
  return {
    flag,
    name: prefix === '' ? name : `${prefix}/${name}`,
    type: TYPE_OF[flag] ?? 'special',
    mode: readNumber(block, 100, 8),
    sizeBytes: readNumber(block, 124, 12),
    mtimeSeconds: readNumber(block, 136, 12),
    target: readText(block, 157, 100),
  };
}

function applyExtension({ flag: _, ...header }: RawHeader, extension: Map<string, string>): TarHeader {
  const size = extension.get('size');
  const mtime = Number(extension.get('mtime') ?? Number.NaN);
  const entry = {
    ...header,
    name: extension.get('path') ?? header.name,
    target: extension.get('linkpath') ?? header.target,
    sizeBytes: size === undefined ? header.sizeBytes : Number(size),
    mtimeSeconds: Number.isFinite(mtime) ? mtime : header.mtimeSeconds,
  };
  if (!Number.isSafeInteger(entry.sizeBytes) || entry.sizeBytes < 0) throw broken('a size that is not one');
  return entry;
}

/** Octal text, or, with the first bit set, a big-endian number. */
function readNumber(block: Buffer, at: number, length: number): number {
  const field = block.subarray(at, at + length);
  if (((field[0] as number) & 0x80) === 0) {
    const text = readText(block, at, length).trim();
    if (!/^[0-7]*$/.test(text)) throw broken('a number that is not one');
    return text === '' ? 0 : Number.parseInt(text, 8);
  }
  let value = (field[0] as number) & 0x7f;
  for (const byte of field.subarray(1)) value = value * 256 + byte;
  if (!Number.isSafeInteger(value)) throw broken('a number that is too large');
  return value;
}

function readText(block: Buffer, at: number, length: number): string {
  return cutAtZero(block.subarray(at, at + length));
}

function cutAtZero(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
}

/** "27 path=some/long/name\n", one after another; the number counts the whole record. */
function parsePax(body: Buffer): Map<string, string> {
  const found = new Map<string, string>();
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at);
    const length = Number(body.toString('latin1', at, space < 0 ? at : space));
    if (space < 0 || !Number.isInteger(length) || length < 5 || at + length > body.length) throw broken('a pax record');
    const record = body.toString('utf8', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    if (equals > 0) found.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return found;
}

function encodePaxRecord([key, value]: [string, string]): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  if (String(length).length > String(rest).length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

function encodeBlock(header: TarHeader, flag: string): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, at: number, length: number) =>
    block.write(
      `${Math.max(0, Math.floor(value))
        .toString(8)
        .padStart(length - 1, '0')}\0`,
      at,
      'latin1',
    );
  Buffer.from(header.name).copy(block, 0, 0, 100);
  octal(header.mode & 0o7777, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(header.sizeBytes > 0o77777777777 ? 0 : header.sizeBytes, 124, 12);
  octal(header.mtimeSeconds, 136, 12);
  block.write(flag, 156, 'latin1');
  Buffer.from(header.target).copy(block, 157, 0, 100);
  block.write('ustar\u000000', 257, 'latin1');
  block.write('root', 265, 'latin1');
  block.write('root', 297, 'latin1');
  block.write(`${checksumOf(block).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** The sum of all bytes, those of the sum itself taken as blanks. */
function checksumOf(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < BLOCK_BYTES; at++) if (at < 148 || at >= 156) sum += block[at] as number;
  return sum;
}

function paddingOf(sizeBytes: number): number {
  return (BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES;
}

/** Bytes in the order they came, in pieces of the wanted size. */
class ByteQueue {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #pending: Buffer = Buffer.alloc(0);

  constructor(bytes: AsyncIterable<Uint8Array>) {
    this.#chunks = bytes[Symbol.asyncIterator]();
  }

  /** At least one byte and at most `maxBytes`. */
  async some(maxBytes: number): Promise<Buffer> {
    while (this.#pending.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done) throw broken('an end in the middle');
      this.#pending = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    }
    const found = this.#pending.subarray(0, maxBytes);
    this.#pending = this.#pending.subarray(found.length);
    return found;
  }

  async take(lengthBytes: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (let left = lengthBytes; left > 0; ) {
      const piece = await this.some(left);
      pieces.push(piece);
      left -= piece.length;
    }
    return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
  }

  async skip(lengthBytes: number): Promise<void> {
    for (let left = lengthBytes; left > 0; ) left -= (await this.some(left)).length;
  }
}

function broken(what: string): BangerError {
  return new BangerError('AGENT_PROTOCOL', {
    message: `What comes is not a good tar stream: it has ${what}.`,
    hint: 'The copy may be incomplete; the guest may be damaged or hostile.',
  });
}
