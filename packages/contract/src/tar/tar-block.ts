/** The header block of a tar entry: ustar, and what GNU tar has of its own. Plain bytes in, plain values out. */
import { bytesOfText, textOfBytes } from '../byte-text.ts';

export const TAR_BLOCK_BYTES = 512;

/** Numbers are NaN where the block has none. */
export type TarBlock = {
  name: string;
  linkName: string;
  mode: number;
  uid: number;
  gid: number;
  /** Bytes of content that follow, before padding */
  sizeBytes: number;
  mtimeSeconds: number;
  /** '0' a file, '1' a hard link, '2' a symbolic link, '5' a folder, 'x' and 'g' extensions, and so on */
  type: string;
  /** Of devices */
  deviceMajor: number;
  deviceMinor: number;
};

type Field = { at: number; bytes: number };

const FIELD = {
  name: { at: 0, bytes: 100 },
  mode: { at: 100, bytes: 8 },
  uid: { at: 108, bytes: 8 },
  gid: { at: 116, bytes: 8 },
  sizeBytes: { at: 124, bytes: 12 },
  mtimeSeconds: { at: 136, bytes: 12 },
  checksum: { at: 148, bytes: 8 },
  type: { at: 156, bytes: 1 },
  linkName: { at: 157, bytes: 100 },
  magic: { at: 257, bytes: 8 },
  deviceMajor: { at: 329, bytes: 8 },
  deviceMinor: { at: 337, bytes: 8 },
  prefix: { at: 345, bytes: 155 },
  wholeSizeBytes: { at: 483, bytes: 12 },
} as const satisfies Record<string, Field>;

/** Null when the checksum is wrong: these 512 bytes are not a header. */
export function readTarBlock(block: Uint8Array): TarBlock | null {
  if (readNumber(block, FIELD.checksum) !== checksumOf(block)) return null;
  // GNU's own variant has times where ustar has the prefix; it says so by "ustar ".
  const prefix = readText(block, { at: 257, bytes: 6 }) === 'ustar' ? readText(block, FIELD.prefix) : '';
  const name = readText(block, FIELD.name);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    linkName: readText(block, FIELD.linkName),
    mode: readNumber(block, FIELD.mode),
    uid: readNumber(block, FIELD.uid),
    gid: readNumber(block, FIELD.gid),
    sizeBytes: readNumber(block, FIELD.sizeBytes),
    mtimeSeconds: readNumber(block, FIELD.mtimeSeconds),
    type: String.fromCharCode(block[FIELD.type.at] || 0x30),
    deviceMajor: readNumber(block, FIELD.deviceMajor),
    deviceMinor: readNumber(block, FIELD.deviceMinor),
  };
}

/** Of a file of GNU's old type S, with its holes; NaN when it is no number. */
export function readWholeSize(block: Uint8Array): number {
  return readNumber(block, FIELD.wholeSizeBytes);
}

/** Names that are too long are cut; an extension before the block has them whole. Root's, unless it is said. */
export function writeTarBlock(fields: Partial<TarBlock> & { name: string; type: string }): Uint8Array {
  const { name, type, linkName = '', mode = 0o644, uid = 0, gid = 0, sizeBytes = 0, mtimeSeconds = 0 } = fields;
  const { deviceMajor = 0, deviceMinor = 0 } = fields;
  const block = new Uint8Array(TAR_BLOCK_BYTES);
  writeText(block, FIELD.name, name);
  writeNumber(block, FIELD.mode, mode);
  writeNumber(block, FIELD.uid, uid);
  writeNumber(block, FIELD.gid, gid);
  writeNumber(block, FIELD.sizeBytes, sizeBytes);
  writeNumber(block, FIELD.mtimeSeconds, mtimeSeconds);
  writeText(block, FIELD.type, type);
  writeText(block, FIELD.linkName, linkName);
  writeText(block, FIELD.magic, 'ustar\x0000');
  writeNumber(block, FIELD.deviceMajor, deviceMajor);
  writeNumber(block, FIELD.deviceMinor, deviceMinor);
  return sealTarBlock(block);
}

/** Writes the checksum anew, into the block itself. */
export function sealTarBlock(block: Uint8Array): Uint8Array {
  writeText(block, FIELD.checksum, `${checksumOf(block).toString(8).padStart(6, '0')}\0 `);
  return block;
}

export function isZeroBlock(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0);
}

/** Content is padded to whole blocks. */
export function paddedBytes(sizeBytes: number): number {
  return Math.ceil(sizeBytes / TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES;
}

/** What fills up content of that size. */
export function tarPadding(sizeBytes: number): Uint8Array {
  return new Uint8Array(paddedBytes(sizeBytes) - sizeBytes);
}

/** Two empty blocks. */
export function tarEnd(): Uint8Array {
  return new Uint8Array(2 * TAR_BLOCK_BYTES);
}

/** Whether a name fits into the block's own field. */
export function fitsTarBlock(name: string): boolean {
  return bytesOfText(name).length <= FIELD.name.bytes;
}

/** The sum of all bytes, those of the sum itself taken as blanks. */
function checksumOf(block: Uint8Array): number {
  let sum = FIELD.checksum.bytes * 0x20;
  for (let at = 0; at < TAR_BLOCK_BYTES; at++) if (at < 148 || at >= 156) sum += block[at] as number;
  return sum;
}

function readText(block: Uint8Array, { at, bytes }: Field): string {
  return textOfBytes(cutAtZero(block.subarray(at, at + bytes)));
}

export function cutAtZero(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

/** Octal text, or GNU's binary form for what does not fit; NaN when it is neither. */
function readNumber(block: Uint8Array, field: Field): number {
  const bytes = block.subarray(field.at, field.at + field.bytes);
  const first = bytes[0] as number;
  if (first < 0x80) {
    const text = readText(block, field).trim();
    return /^[0-7]*$/.test(text) ? Number.parseInt(text || '0', 8) : Number.NaN;
  }
  let value = first >= 0xc0 ? -1 : first & 0x3f;
  for (const byte of bytes.subarray(1)) value = value * 256 + byte;
  return Number.isSafeInteger(value) ? value : Number.NaN;
}

function writeNumber(block: Uint8Array, field: Field, value: number): void {
  const digits = field.bytes - 1;
  if (value >= 0 && value < 8 ** digits) {
    writeText(block, field, `${value.toString(8).padStart(digits, '0')}\0`);
    return;
  }
  let left = value;
  for (let at = field.at + digits; at > field.at; at--) {
    block[at] = ((left % 256) + 256) % 256;
    left = Math.floor(left / 256);
  }
  block[field.at] = value < 0 ? 0xff : 0x80;
}

function writeText(block: Uint8Array, { at, bytes }: Field, text: string): void {
  block.set(bytesOfText(text).subarray(0, bytes), at);
}
