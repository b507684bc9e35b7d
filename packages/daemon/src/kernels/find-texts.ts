/** Where texts stand in a large file, without reading it as a whole or keeping the daemon from its other work. */
import type { FileHandle } from 'node:fs/promises';
import type { Task } from '../platform/task.ts';

const WINDOW_BYTES = 2 ** 20;
/** Of one text; a file that repeats it a million times is not searched for more */
const MAX_PLACES = 64;

/** The offsets of each text that is there, ascending, at most 64 of them. The texts are ASCII. */
export async function findTexts(
  task: Task,
  file: FileHandle,
  texts: readonly string[],
): Promise<Map<string, number[]>> {
  const overlapBytes = Math.max(...texts.map((text) => text.length)) - 1;
  const found = new Map<string, number[]>();
  const window = Buffer.alloc(WINDOW_BYTES + overlapBytes);
  for (let windowAt = 0; ; windowAt += WINDOW_BYTES) {
    task.check();
    const { bytesRead } = await file.read(window, 0, window.length, windowAt);
    for (const text of texts) {
      const places = findIn(window.subarray(0, bytesRead), text, MAX_PLACES - (found.get(text)?.length ?? 0));
      // What begins in the overlap is found again in the next window.
      const own = places.filter((at) => at < WINDOW_BYTES).map((at) => windowAt + at);
      if (own.length > 0) found.set(text, [...(found.get(text) ?? []), ...own]);
    }
    if (bytesRead < window.length) return found;
  }
}

function findIn(window: Buffer, text: string, most: number): number[] {
  const places: number[] = [];
  for (let at = window.indexOf(text, 0, 'latin1'); at >= 0 && places.length < most; ) {
    places.push(at);
    at = window.indexOf(text, at + 1, 'latin1');
  }
  return places;
}
