/** Tars for the tests, entry by entry: what a real tar would need root for, and what no real tar would write. */
import { TAR_BLOCK_BYTES, writePaxHeader } from './tar-headers.ts';

type SampleEntry = {
  name: string;
  /** As in the tar format; a regular file unless said */
  type?: string;
  mode?: number;
  uid?: number;
  gid?: number;
  linkName?: string;
  device?: [major: number, minor: number];
  content?: string;
  /** Instead of the content's length */
  sizeBytes?: number;
  /** Extended attributes */
  attributes?: Record<string, Buffer>;
};

export function sampleTar(...entries: SampleEntry[]): Buffer {
  return Buffer.concat([...entries.map(sampleEntry), Buffer.alloc(2 * TAR_BLOCK_BYTES)]);
}

export function sampleEntry(entry: SampleEntry): Buffer {
  const { name, type = '0', mode = 0o755, uid = 0, gid = 0, linkName = '', device = [0, 0], content = '' } = entry;
  const block = Buffer.alloc(TAR_BLOCK_BYTES);
  const octal = (value: number, at: number, digits: number) =>
    block.write(`${value.toString(8).padStart(digits, '0')}\0`, at, 'latin1');
  block.write(name, 0, 'latin1');
  octal(mode, 100, 7);
  octal(uid, 108, 7);
  octal(gid, 116, 7);
  writeSize(block, entry.sizeBytes ?? content.length);
  octal(0, 136, 11);
  block.write(type + linkName, 156, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  octal(device[0], 329, 7);
  octal(device[1], 337, 7);
  const sum = block.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  const attributes = Object.entries(entry.attributes ?? {});
  const records = attributes.map(([key, value]) => ({ key: `SCHILY.xattr.${key}`, value }));
  const padding = Buffer.alloc((TAR_BLOCK_BYTES - (content.length % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES);
  return Buffer.concat([...(records.length ? [writePaxHeader(records)] : []), block, Buffer.from(content), padding]);
}

function writeSize(block: Buffer, sizeBytes: number): void {
  if (sizeBytes < 8 ** 11) {
    block.write(`${sizeBytes.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
    return;
  }
  block.writeBigUInt64BE(BigInt(sizeBytes), 128);
  block[124] = 0x80;
}
