/** Files of the host's: whole or as they were, also after a power cut, and back to what they were when something fails. */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { mkdir, open, rename, rm, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Digest } from '@banger/contract/digest.ts';
import { syncPath } from '../platform/files.ts';

export type Content = { bytes: Buffer; mode: number };

/** Null where no file is. */
export function readPlaced(path: string): Content | null {
  try {
    return { bytes: readFileSync(path), mode: statSync(path).mode & 0o777 };
  } catch (fault) {
    if (['ENOENT', 'ENOTDIR'].includes((fault as NodeJS.ErrnoException).code ?? '')) return null;
    throw fault;
  }
}

/** Null takes it away. Durable when it resolves. */
export async function placeFile(path: string, content: Content | null): Promise<void> {
  const partial = `${path}.banger-partial`;
  if (content === null) {
    for (const each of [path, partial]) await rm(each, { force: true });
    await syncPath(dirname(path)).catch(() => {}); // the folder may be gone too
    return;
  }
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  try {
    await rm(partial, { force: true }); // of an install that was cut off
    const file = await open(partial, 'wx', 0o600);
    try {
      await file.writeFile(content.bytes);
      await file.chmod(content.mode); // whatever the umask
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, path);
  } catch (fault) {
    await rm(partial, { force: true });
    throw fault;
  }
  await syncPath(dirname(path));
}

/** Of ours when nothing else is in it. */
export async function removeEmptyFolder(path: string): Promise<void> {
  await rmdir(path).catch(() => {}); // it is not empty, or not there
}

export function digestOf({ bytes }: Content): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;
}
