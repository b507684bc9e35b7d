/** A module as the agent gives it to the kernel: no longer compressed. */
import { readFile } from 'node:fs/promises';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { runConfined } from '../platform/confine.ts';
import type { Task } from '../platform/task.ts';
import { kernelInvalid } from './kernel-invalid.ts';

const MAX_MODULE_BYTES = 64 * 2 ** 20;
const XZ_LIMITS = { memoryBytes: 2 ** 30, outputBytes: MAX_MODULE_BYTES };

/** Throws KERNEL_INVALID for what is damaged. */
export async function unpackModule(task: Task, path: string): Promise<Buffer> {
  try {
    const packed = await readFile(path);
    const content = await unpack(task, path, packed);
    if (content.toString('latin1', 0, 4) === '\x7fELF') return content;
  } catch (fault) {
    task.check();
    throw kernelInvalid(`The module ${path} cannot be unpacked`, fault);
  }
  throw kernelInvalid(`The file ${path} is not a kernel module`);
}

async function unpack(task: Task, path: string, packed: Buffer): Promise<Buffer> {
  const options = { maxOutputLength: MAX_MODULE_BYTES };
  if (path.endsWith('.gz')) return gunzipSync(packed, options);
  if (path.endsWith('.zst')) return zstdDecompressSync(packed, options);
  if (path.endsWith('.xz')) return unpackXz(task, packed);
  return packed;
}

async function unpackXz(task: Task, packed: Buffer): Promise<Buffer> {
  const stdout = new PassThrough();
  const stdin = Readable.from([packed]);
  const [content] = await Promise.all([
    buffer(stdout),
    runConfined(task, ['xz', '--decompress', '--stdout'], { limits: XZ_LIMITS }, { stdin, stdout }).finally(() =>
      stdout.end(),
    ),
  ]);
  return content;
}
