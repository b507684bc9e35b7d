/**
 * Names of files that are not whole yet, and the end of those that a killed copy left. A name says whose it is: boot, pid
 * namespace, process and its start. Those of another boot or namespace may be in use on another host that has the same
 * folder, so they go only when they are old.
 */
import { readdir, readFile, readlink, rm } from 'node:fs/promises';
import { fsPath, lstatOrNull } from './fs-path.ts';

const NAME = /^\.banger-copy-([0-9a-f]{8}-\d+)-(\d+)-(\d+)-\d+$/;
const OLD_MS = 24 * 3_600_000;

export type Temporaries = {
  /** A new name beside the file that it will become */
  beside: (path: string) => string;
  /** Removes what copies that have ended left in the folder. */
  sweep: (folder: string) => Promise<void>;
};

export async function createTemporaries(now: () => number = Date.now): Promise<Temporaries> {
  const world = await worldOf();
  const own = `.banger-copy-${world}-${process.pid}-${await startOf('self')}`;
  let made = 0;
  return { beside: (path) => `${path.slice(0, path.lastIndexOf('/'))}/${own}-${made++}`, sweep };

  async function sweep(folder: string): Promise<void> {
    for (const name of await readdir(fsPath(folder))) {
      const [, itsWorld, pid, start] = NAME.exec(name) ?? [];
      if (itsWorld === undefined || pid === undefined) continue;
      const path = `${folder}/${name}`;
      const hasEnded = itsWorld === world ? (await startOf(pid)) !== start : await isOld(path);
      if (hasEnded) await rm(fsPath(path), { force: true });
    }
  }

  async function isOld(path: string): Promise<boolean> {
    const found = await lstatOrNull(path);
    return found !== null && now() - found.ctimeMs > OLD_MS;
  }
}

async function worldOf(): Promise<string> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
  const namespace = /\d+/.exec(await readlink('/proc/self/ns/pid'))?.[0];
  return `${boot.slice(0, 8)}-${namespace}`;
}

/** In clock ticks since the boot; null when there is no such process. */
async function startOf(pid: string): Promise<string | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => null);
  // The name of the program, in brackets, may have blanks in it.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}
