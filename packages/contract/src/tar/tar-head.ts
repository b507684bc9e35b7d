/** What stands before an entry's content: its block, with an extended header where the block has no room. */
import { bytesOfText, concatBytes } from '../byte-text.ts';
import { formatPaxTime, type PaxRecord, writePaxHeader } from './pax.ts';
import { fitsTarBlock, writeTarBlock } from './tar-block.ts';

export type TarType =
  | 'file'
  | 'directory'
  | 'symlink'
  | 'hardlink'
  | 'pipe'
  | 'character device'
  | 'block device'
  | 'special';

export type TarHead = {
  name: string;
  type: Exclude<TarType, 'special'>;
  mode: number;
  mtimeNs: bigint;
  /** Root's, unless it is said */
  uid?: number;
  gid?: number;
  /** Of symlinks and hardlinks */
  target?: string;
  device?: TarDevice;
  /** Extended attributes, by their names */
  attributes?: readonly PaxRecord[];
  /** Of what follows: a file's content, or, for one with holes, the map and the pieces */
  sizeBytes?: number;
  /** For a file with holes: its size when it is unpacked */
  sparseBytes?: number;
};

export type TarDevice = { major: number; minor: number };

/** Before the name of an extended attribute, in the key of its record */
export const ATTRIBUTE_PREFIX = 'SCHILY.xattr.';

const FLAG: Record<TarHead['type'], string> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  'character device': '3',
  'block device': '4',
  directory: '5',
  pipe: '6',
};
const NANOSECONDS = 1_000_000_000n;

export function writeTarHead(head: TarHead): Uint8Array {
  const { type, mode, mtimeNs, uid = 0, gid = 0, target = '', device, attributes = [], sizeBytes = 0 } = head;
  const { sparseBytes } = head;
  const name = type === 'directory' ? `${head.name}/` : head.name;
  const isWholeSecond = mtimeNs >= 0n && mtimeNs % NANOSECONDS === 0n;
  const records: PaxRecord[] = [];
  const add = (key: string, value: string) => records.push({ key, value: bytesOfText(value) });
  if (sparseBytes !== undefined) {
    add('GNU.sparse.major', '1');
    add('GNU.sparse.minor', '0');
    add('GNU.sparse.name', name);
    add('GNU.sparse.realsize', String(sparseBytes));
  } else if (!fitsTarBlock(name)) add('path', name);
  if (!fitsTarBlock(target)) add('linkpath', target);
  if (!isWholeSecond) add('mtime', formatPaxTime(mtimeNs));
  for (const { key, value } of attributes) records.push({ key: `${ATTRIBUTE_PREFIX}${key}`, value });
  const block = writeTarBlock({
    name: sparseBytes === undefined ? name : 'GNUSparseFile.0/file',
    type: FLAG[type],
    mode,
    uid,
    gid,
    ...(device && { deviceMajor: device.major, deviceMinor: device.minor }),
    sizeBytes,
    mtimeSeconds: isWholeSecond ? Number(mtimeNs / NANOSECONDS) : 0,
    linkName: target,
  });
  return records.length === 0 ? block : concatBytes([writePaxHeader(records), block]);
}
