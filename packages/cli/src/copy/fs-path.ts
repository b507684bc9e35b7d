/** A path as Node's fs takes it: bytes where it is not UTF-8, which a string would not keep. */
import type { Stats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { bytesOfText } from '@banger/contract/byte-text.ts';

export function fsPath(path: string): string | Buffer {
  return path.isWellFormed() ? path : Buffer.from(bytesOfText(path));
}

/** Of the path itself, also when it is a link; null when nothing is there. */
export async function lstatOrNull(path: string): Promise<Stats | null> {
  return lstat(fsPath(path)).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return null;
    throw cause;
  });
}
