/**
 * One daemon for a state folder. The lock is SQLite's lock on a file of its own: the kernel lets go of it when the
 * process ends, however it ends, so there is nothing to clean up and no pid to misread.
 */
import { DatabaseSync } from 'node:sqlite';
import { BangerError } from '@banger/contract/errors.ts';

/** Held until the process ends, or disposed. Throws DAEMON_ALREADY_RUNNING, FOLDER_UNUSABLE. */
export function takeSingleInstanceLock(path: string): Disposable {
  const database = open(path);
  try {
    // Without a journal's file: a full disk would have no room for it, and the lock is all that is wanted.
    database.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;');
  } catch (cause) {
    database.close();
    if (!/locked|busy/i.test((cause as Error).message)) throw cause;
    throw new BangerError('DAEMON_ALREADY_RUNNING', {
      message: 'Another daemon is running for this state folder.',
      hint: '"banger daemon status" shows it, "banger daemon stop" ends it. It may have been started with another XDG_RUNTIME_DIR, and then listens on a socket there.',
      cause,
    });
  }
  return { [Symbol.dispose]: () => database.close() };
}

/** SQLite says the same whatever it cannot open, such as a folder in the file's place. */
const CANNOT_OPEN = 14;

function open(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout: 0 });
  } catch (cause) {
    if ((cause as { errcode?: number }).errcode !== CANNOT_OPEN) throw cause;
    throw new BangerError('FOLDER_UNUSABLE', {
      message: `The lock ${path} cannot be opened.`,
      hint: 'It holds nothing: move away what is in its place, and the next command makes it anew.',
      details: { path },
      cause,
    });
  }
}
