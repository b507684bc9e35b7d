/**
 * Being root without being root: a user namespace in which the owner is user 0 and the ids of /etc/subuid are the
 * others. Package installation needs it; what it leaves behind belongs to those other ids.
 */
import { removeTree } from './files.ts';
import { ProcessFailure, runProcess } from './run-process.ts';
import type { Task } from './task.ts';

// systemd makes a host's mounts shared: what root mounts in a namespace that is only copied appears on the host too.
const OWN_MOUNTS = ['--mount', '--propagation', 'private'];
/** Ended as a whole with its first process, mounts included. */
const ENDED_AS_A_WHOLE = [...OWN_MOUNTS, '--pid', '--fork', '--kill-child'];
/** Ended with the daemon that started it, however that ends. */
export const ENDED_WITH_US = ['setpriv', '--pdeathsig', 'KILL'];
export const IN_NAMESPACE = [
  ...ENDED_WITH_US,
  'unshare',
  '--user',
  '--map-root-user',
  '--map-auto',
  ...ENDED_AS_A_WHOLE,
];
/** The same for one who is root already. */
export const IN_ROOT_NAMESPACE = [...ENDED_WITH_US, 'unshare', ...ENDED_AS_A_WHOLE];
/** For root: the same user, without its power over the host. */
export const WITHOUT_ROOT_POWER = ['unshare', '--user', '--map-root-user', ...OWN_MOUNTS];

export async function canUse(task: Task, namespace: readonly string[]): Promise<boolean> {
  try {
    await runProcess(task, [...namespace, 'true']);
    return true;
  } catch (fault) {
    if (fault instanceof ProcessFailure) return false;
    throw fault;
  }
}

/** Removes a tree of which parts may belong to ids of the namespace. */
export async function removeMappedTree(task: Task, path: string): Promise<void> {
  try {
    await removeTree(path);
  } catch (fault) {
    const { code } = fault as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM') throw fault;
    await runProcess(task, [...IN_NAMESPACE, 'rm', '-rf', '--', path]);
  }
}
