/** A tar stream becomes a squashfs file: owners, modes, devices and extended attributes as the tar says. */
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import type { Readable } from 'node:stream';
import { BangerError } from '@banger/contract/errors.ts';
import { runConfined } from '../platform/confine.ts';
import { noSpaceLeft } from '../platform/disk-full.ts';
import { isNoSpace } from '../platform/files.ts';
import { ProcessFailure } from '../platform/run-process.ts';
import type { Task } from '../platform/task.ts';

const OPTIONS = '--force --quiet --no-skip --compressor lz4 --defaults uid=0,gid=0,mode=0755,mtime=0'.split(' ');

/** Each takes memory of its own, and no disk keeps up with more */
const MAX_JOBS = 16;
const LIMITS = { cpuSeconds: 3600, memoryBytes: 8 * 2 ** 30, fileBytes: 2 ** 36, growthBytes: 2 ** 36 };

/** The same tar gives the same file. Throws IMAGE_INVALID for what tar2sqfs does not take. */
export async function writeSquashfs(task: Task, tar: Readable, path: string): Promise<void> {
  try {
    const jobs = Math.min(availableParallelism(), MAX_JOBS);
    await writeFile(path, ''); // it is given this one file, and no folder
    await runConfined(
      task,
      ['tar2sqfs', ...OPTIONS, '--num-jobs', String(jobs), path],
      { writable: [path], limits: LIMITS },
      { stdin: tar },
    );
  } catch (fault) {
    if (!(fault instanceof ProcessFailure)) throw fault;
    if (isOutOfSpace(fault)) throw noSpaceLeft(fault);
    throw new BangerError('IMAGE_INVALID', {
      message: `The tar cannot be turned into a filesystem: ${lastLine(fault.stderr) || fault.message}.`,
      hint: 'Make it anew with "tar --numeric-owner --xattrs -c" at the top of the root filesystem.',
      cause: fault,
    });
  }
}

// tar2sqfs says no more than "I/O error" when it cannot write, and removes what it has written. Its input is a pipe, and
// we kill it when that breaks, so reading is never what failed.
function isOutOfSpace({ stderr }: ProcessFailure): boolean {
  return isNoSpace(stderr) || stderr.includes('I/O error');
}

function lastLine(text: string): string {
  return (text.trim().split('\n').at(-1) ?? '').replace(/\.$/, '');
}
