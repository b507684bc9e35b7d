/** A few small files as a tar stream for the guest, owned by root. */

export type PackedEntry =
  /** Paths are relative to the folder that it is unpacked in */
  { is: 'folder'; path: string; mode: number } | { is: 'file'; path: string; mode: number; content: Buffer };

const BLOCK_BYTES = 512;
const NAME_BYTES = 100;

export function packTar(entries: readonly PackedEntry[], now: Date): Buffer {
  const seconds = Math.floor(now.getTime() / 1000);
  return Buffer.concat([...entries.flatMap((entry) => packEntry(entry, seconds)), Buffer.alloc(2 * BLOCK_BYTES)]);
}

function packEntry(entry: PackedEntry, seconds: number): Buffer[] {
  const name = Buffer.from(entry.is === 'folder' ? `${entry.path}/` : entry.path);
  const content = entry.is === 'file' ? entry.content : Buffer.alloc(0);
  const header = encodeHeader(name, entry.is === 'folder' ? '5' : '0', content.length, entry.mode, seconds);
  return [...(name.length > NAME_BYTES ? longName(name) : []), header, ...padded(content)];
}

/** GNU's way: the name is the content of an entry before the entry. */
function longName(name: Buffer): Buffer[] {
  const content = Buffer.concat([name, Buffer.alloc(1)]);
  return [encodeHeader(Buffer.from('././@LongLink'), 'L', content.length, 0o644, 0), ...padded(content)];
}

function encodeHeader(name: Buffer, flag: string, sizeBytes: number, mode: number, seconds: number): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, at: number, digits: number) =>
    block.write(`${value.toString(8).padStart(digits, '0')}\0`, at, 'latin1');
  name.copy(block, 0, 0, NAME_BYTES);
  octal(mode & 0o777, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(sizeBytes, 124, 11);
  octal(seconds, 136, 11);
  block.write(flag, 156, 'latin1');
  block.write('ustar  \0', 257, 'latin1');
  // The sum of all bytes, those of the sum itself taken as blanks.
  const sum = block.reduce((total, byte) => total + byte, 8 * 0x20);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

function padded(content: Buffer): Buffer[] {
  return [content, Buffer.alloc((BLOCK_BYTES - (content.length % BLOCK_BYTES)) % BLOCK_BYTES)];
}
