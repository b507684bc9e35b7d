/** The guest's serial console, as the host recorded it. Hostile bytes: what a terminal would obey is taken out. */
import { statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { cleanLines } from '@banger/contract/clean-text.ts';

const TAIL_BYTES = 64 * 1024;

/** The size of the file before a run: what is in it then is of earlier runs. */
export function consoleBytes(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/**
 * The last lines after `fromBytes`, at most 64 KiB, without control characters; empty when there is no console yet. The
 * file is cut when it grows too long; then all of it is new.
 */
export async function readConsoleTail(path: string, fromBytes: number): Promise<string[]> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    const lengthBytes = Math.min(fromBytes > size ? size : size - fromBytes, TAIL_BYTES);
    const buffer = Buffer.alloc(lengthBytes);
    const { bytesRead } = await file.read(buffer, 0, lengthBytes, size - lengthBytes);
    return cleanLines(buffer.subarray(0, bytesRead).toString('utf8'));
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw fault;
  }
}

/** What made a guest reset itself, by the line in which its kernel or its first process said so. */
export function findReason(lines: readonly string[]): string | null {
  const said = lines.findLast((line) => REASONS.test(line));
  if (said === undefined) return null;
  return /could not be started/.test(said)
    ? "Its image's init could not be started."
    : 'Its kernel or its agent panicked.';
}

const REASONS = /Kernel panic - not syncing|banger-agent: (?:panic|\S+ could not be started)/;
