/** From whatever a kernel comes as to the uncompressed ELF file that every hypervisor boots. */
import { createReadStream, createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { BangerError } from '@banger/contract/errors.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { runConfined } from '../platform/confine.ts';
import { ProcessFailure } from '../platform/run-process.ts';
import type { Task } from '../platform/task.ts';
import { kernelInvalid } from './kernel-invalid.ts';

const MAX_VMLINUX_BYTES = 1024 * 2 ** 20;
/** Holds a bzImage's setup header */
const START_BYTES = 1024;
/** After a payload of these kinds stands its unpacked size, which the unpackers would take for damage */
const SIZE_FIELD_BYTES = 4;

/** More than `limit` lets through, which says why */
const UNPACK_LIMITS = { memoryBytes: 2 ** 30, outputBytes: 2 * MAX_VMLINUX_BYTES };

type Unpacker = { magic: string; tailBytes: number; argv?: string[]; stream?: () => Transform };

const UNPACKERS: Unpacker[] = [
  { magic: '1f8b', tailBytes: 0, stream: createGunzip },
  { magic: '28b52ffd', tailBytes: SIZE_FIELD_BYTES, stream: createZstdDecompress },
  { magic: 'fd377a585a00', tailBytes: SIZE_FIELD_BYTES, argv: ['xz', '--decompress', '--stdout'] },
  { magic: '02214c18', tailBytes: SIZE_FIELD_BYTES, argv: ['lz4', '--decompress', '--stdout'] },
];

/** Throws FILE_NOT_FOUND, or KERNEL_INVALID for what is neither a vmlinux nor a bzImage. */
export async function extractVmlinux(task: Task, source: string, target: string): Promise<void> {
  const start = await readBytes(source, 0, START_BYTES);
  if (isElf(start)) {
    await pipeline(createReadStream(source), limit(), createWriteStream(target), { signal: task.signal });
    return;
  }
  const payload = findPayload(start);
  if (!payload) throw kernelInvalid(`${source} is neither an uncompressed kernel (vmlinux) nor a bzImage (vmlinuz)`);
  const magic = (await readBytes(source, payload.offset, 8)).toString('hex');
  const unpacker = UNPACKERS.find((candidate) => magic.startsWith(candidate.magic));
  if (!unpacker) throw kernelInvalid(`${source} is cut off, or not compressed with gzip, xz, lz4 or zstd`);
  const end = payload.offset + payload.bytes - unpacker.tailBytes - 1;
  try {
    await unpack(task, createReadStream(source, { start: payload.offset, end }), unpacker, target);
  } catch (fault) {
    if (task.signal.aborted || !isDamage(fault)) throw fault;
    throw kernelInvalid(`${source} is damaged: its payload cannot be unpacked`, fault);
  }
  if (!isElf(await readBytes(target, 0, START_BYTES))) throw kernelInvalid(`The payload of ${source} is no ELF file`);
}

/** Where a bzImage's compressed kernel stands in the file; the layout is Documentation/arch/x86/boot.rst's. */
export function findPayload(start: Buffer): { offset: number; bytes: number } | null {
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

async function unpack(task: Task, packed: Readable, { argv, stream }: Unpacker, target: string): Promise<void> {
  if (stream) {
    await pipeline(packed, stream(), limit(), createWriteStream(target), { signal: task.signal });
    return;
  }
  const bounded = limit();
  const written = pipeline(bounded, createWriteStream(target), { signal: task.signal });
  const [ran, wrote] = await Promise.allSettled([
    runConfined(task, argv as string[], { limits: UNPACK_LIMITS }, { stdin: packed, stdout: bounded }).catch(
      (fault) => {
        bounded.destroy(fault);
        throw fault;
      },
    ),
    written,
  ]);
  if (wrote.status === 'rejected') throw wrote.reason;
  if (ran.status === 'rejected') throw ran.reason;
}

function limit(): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes <= MAX_VMLINUX_BYTES) done(null, chunk);
      else done(kernelInvalid(`The kernel is larger than ${formatSize(MAX_VMLINUX_BYTES)} when it is unpacked`));
    },
  });
}

function isDamage(fault: unknown): boolean {
  if (fault instanceof ProcessFailure) return true;
  return /^(?:Z_|ZSTD_|ERR_ZSTD|ERR_ZLIB|ERR_OUT_OF_RANGE)/.test((fault as NodeJS.ErrnoException).code ?? '');
}

async function readBytes(path: string, at: number, bytes: number): Promise<Buffer> {
  try {
    await using file = await open(path, 'r');
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, at);
    return buffer.subarray(0, bytesRead);
  } catch (cause) {
    throw new BangerError('FILE_NOT_FOUND', { message: `${path} cannot be read: ${(cause as Error).message}.`, cause });
  }
}
