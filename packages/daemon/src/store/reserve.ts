/**
 * Room for the state on a full disk: a few files that hold nothing, and are given up when a record has to be written.
 *
 * Guests, images and logs usually share the disk with the state. When they have filled it, what frees space must still
 * be recorded, and a daemon must still come up: its database, its sockets and its log each need some blocks and an inode.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FILES = 8;
const FILE_BYTES = 256 * 1024;
/** With less than this a daemon begins by giving the reserve up */
const LOW_BYTES = 1024 * 1024;
const LOW_INODES = 16;
/** The reserve is laid down only where as much again stays free */
const COMFORTABLE_BYTES = 64 * 1024 * 1024;

export type Reserve = ReturnType<typeof createReserve>;

export function createReserve(folder: string) {
  return { fill, release, releaseWhenLow, isFull };

  /** Lays down what is missing, where there is room enough. Random, since a filesystem may pack what is not. */
  function fill(): void {
    const { bavail, bsize } = statfsSync(join(folder, '..'));
    if (isFull() || bavail * bsize < COMFORTABLE_BYTES) return;
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      for (let index = 0; index < FILES; index++) {
        writeFileSync(join(folder, String(index)), randomBytes(FILE_BYTES), { mode: 0o600 });
      }
    } catch (fault) {
      release(); // a half of it would look whole
      throw fault;
    }
  }

  /** Whether there was something to give up. */
  function release(): boolean {
    const names = list();
    for (const name of names) rmSync(join(folder, name), { force: true });
    return names.length > 0;
  }

  function releaseWhenLow(): void {
    const { bavail, bsize, files, ffree } = statfsSync(join(folder, '..'));
    const hasFewInodes = files > 0 && ffree < LOW_INODES; // some filesystems do not count them
    if (bavail * bsize < LOW_BYTES || hasFewInodes) release();
  }

  function isFull(): boolean {
    return list().length >= FILES;
  }

  function list(): string[] {
    try {
      return readdirSync(folder);
    } catch {
      return []; // there is none yet
    }
  }
}
