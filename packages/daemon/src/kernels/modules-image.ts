/** A kernel's modules as a squashfs file, which the guest mounts at /usr/lib/modules/<release>. */
import { PassThrough } from 'node:stream';
import { writeSquashfs } from '../bases/squashfs.ts';
import { runConfined } from '../platform/confine.ts';
import type { Task } from '../platform/task.ts';

const TAR_OPTIONS =
  '--create --format=pax --sort=name --mtime=@0 --pax-option=delete=atime,delete=ctime --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX'.split(
    ' ',
  );

export async function writeModulesImage(task: Task, modulesFolder: string, path: string): Promise<void> {
  const tar = new PassThrough();
  const stop = new AbortController();
  const parts = task.withSignal(stop.signal);
  const endBoth = (fault: Error) => {
    stop.abort();
    tar.destroy(fault);
    throw fault;
  };
  tar.on('error', () => {}); // whoever broke it is the one that reports
  const [read, written] = await Promise.allSettled([
    runConfined(
      parts,
      ['tar', ...TAR_OPTIONS, '.'],
      { readable: [modulesFolder] },
      { stdout: tar, cwd: modulesFolder },
    ).catch(endBoth),
    writeSquashfs(parts, tar, path).catch(endBoth),
  ]);
  task.check();
  if (written.status === 'rejected' && !stop.signal.aborted) throw written.reason;
  if (read.status === 'rejected') throw read.reason;
  if (written.status === 'rejected') throw written.reason;
}
