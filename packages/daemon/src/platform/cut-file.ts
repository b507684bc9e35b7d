import { ftruncateSync, readSync, writeSync } from 'node:fs';

/**
 * Keeps the newest `keepBytes` of a file, in place, so that whoever has it open sees it become shorter. It must be open for
 * reading and appending (O_APPEND). Gives its new size.
 */
export function cutToNewest(file: number, sizeBytes: number, keepBytes: number): number {
  const newest = Buffer.alloc(keepBytes);
  const readBytes = readSync(file, newest, 0, keepBytes, sizeBytes - keepBytes);
  ftruncateSync(file, 0);
  return writeSync(file, newest, 0, readBytes);
}
