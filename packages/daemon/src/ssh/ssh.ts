/**
 * The door to ssh: OpenSSH on the host, sshd in the guest, and nothing asked in between.
 *
 * The two speak over the agent: for each connection the guest runs an sshd of its own, on a pipe. So it works without a
 * network, right after boot, and whatever the image's own ssh service does. Keys are made at the first use and put into
 * the guest once a boot; the client knows the vm's host key before it hears of it.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SshAccess, SshConfig } from '@banger/contract/api/ssh.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { vmHost } from '@banger/contract/names.ts';
import type { BangerPaths } from '@banger/contract/paths.ts';
import type { Guest } from '../guest/guest.ts';
import { makePrivateFolder, removePartials, removeTree, writeFileDurably } from '../platform/files.ts';
import { createOneAtATime } from '../platform/one-at-a-time.ts';
import type { Task } from '../platform/task.ts';
import type { VmRecord } from '../store/records/vms.ts';
import type { VmFolders } from '../store/vm-folders.ts';
import { renderClientConfig } from './client-config.ts';
import { makeKeyPair, type PublicKey, readPublicKey } from './keys.ts';
import { findServer, installKeys, serverCommand, untilLoginsAreOpen } from './server.ts';

type SshParts = {
  paths: BangerPaths;
  folders: VmFolders;
  /** The command `banger`, which OpenSSH calls to reach a vm */
  commandPath: string;
  /** The user's own key, private or public; null for one that banger makes */
  sshKey: () => Promise<string | null>;
};
type SshVm = Pick<VmRecord, 'id' | 'name'>;

export type Ssh = ReturnType<typeof createSsh>;

export function createSsh({ paths, folders, commandPath, sshKey }: SshParts) {
  const folder = join(paths.data, 'ssh');
  const configPath = join(folder, 'config');
  const ownKeyPath = join(folder, 'id_ed25519');
  const oneAtATime = createOneAtATime();
  /** What each vm's guest was given, and in which boot */
  const given = new Map<string, string>();
  return { config, refreshConfig, open, closed, forget, sweep };

  /** The file for OpenSSH clients, made when it is not there. */
  async function config(task: Task): Promise<SshConfig> {
    await oneAtATime.run(task, folder, async () => {
      await makePrivateFolder(join(folder, 'known_hosts'));
      const own = await sshKey();
      if (own === null) await makeKeyPair(task, ownKeyPath, 'banger');
      await writeIfChanged(
        configPath,
        renderClientConfig({ folder, identityPath: own ?? ownKeyPath, commandPath, paths }),
      );
    });
    return { configPath };
  }

  /** At the daemon's start: files whose writing was cut off. */
  async function sweep(): Promise<void> {
    for (const each of [folder, join(folder, 'known_hosts')]) await removePartials(each);
  }

  /** Another banger or another key may have come since it was made. Where ssh was never used nothing is written. */
  async function refreshConfig(task: Task): Promise<void> {
    if ((await readOrNull(configPath)) !== null) await config(task);
  }

  /**
   * Makes a running vm ready for a connection, in which its image's variables are set. Throws SSH_NO_SERVER, or
   * FILE_NOT_FOUND for the user's own key.
   */
  async function open(task: Task, vm: SshVm, guest: Guest, imageEnv: readonly string[]): Promise<SshAccess> {
    await config(task);
    const server = await oneAtATime.run(task, vm.id, async () => {
      const hostKey = await makeHostKey(task, vm);
      const userKey = await readUserKey();
      const path = await findServer(task, guest, vm.name);
      const now = `${guest.info.bootId} ${hostKey.line} ${userKey.line}`;
      if (given.get(vm.id) !== now) {
        await installKeys(task, guest, { hostKeyPath: hostKeyPathOf(vm), userKey });
        await untilLoginsAreOpen(task, guest);
        given.set(vm.id, now);
      }
      return serverCommand(path, imageEnv);
    });
    return { host: vmHost(vm.name), configPath, server };
  }

  /** The vm's run has ended. */
  function closed({ id }: Pick<SshVm, 'id'>): void {
    given.delete(id);
  }

  /** The vm goes; its host key goes with its folder. */
  async function forget(vm: SshVm): Promise<void> {
    closed(vm);
    await removeTree(knownHostsOf(vm));
  }

  async function makeHostKey(task: Task, vm: SshVm): Promise<PublicKey> {
    await makeKeyPair(task, hostKeyPathOf(vm), vmHost(vm.name));
    const key = await readPublicKey(hostKeyPathOf(vm));
    await writeIfChanged(knownHostsOf(vm), `${vmHost(vm.name)} ${key.line}\n`);
    return key;
  }

  async function readUserKey(): Promise<PublicKey> {
    const own = await sshKey();
    if (own === null) return readPublicKey(ownKeyPath);
    try {
      return await readPublicKey(own);
    } catch (cause) {
      throw new BangerError('FILE_NOT_FOUND', {
        message: `The ssh key ${own} of the config has no public key beside it that can be read.`,
        hint: `"ssh-keygen -y -f ${own} > ${own}.pub" makes it; without ssh_key banger uses a key of its own.`,
        details: { path: own },
        cause,
      });
    }
  }

  function hostKeyPathOf({ id }: SshVm): string {
    return join(folders.of(id).data, 'ssh_host_ed25519_key');
  }

  function knownHostsOf(vm: SshVm): string {
    return join(folder, 'known_hosts', vmHost(vm.name));
  }
}

async function writeIfChanged(path: string, content: string): Promise<void> {
  if ((await readOrNull(path)) !== content) await writeFileDurably(path, content);
}

async function readOrNull(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch(() => null);
}
