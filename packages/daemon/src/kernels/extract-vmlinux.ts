/** From whatever a kernel comes as to the uncompressed ELF file that every hypervisor boots. */
import { createWriteStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { formatSize } from '@banger/contract/sizes.ts';
import { type Compression, decompress, isDamage, recogniseCompression } from '../bases/decompress.ts';
import { openRegularFile } from '../platform/regular-file.ts';
import type { Task } from '../platform/task.ts';
import { kernelInvalid } from './kernel-invalid.ts';

const MAX_VMLINUX_BYTES = 1024 * 2 ** 20;
/** Holds a bzImage's setup header */
const START_BYTES = 1024;
/** After a payload of every kind but gzip stands its unpacked size, which the unpackers would take for damage */
const SIZE_FIELD_BYTES = 4;

/** Throws FILE_NOT_FOUND, or KERNEL_INVALID for what is neither a vmlinux nor a bzImage. */
export async function extractVmlinux(task: Task, source: string, target: string): Promise<void> {
  await using file = await openRegularFile(source, kernelInvalid);
  const start = await readBytes(file, 0, START_BYTES);
  if (isElf(start)) return await unpack(task, { file, range: { start: 0 }, compression: 'none', target });
  const payload = findPayload(start);
  if (!payload) throw kernelInvalid(`${source} is neither an uncompressed kernel (vmlinux) nor a bzImage (vmlinuz)`);
  const compression = recogniseCompression(await readBytes(file, payload.offset, 8));
  if (compression === 'none') {
    throw kernelInvalid(`${source} is cut off, or not compressed with gzip, xz, lz4 or zstd`);
  }
  const end = payload.offset + payload.bytes - (compression === 'gzip' ? 0 : SIZE_FIELD_BYTES) - 1;
  try {
    await unpack(task, { file, range: { start: payload.offset, end }, compression, target });
  } catch (fault) {
    if (task.signal.aborted || !isDamage(fault)) throw fault;
    throw kernelInvalid(`${source} is damaged: its payload cannot be unpacked`, fault);
  }
  await using unpacked = await open(target);
  if (!isElf(await readBytes(unpacked, 0, START_BYTES))) throw kernelInvalid(`The payload of ${source} is no ELF file`);
}

/** Where a bzImage's compressed kernel stands in the file; the layout is Documentation/arch/x86/boot.rst's. */
function findPayload(start: Buffer): { offset: number; bytes: number } | null {
  const hasHeader = start.length >= 0x250 && start.toString('latin1', 0x202, 0x206) === 'HdrS';
  if (!hasHeader || start.readUInt16LE(0x206) < 0x208) return null; // older ones do not say
  const setupSectors = start[0x1f1] || 4;
  const offset = (setupSectors + 1) * 512 + start.readUInt32LE(0x248);
  const bytes = start.readUInt32LE(0x24c);
  return bytes > SIZE_FIELD_BYTES ? { offset, bytes } : null;
}

function isElf(start: Buffer): boolean {
  return start.toString('latin1', 0, 4) === '\x7fELF';
}

type Extract = {
  file: FileHandle;
  range: { start: number; end?: number };
  compression: Compression;
  target: string;
};

async function unpack(task: Task, { file, range, compression, target }: Extract): Promise<void> {
  await decompress(task, {
    compression,
    packed: file.createReadStream(range),
    into: createWriteStream(target),
    maxBytes: MAX_VMLINUX_BYTES,
    tooLarge: () => kernelInvalid(`The kernel is larger than ${formatSize(MAX_VMLINUX_BYTES)} when it is unpacked`),
  });
}

async function readBytes(file: FileHandle, at: number, bytes: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, at);
  return buffer.subarray(0, bytesRead);
}
