/** What a file or a folder takes: blocks, not lengths, each inode once. */
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

export async function allocatedBytesOf(path: string, seen = new Set<string>()): Promise<number> {
  try {
    const found = await lstat(path, { bigint: true });
    const inode = `${found.dev} ${found.ino}`;
    if (seen.has(inode)) return 0;
    seen.add(inode);
    let bytes = Number(found.blocks) * 512;
    if (found.isDirectory()) {
      for (const name of await readdir(path)) bytes += await allocatedBytesOf(join(path, name), seen);
    }
    return bytes;
  } catch (fault) {
    if (isGoneOrClosed(fault)) return 0;
    throw fault;
  }
}

/** It was removed meanwhile, or belongs to a user of an image that is being built. */
function isGoneOrClosed(fault: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EACCES'].includes((fault as NodeJS.ErrnoException).code ?? '');
}
