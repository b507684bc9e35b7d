/** The guest's serial console, as the host recorded it. Hostile bytes: what a terminal would obey is taken out. */
import { open } from 'node:fs/promises';
import { cleanLines } from '@banger/contract/clean-text.ts';

const TAIL_BYTES = 64 * 1024;

/** The last lines, at most 64 KiB, without control characters; empty when there is no console yet. */
export async function readConsoleTail(path: string): Promise<string[]> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, Math.max(0, size - TAIL_BYTES));
    return cleanLines(buffer.subarray(0, bytesRead).toString('utf8'));
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw fault;
  }
}

/** The line in which a kernel, or an agent that was PID 1, said that it cannot go on; a reset follows it. */
export function findPanic(lines: readonly string[]): string | null {
  return lines.find((line) => /Kernel panic - not syncing|banger-agent: panic/.test(line)) ?? null;
}
