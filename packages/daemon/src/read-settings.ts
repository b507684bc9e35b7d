/** The environment as one value; called by the programs' entries, which alone read `process.env`. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { builtProgram } from '@banger/contract/built-program.ts';
import { folderOwner } from '@banger/contract/own-folder.ts';
import { bangerPaths, daemonSocketPath } from '@banger/contract/paths.ts';
import { handedDescriptors } from './platform/handed-descriptors.ts';
import { OWNER } from './platform/own-files.ts';
import { ROOT_SOCKET, type Settings } from './settings.ts';

/** Of a checkout, or of what a package installs */
const ROOT = join(import.meta.dirname, '../../..');
const NAMES_UNIT = 'bangerd-names.socket';
const DEFAULT_BOOT_TIMEOUT_MS = 60_000;

/**
 * `handed` is what the starter keeps out of the environment, where it would stay readable: the owner's proxies. Throws
 * HOME_INVALID, FOLDER_UNUSABLE and PATH_TOO_LONG.
 */
export function readSettings(env: NodeJS.ProcessEnv, handed: Pick<Settings, 'proxies'> = { proxies: {} }): Settings {
  const { uid, files } = OWNER;
  const home = homedir();
  const paths = bangerPaths({ env, uid, home, ownerOf: (path) => folderOwner(path, files) });
  return {
    paths,
    home,
    socketPath: daemonSocketPath(paths),
    agentPath: builtProgram(ROOT, 'banger-agent', existsSync),
    linkPath: builtProgram(ROOT, 'banger-link', existsSync),
    catalogFolder: join(ROOT, 'catalog'),
    tools: {
      qemu: env.BANGER_QEMU ?? 'qemu-system-x86_64',
      firecracker: env.BANGER_FIRECRACKER ?? 'firecracker',
      passt: env.BANGER_PASST ?? 'passt',
      pasta: env.BANGER_PASTA ?? 'pasta',
    },
    rootSocket: env.BANGER_ROOT_SOCKET ?? ROOT_SOCKET,
    namesSockets: handedDescriptors(env, process.pid).flatMap(({ descriptor, unit }) =>
      unit === NAMES_UNIT ? [descriptor] : [],
    ),
    kvmDevice: env.BANGER_KVM ?? '/dev/kvm',
    hypervisorSees: (env.BANGER_HYPERVISOR_SEES ?? '').split(':').filter(Boolean),
    ownerEnv: {
      HOME: home,
      ...(env.XDG_CONFIG_HOME && { XDG_CONFIG_HOME: env.XDG_CONFIG_HOME }),
    },
    proxies: handed.proxies,
    isRoot: uid === 0,
    commandPath: join(ROOT, 'bin/banger'),
    bootTimeoutMs: Number(env.BANGER_BOOT_TIMEOUT_MS ?? DEFAULT_BOOT_TIMEOUT_MS),
    hostRoot: env.BANGER_HOST_ROOT ?? '/',
  };
}
