/** Tars for the tests, entry by entry: what a real tar would need root for, and what no real tar would write. */
import { writePaxHeader } from '@banger/contract/tar/pax.ts';
import { tarEnd, tarPadding, writeTarBlock } from '@banger/contract/tar/tar-block.ts';
import { ATTRIBUTE_PREFIX } from '@banger/contract/tar/tar-head.ts';

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
  return Buffer.concat([...entries.map(sampleEntry), tarEnd()]);
}

export function sampleEntry(entry: SampleEntry): Buffer {
  const { name, type = '0', mode = 0o755, uid = 0, gid = 0, linkName = '', device = [0, 0], content = '' } = entry;
  const sizeBytes = entry.sizeBytes ?? content.length;
  const [deviceMajor, deviceMinor] = device;
  const block = writeTarBlock({ name, type, mode, uid, gid, linkName, sizeBytes, deviceMajor, deviceMinor });
  const attributes = Object.entries(entry.attributes ?? {});
  const records = attributes.map(([key, value]) => ({ key: `${ATTRIBUTE_PREFIX}${key}`, value }));
  const extension = records.length > 0 ? writePaxHeader(records) : Buffer.alloc(0);
  return Buffer.concat([extension, block, Buffer.from(content), tarPadding(content.length)]);
}
