/** A filesystem of its own for a home's state and for the disks of its vms, that a test can fill or make read-only. */
import { execFileSync, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Home } from './banger-home.ts';

/** Little more than a new vm's disk asks for */
const SIZE_MIB = 290;

export type SmallDisk = NonNullable<ReturnType<typeof mountSmallDisk>>;

export type SmallDiskOptions = { inodes?: number; sizeMib?: number };

/** Null where this host lets nobody mount. Call before the home's first command. */
export function mountSmallDisk(home: Home, { inodes = 0, sizeMib = SIZE_MIB }: SmallDiskOptions = {}) {
  const folder = join(home.folder, 'small');
  mkdirSync(folder);
  const limits = `size=${sizeMib}M,mode=0700${inodes > 0 ? `,nr_inodes=${inodes}` : ''}`;
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', limits, 'tmpfs', folder]).status !== 0) return null;
  const binds = [
    [join(folder, 'state'), home.paths.state],
    [join(folder, 'vms'), join(home.paths.data, 'vms')],
  ] as const;
  for (const [own, shown] of binds) {
    mkdirSync(shown, { recursive: true, mode: 0o700 });
    cpSync(shown, own, { recursive: true });
    mkdirSync(own, { recursive: true, mode: 0o700 });
    execFileSync('mount', ['--bind', own, shown]);
  }
  return { folder, takeBlocks, takeInodes, free, setReadOnly, unmount };

  /** To the last block, or all but some bytes; may be called again when something made room. */
  function takeBlocks({ exceptBytes = 0 } = {}): void {
    const path = join(folder, 'taken');
    untilTaken(
      () => {
        const { bavail, bsize } = statfsSync(folder);
        return bavail * bsize - exceptBytes;
      },
      (bytes) => {
        const takenBytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
        execFileSync('fallocate', ['-o', String(takenBytes), '-l', String(bytes), path], { stdio: 'ignore' });
      },
    );
  }

  /** To the last inode; likewise. */
  function takeInodes(): void {
    untilTaken(
      () => statfsSync(folder).ffree,
      (count) => {
        for (let left = count; left > 0; left--) closeSync(openSync(join(folder, `taken-${randomUUID()}`), 'w'));
      },
    );
  }

  function free(): void {
    for (const name of readdirSync(folder)) if (name.startsWith('taken')) rmSync(join(folder, name));
  }

  /** Refused by the kernel while a file is open for writing. */
  function setReadOnly(isReadOnly: boolean): void {
    execFileSync('mount', ['-o', `remount,${isReadOnly ? 'ro' : 'rw'}`, folder]);
  }

  function unmount(): void {
    for (const path of [...binds.map(([, shown]) => shown), folder]) execFileSync('umount', ['--lazy', path]);
  }
}

/** Others write there too: what was left a moment ago may be less by now. Throws when it is never all taken. */
function untilTaken(left: () => number, take: (amount: number) => void): void {
  let cause: unknown;
  for (let amount = left(), tries = 100; amount > 0; amount = left(), tries--) {
    if (tries === 0) throw new Error('the disk could not be filled', { cause });
    try {
      take(amount);
    } catch (fault) {
      cause = fault;
    }
  }
}

export function mayMount(folder: string): boolean {
  if (spawnSync('mount', ['--bind', folder, folder]).status !== 0) return false;
  execFileSync('umount', ['--lazy', folder]);
  return true;
}

export const OBSTACLES = ['full', 'without inodes', 'read-only'] as const;
export type Obstacle = (typeof OBSTACLES)[number];

/**
 * A filesystem of its own over a folder that takes no writes, with what was in there or, `isEmpty`, without it: what is
 * done there meanwhile comes to nothing. Throws where `mayMount` says no.
 */
export function mountObstacle(over: string, obstacle: Obstacle, { isEmpty = false } = {}) {
  mkdirSync(over, { recursive: true, mode: 0o700 });
  const before = mkdtempSync(join(tmpdir(), 'banger-before-'));
  execFileSync('mount', ['--bind', over, before]);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1G,mode=0700', 'tmpfs', over]);
  if (!isEmpty) execFileSync('cp', ['-a', '--sparse=always', `${before}/.`, over]);
  if (obstacle === 'full') writeFileSync(join(over, 'taken'), 'a filesystem without any block has no limit');
  const { blocks, bfree, bsize, files, ffree } = statfsSync(over);
  const limits = {
    full: `size=${(blocks - bfree) * bsize}`,
    'without inodes': `nr_inodes=${files - ffree}`,
    'read-only': 'ro',
  };
  execFileSync('mount', ['-o', `remount,${limits[obstacle]}`, over]);
  return { had: list(), list, unmount };

  function list(): string[] {
    return readdirSync(over, { recursive: true, encoding: 'utf8' }).sort();
  }

  function unmount(): void {
    for (const path of [over, before]) execFileSync('umount', ['--lazy', path]);
    rmdirSync(before);
  }
}
