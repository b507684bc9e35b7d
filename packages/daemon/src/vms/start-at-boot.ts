/** Starts what is to start with the host: once a boot, so that what was stopped since stays stopped when the daemon restarts. */
import { readSmallFile, writeWhereChanged } from '../platform/files.ts';
import type { Log } from '../platform/log.ts';
import type { VmRecord } from '../store/records/vms.ts';

type AtBoot = {
  /** The oldest first */
  list: () => VmRecord[];
  /** Gives null where it fails, which is told elsewhere too */
  start: (name: string) => Promise<unknown>;
  /** The file that tells at which boot this was done last */
  markPath: string;
  bootId: string;
  signal: AbortSignal;
  log: Log;
};

/** One after the other: a machine may need one that is older. One that does not start keeps no other from starting. */
export async function startAtBoot({ list, start, markPath, bootId, signal, log }: AtBoot): Promise<void> {
  if (readMark(markPath) === bootId) return;
  const wanted = list().filter(({ autostart, state }) => autostart && state.is === 'stopped');
  for (const { name } of wanted) {
    if (signal.aborted) return; // the next daemon goes on
    if ((await start(name)) === null)
      log.warn(`vm ${name} was to start at boot, and could not; "banger vm show" says why`);
    else log.info(`vm ${name} was started at boot`);
  }
  await writeWhereChanged(markPath, bootId);
}

function readMark(path: string): string | null {
  try {
    return readSmallFile(path);
  } catch {
    return null; // it was never done
  }
}
