/** A few small files as a whole tar, owned by root. */
import { concatBytes } from '../byte-text.ts';
import { tarEnd, tarPadding } from './tar-block.ts';
import { writeTarHead } from './tar-head.ts';

export type PackedEntry =
  /** Paths are relative to the folder that it is unpacked in */
  { is: 'folder'; path: string; mode: number } | { is: 'file'; path: string; mode: number; content: Uint8Array };

export function packTar(entries: readonly PackedEntry[], now: Date): Uint8Array {
  const mtimeNs = BigInt(now.getTime()) * 1_000_000n;
  return concatBytes([...entries.flatMap((entry) => packEntry(entry, mtimeNs)), tarEnd()]);
}

function packEntry(entry: PackedEntry, mtimeNs: bigint): Uint8Array[] {
  const { path, mode } = entry;
  if (entry.is === 'folder') return [writeTarHead({ name: path, type: 'directory', mode, mtimeNs })];
  const sizeBytes = entry.content.length;
  return [writeTarHead({ name: path, type: 'file', mode, mtimeNs, sizeBytes }), entry.content, tarPadding(sizeBytes)];
}
