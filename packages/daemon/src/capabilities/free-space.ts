/** What dumpe2fs tells of a disk: which of its bytes its filesystem does not use. Only decides. */

/** Less is not worth a program of its own */
const MIN_HOLE_BYTES = 64 * 1024;
/** The largest so many go; each costs a millisecond or two */
const MAX_HOLES = 4096;

/** In bytes. `free`: no file's; `empty`: of a table, and whatever of it is zeros needs no room on the host */
export type Range = { what: 'free' | 'empty'; offset: number; length: number };

export type FreeSpace = {
  /** It was unmounted, so that its bitmaps tell everything; a guest that was killed leaves a journal to be read first */
  isClean: boolean;
  /** That files and folders take */
  usedBytes: number;
  ranges: Range[];
};

/**
 * Null for what is no filesystem that dumpe2fs has understood. A guest has written what was read: it is wrong at its own
 * cost, since no range lies outside of the disk.
 */
export function readFreeSpace(told: string, diskBytes: number): FreeSpace | null {
  const numberOf = (field: string) => Number(new RegExp(`^${field}: +(\\d+)$`, 'm').exec(told)?.[1] ?? Number.NaN);
  const blockBytes = numberOf('Block size');
  const blocks = numberOf('Block count');
  if (!(blockBytes >= 1024 && blockBytes <= 65_536 && blocks > 0 && blocks * blockBytes <= diskBytes)) return null;
  const features = /^Filesystem features: +(.*)$/m.exec(told)?.[1]?.split(' ') ?? [];
  const isClean = /^Filesystem state: +clean$/m.test(told) && !features.includes('needs_recovery');
  const freeBlocks = [...told.matchAll(/^ {2}(\d+) free blocks, /gm)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
  const toRange = (what: Range['what'], { from, to }: Blocks) => ({
    ...{ what, offset: from * blockBytes, length: (to - from + 1) * blockBytes },
  });
  const free = readBlocks(told, /^ {2}Free blocks: (.+)$/gm, blocks).map((each) => toRange('free', each));
  const tables = readBlocks(told, /^ {2}Inode table at (\d+-\d+)/gm, blocks).map((each) => toRange('empty', each));
  return {
    isClean,
    usedBytes: Math.max(0, blocks - (numberOf('Overhead clusters') || 0) - freeBlocks) * blockBytes,
    ranges: [...largest(free), ...largest(tables)],
  };
}

type Blocks = { from: number; to: number };

/** Those that adjoin are one. */
function readBlocks(told: string, lines: RegExp, blocks: number): Blocks[] {
  const found: Blocks[] = [];
  for (const [, list = ''] of told.matchAll(lines)) {
    for (const entry of list.split(', ')) {
      const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(entry) ?? [];
      const [from, to] = [Number(first), Number(last)];
      if (!(from <= to && to < blocks)) continue;
      const before = found.at(-1);
      if (before && before.to + 1 === from) before.to = to;
      else found.push({ from, to });
    }
  }
  return found;
}

function largest(ranges: Range[]): Range[] {
  const worthwhile = ranges.filter(({ length }) => length >= MIN_HOLE_BYTES);
  return worthwhile.sort((one, other) => other.length - one.length).slice(0, MAX_HOLES);
}
