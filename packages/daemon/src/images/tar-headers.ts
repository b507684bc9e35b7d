/** The parts of the tar format that decide what an entry is. Plain bytes in, plain values out. */

export const TAR_BLOCK_BYTES = 512;

export type TarHeader = {
  name: string;
  linkName: string;
  /** Bytes of content that follow, before padding */
  sizeBytes: number;
  type: string;
};

export type PaxRecord = { key: string; value: Buffer };

/** Null when the checksum is wrong: these 512 bytes are not a header. */
export function readTarHeader(block: Buffer): TarHeader | null {
  if (checksum(block) !== readNumber(block, 148, 8)) return null;
  const isUstar = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isUstar ? readText(block, 345, 155) : '';
  const name = readText(block, 0, 100);
  return {
    name: prefix ? `${prefix}/${name}` : name,
    linkName: readText(block, 157, 100),
    sizeBytes: readNumber(block, 124, 12),
    type: String.fromCharCode(block[156] || 0x30),
  };
}

export function isZeroBlock(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

/** Content is padded to whole blocks. */
export function paddedBytes(sizeBytes: number): number {
  return Math.ceil(sizeBytes / TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES;
}

/** The records of an extended header, "<length> <key>=<value>\n" each; null when they are damaged. */
export function readPaxRecords(content: Buffer): PaxRecord[] | null {
  const records: PaxRecord[] = [];
  for (let at = 0; at < content.length; ) {
    const space = content.indexOf(0x20, at);
    const lengthText = space < 0 ? '' : content.toString('latin1', at, space);
    const end = at + Number(lengthText);
    const equals = content.indexOf(0x3d, space);
    if (!/^\d{1,10}$/.test(lengthText) || end > content.length || equals < 0 || equals >= end) return null;
    if (content[end - 1] !== 0x0a) return null;
    records.push({
      key: content.toString('utf8', space + 1, equals),
      value: Buffer.from(content.subarray(equals + 1, end - 1)),
    });
    at = end;
  }
  return records;
}

/** An extended header with these records, as it stands in a tar: one header block and its padded content. */
export function writePaxHeader(records: PaxRecord[]): Buffer {
  const content = Buffer.concat(records.map(writePaxRecord));
  const block = Buffer.alloc(TAR_BLOCK_BYTES);
  block.write('././@PaxHeader', 0, 'latin1');
  block.write(`0000644\0${'0000000\0'.repeat(2)}`, 100, 'latin1');
  block.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  block.write(`${'0'.repeat(11)}\0`, 136, 'latin1');
  block.write('x', 156, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  block.write(`${checksum(block).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return Buffer.concat([block, content, Buffer.alloc(paddedBytes(content.length) - content.length)]);
}

function writePaxRecord({ key, value }: PaxRecord): Buffer {
  const body = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
  // The length counts its own digits.
  let length = body.length + 1;
  while (String(length).length + body.length !== length) length = String(length).length + body.length;
  return Buffer.concat([Buffer.from(String(length)), body]);
}

function checksum(block: Buffer): number {
  let sum = 8 * 0x20; // the checksum's own field counts as spaces
  for (let at = 0; at < TAR_BLOCK_BYTES; at++) if (at < 148 || at >= 156) sum += block[at] as number;
  return sum;
}

function readText(block: Buffer, at: number, bytes: number): string {
  const end = block.indexOf(0, at);
  return block.toString('utf8', at, end < 0 || end > at + bytes ? at + bytes : end);
}

/** Octal text, or GNU's binary form for what does not fit; NaN when it is neither. */
function readNumber(block: Buffer, at: number, bytes: number): number {
  if ((block[at] as number) & 0x80) return Number(block.readBigUInt64BE(at + bytes - 8));
  const text = block
    .toString('latin1', at, at + bytes)
    .replace(/[\0 ]+$/, '')
    .trim();
  return /^[0-7]*$/.test(text) ? Number.parseInt(text || '0', 8) : Number.NaN;
}
