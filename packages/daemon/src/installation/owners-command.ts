/** What is the owner's is looked at and changed by the owner's own command, which root only calls. */
import { join } from 'node:path';
import type { Task } from '../platform/task.ts';
import type { Account } from './metadata.ts';

/** Gives its output. Throws where it fails, unless the code is accepted. */
export type RunTool = (task: Task, argv: string[], acceptCodes?: number[]) => Promise<string>;

/** `root`: of this banger, a checkout or what a package installs. Each throws what the command says. */
export function ownersCommand({ root, runTool }: { root: string; runTool: RunTool }) {
  const banger = join(root, 'bin/banger');
  return { stopDaemon, listRunning, removeMachines, removeFolders, makeState, removeEmptyState };

  /** Machines go on without it. */
  async function stopDaemon(task: Task, owner: Account): Promise<void> {
    await asOwner(task, owner, [banger, 'daemon', 'stop', '--quiet']);
  }

  async function listRunning(task: Task, owner: Account): Promise<string[]> {
    const vms = await listMachines(task, owner);
    return vms.filter(({ state }) => state.is !== 'stopped').map(({ name }) => name);
  }

  async function removeMachines(task: Task, owner: Account): Promise<void> {
    for (const { name } of await listMachines(task, owner)) {
      await asOwner(task, owner, [banger, 'vm', 'rm', '--force', '--', name]);
    }
  }

  async function listMachines(task: Task, owner: Account): Promise<{ name: string; state: { is: string } }[]> {
    return JSON.parse(await asOwner(task, owner, [banger, 'vm', 'ls', '--json'])).vms;
  }

  async function removeFolders(task: Task, owner: Account): Promise<void> {
    const kept = [stateOf(owner), `${owner.home}/.local/share/banger`, `${owner.home}/.cache/banger`];
    await asOwner(task, owner, ['rm', '-rf', '--', ...kept, `/run/user/${owner.uid}/banger`]);
  }

  /** Without it the service does not begin: then the home is not there yet, and a daemon would make another state. */
  async function makeState(task: Task, owner: Account): Promise<void> {
    await asOwner(task, owner, ['mkdir', '-p', '-m', '700', '--', stateOf(owner)]);
  }

  async function removeEmptyState(task: Task, owner: Account): Promise<void> {
    await asOwner(task, owner, ['rmdir', '--ignore-fail-on-non-empty', '--', stateOf(owner)]);
  }

  function asOwner(task: Task, { name, uid, home }: Account, argv: string[]): Promise<string> {
    const environment = [`HOME=${home}`, `XDG_RUNTIME_DIR=/run/user/${uid}`, 'PATH=/usr/bin:/bin', 'LANG=C.UTF-8'];
    return runTool(task, ['runuser', '-u', name, '--', 'env', '-i', '--chdir=/', ...environment, ...argv]);
  }
}

function stateOf({ home }: Account): string {
  return join(home, '.local/state/banger');
}
