/** A module as the agent gives it to the kernel: no longer compressed. */
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { formatSize } from '@banger/contract/sizes.ts';
import { decompress, recogniseCompression } from '../bases/decompress.ts';
import { readRegularFile } from '../platform/regular-file.ts';
import type { Task } from '../platform/task.ts';
import { kernelInvalid } from './kernel-invalid.ts';

const MAX_MODULE_BYTES = 64 * 2 ** 20;

/** Throws KERNEL_INVALID for what is damaged, or no module. */
export async function unpackModule(task: Task, path: string): Promise<Buffer> {
  const packed = await readRegularFile(path, MAX_MODULE_BYTES, kernelInvalid);
  const content = await unpack(task, path, packed);
  if (content.toString('latin1', 0, 4) === '\x7fELF') return content;
  throw kernelInvalid(`The file ${path} is not a kernel module`);
}

async function unpack(task: Task, path: string, packed: Buffer): Promise<Buffer> {
  const into = new PassThrough();
  const tooLarge = () => kernelInvalid(`The module ${path} is larger than ${formatSize(MAX_MODULE_BYTES)}`);
  const unpacking = {
    ...{ compression: recogniseCompression(packed), packed: Readable.from([packed]) },
    ...{ into, maxBytes: MAX_MODULE_BYTES, tooLarge },
  };
  try {
    const content = buffer(into);
    content.catch(() => {}); // it is cut off where unpacking fails, which tells why
    await decompress(task, unpacking);
    return await content;
  } catch (fault) {
    task.check();
    throw kernelInvalid(`The module ${path} cannot be unpacked`, fault);
  }
}
