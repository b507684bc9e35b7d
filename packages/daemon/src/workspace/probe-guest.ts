/** What a guest says of the folder that a workspace goes to, and whose the workspace is. */
import { BangerError } from '@banger/contract/errors.ts';
import type { Guest } from '../guest/guest.ts';
import type { Task } from '../platform/task.ts';
import { runInGuest } from './guest-command.ts';
import { parseGuestPath } from './guest-path.ts';
import { guestScripts } from './guest-scripts.ts';

export type Found = {
  path: string;
  hasGit: boolean;
  /** New is also a folder with nothing in it */
  is: 'new' | 'there';
  /** Number of the user that the workspace is for */
  uid: string;
};

type Wanted = {
  at: string | undefined;
  user: string | undefined;
  /** As whom the image runs its commands, and may name a group; who is named goes before, as does whose the folder is */
  ownUser: string | null;
  name: string;
};

/** Makes the folder too. Throws GUEST_PATH, USER_NOT_FOUND, BAD_REQUEST. */
export async function probeGuest(task: Task, guest: Guest, { at, user, ownUser, name }: Wanted): Promise<Found> {
  const path = at === undefined ? null : parseGuestPath(at);
  parseGuestPath(`/root/${name}`); // a name that no folder may have
  const said: Buffer[] = [];
  const implied = ownUser?.split(':')[0] ?? '';
  await runInGuest(task, guest, {
    argv: guestScripts.probe(path, user ?? '', implied, name),
    cwd: '/',
    maxBytes: 5000,
    onStdout: (bytes) => void said.push(bytes),
  }).catch((fault) => Promise.reject(withoutShell(fault)));
  const [git, is, uid = '', folder = ''] = Buffer.concat(said).toString('utf8').trim().split('\n');
  if (is === 'no-user') {
    throw new BangerError('USER_NOT_FOUND', {
      message: `The machine has no user "${user ?? implied}".`,
      hint: '"banger vm exec <vm> -- cat /etc/passwd" lists them.',
    });
  }
  const where = path ?? parseGuestPath(folder.replace(/^\./, ''));
  if ((is === 'new' || is === 'there') && /^\d{1,10}$/.test(uid))
    return { path: where, hasGit: git === 'git', is, uid };
  throw new BangerError('GUEST_PATH', {
    message: `${where} in the guest is not a folder.`,
    hint: 'Choose another folder with --at.',
  });
}

/** An image of a single program has none, and so no workspace. */
function withoutShell(fault: unknown): unknown {
  if (!(fault instanceof BangerError) || fault.details?.guestCode !== 'NO_SHELL') return fault;
  return new BangerError('WORKSPACE_FAILED', {
    message: 'The image has no shell: there is no /bin/sh in it, which unpacks a workspace.',
    hint: '"banger vm cp" brings files into it without one.',
    cause: fault,
  });
}
