/** A kernel's modules as a squashfs file, which the guest mounts at /usr/lib/modules/<release>. */
import { PassThrough } from 'node:stream';
import { writeSquashfs } from '../bases/squashfs.ts';
import { runConfined } from '../platform/confine.ts';
import type { Task } from '../platform/task.ts';
import { together } from '../platform/together.ts';

const TAR_OPTIONS =
  '--create --format=pax --sort=name --mtime=@0 --pax-option=delete=atime,delete=ctime --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX'.split(
    ' ',
  );

export async function writeModulesImage(task: Task, modulesFolder: string, path: string): Promise<void> {
  const tar = new PassThrough();
  await together(task, [
    (own) => {
      const streams = { stdout: tar, cwd: modulesFolder };
      return runConfined(own, ['tar', ...TAR_OPTIONS, '.'], { readable: [modulesFolder] }, streams);
    },
    (own) => writeSquashfs(own, tar, path),
  ]);
}
