/** Small programs and archives that a release could be, for tests. */

import { gzipSync } from 'node:zlib';
import { tarEnd, tarPadding } from '@banger/contract/tar/tar-block.ts';
import { writeTarHead } from '@banger/contract/tar/tar-head.ts';

export const PROGRAM_ENTRY = 'release-v1.16.1-x86_64/firecracker-v1.16.1-x86_64';

/** An ELF program that prints this and ends, without any library. */
export function sampleProgram(says = 'Firecracker v1.16.1\n'): Buffer {
  const text = Buffer.from(says);
  // write(1, text, length), exit(0); the text comes right behind.
  const code = Buffer.from('bf01000000488d3515000000ba00000000b8010000000f05b83c00000031ff0f05', 'hex');
  code.writeUInt32LE(text.length, 13);
  const head = Buffer.alloc(64 + 56);
  const whole = head.length + code.length + text.length;
  head.write('7f454c46020101', 'hex');
  for (const [at, value] of [
    [16, 2],
    [18, 62],
    [52, 64],
    [54, 56],
    [56, 1],
  ] as const)
    head.writeUInt16LE(value, at);
  for (const [at, value] of [
    [20, 1],
    [64, 1],
    [68, 5],
  ] as const)
    head.writeUInt32LE(value, at);
  for (const [at, value] of [
    [24, 0x400078],
    [32, 64],
    [80, 0x400000],
    [88, 0x400000],
    [96, whole],
    [104, whole],
    [112, 4096],
  ] as const) {
    head.writeBigUInt64LE(BigInt(value), at);
  }
  return Buffer.concat([head, code, text]);
}

type Entry = { name: string; content?: Buffer; type?: 'file' | 'symlink' };

/** As a project packs it: the program among other files. */
export function sampleArchive(entries: Entry[] = [{ name: PROGRAM_ENTRY, content: sampleProgram() }]): Buffer {
  const around = { name: 'release-v1.16.1-x86_64/LICENSE', content: Buffer.from('may be used') };
  const parts = [around, ...entries, { ...around, name: 'release-v1.16.1-x86_64/NOTICE' }].flatMap(writeEntry);
  return gzipSync(Buffer.concat([...parts, tarEnd(), Buffer.alloc(8192)]));
}

function writeEntry({ name, content = Buffer.alloc(0), type = 'file' }: Entry): Uint8Array[] {
  const head = writeTarHead({ name, type, mode: 0o755, mtimeNs: 0n, sizeBytes: content.length, target: '/bin/true' });
  return [head, content, tarPadding(content.length)];
}
