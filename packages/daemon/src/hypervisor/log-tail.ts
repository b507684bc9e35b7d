/** The end of what a hypervisor has written in one run. */
import { open, stat } from 'node:fs/promises';

const TAIL_BYTES = 4096;

export async function sizeOfLog(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    return 0; // the first run
  }
}

/** At most 4 KiB, of what came after `start`. */
export async function readLogFrom(path: string, start: number): Promise<string> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const from = Math.max(start, size - TAIL_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(TAIL_BYTES), 0, TAIL_BYTES, from);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}
