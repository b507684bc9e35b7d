/** One change of the installation at a time: two would undo each other's. */
import { readdirSync, readlinkSync, rmSync } from 'node:fs';
import { BangerError } from '@banger/contract/errors.ts';
import { takeSingleInstanceLock } from '../platform/single-instance.ts';

/** Held until the process ends, or disposed, which leaves no file. Throws INSTALL_REFUSED where another holds it. */
export function lockChanges(path: string): Disposable {
  const lock = takeLock(path);
  return {
    [Symbol.dispose]: () => {
      rmSync(path, { force: true });
      lock[Symbol.dispose]();
    },
  };
}

function takeLock(path: string): Disposable {
  const umask = process.umask(0o077); // whoever could read the file could lock it
  try {
    const lock = takeSingleInstanceLock(path);
    if (isOpen(path)) return lock;
    lock[Symbol.dispose](); // of the one before, who has taken it away meanwhile
  } catch (cause) {
    if (!(cause instanceof BangerError) || cause.code !== 'DAEMON_ALREADY_RUNNING') throw cause;
  } finally {
    process.umask(umask);
  }
  throw new BangerError('INSTALL_REFUSED', {
    message: 'Another "banger system" command is at work on this host.',
    hint: 'Try again when it has ended.',
  });
}

/** By that name still: the kernel says "(deleted)" behind one that was taken away. */
function isOpen(path: string): boolean {
  return readdirSync('/proc/self/fd').some((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`) === path;
    } catch {
      return false; // the folder's own, which is closed
    }
  });
}
