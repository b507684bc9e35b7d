/**
 * Gives the host back what the guest has deleted, for a disk that its driver did not do that for while it ran.
 *
 * dumpe2fs reads a guest's bytes behind walls and may change nothing. What it says is free becomes holes in the file, and
 * nothing else of it is written: cut off at any moment, the disk holds what it held. Nobody else may use it meanwhile.
 */
import { Readable } from 'node:stream';
import { runConfined } from '../platform/confine.ts';
import { allocatedBytes, sizeOfFile } from '../platform/files.ts';
import { killProcess, listProcesses } from '../platform/processes.ts';
import { ProcessFailure } from '../platform/run-process.ts';
import type { Task } from '../platform/task.ts';
import { findWallObstacle } from '../platform/walls.ts';
import { type FreeSpace, type Range, readFreeSpace } from './free-space.ts';

// Not SCHED_IDLE or the idle class: on a busy host one that is told to end would not, and the next start waits for that.
const CALMLY = 'nice -n 19 ionice -c 2 -n 7'.split(' ');
const PUNCH = [...CALMLY, 'xargs', '-L', '1', 'fallocate'];
const LIMITS = { cpuSeconds: 120, memoryBytes: 2 ** 30, outputBytes: 8 * 2 ** 20 };
/** What a filesystem takes of the host for itself is not known so exactly */
const WORTH_TELLING_BYTES = 64 * 2 ** 20;

/** How many bytes the host has again; why nothing was tried, in words, where it was not. Throws what `runConfined` throws. */
export async function giveBack(task: Task, disk: string): Promise<{ bytes: number } | { obstacle: string }> {
  const obstacle = await findWallObstacle(task);
  if (obstacle) return { obstacle: `this host has no walls for what reads disks: ${obstacle}` };
  const before = await allocatedBytes(disk);
  const space = await examine(task, disk);
  if (space === null) return { obstacle: 'there is no ext4 on it that can be read' };
  if (!space.isClean) return { obstacle: 'it was not shut down' };
  if (space.ranges.length > 0) await punch(task, disk, space.ranges);
  return { bytes: Math.max(0, before - (await allocatedBytes(disk))) };
}

/** About what `giveBack` would give after a shutdown, in bytes, by disk; without those where it is little or cannot be said. */
export async function estimateGiveBack(task: Task, disks: readonly string[]): Promise<Map<string, number>> {
  const estimates = new Map<string, number>();
  if (disks.length === 0 || (await findWallObstacle(task)) !== null) return estimates;
  for (const disk of disks) {
    const taken = await allocatedBytes(disk);
    if (taken < WORTH_TELLING_BYTES) continue;
    const bytes = taken - ((await examine(task, disk).catch(() => null))?.usedBytes ?? taken);
    if (bytes >= WORTH_TELLING_BYTES) estimates.set(disk, bytes);
  }
  return estimates;
}

/** Ends what is still at these disks after its daemon was killed, or after it was stuck. Throws PROCESS_STUCK. */
export async function endGivingBack(disks: ReadonlySet<string>): Promise<void> {
  for (;;) {
    const found = listProcesses(({ argv }) => disks.has(argv[argv.lastIndexOf('fallocate') + 1] ?? ''));
    if (found.length === 0) return;
    await Promise.all(found.map(killProcess));
  }
}

/** Null for what dumpe2fs does not understand, or what ends it. */
async function examine(task: Task, disk: string): Promise<FreeSpace | null> {
  try {
    const words = [...CALMLY, 'dumpe2fs', disk];
    const { stdout } = await runConfined(task, words, { readable: [disk], limits: LIMITS });
    return readFreeSpace(stdout, sizeOfFile(disk));
  } catch (fault) {
    if (fault instanceof ProcessFailure) return null;
    throw fault;
  }
}

/** The disk is named first: a line of its own makes the rest of the words. */
async function punch(task: Task, disk: string, ranges: readonly Range[]): Promise<void> {
  const words = { free: '--punch-hole', empty: '--dig-holes' };
  const lines = ranges.map(({ what, offset, length }) => `${words[what]} --offset ${offset} --length ${length}\n`);
  const limits = { ...LIMITS, fileBytes: sizeOfFile(disk) };
  await runConfined(task, [...PUNCH, disk], { writable: [disk], limits }, { stdin: Readable.from(lines) });
}
